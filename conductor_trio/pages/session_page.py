"""The session's own page: what its owner, and those to whom they gave a link, see of it while it runs.

The session that it is about is named in the page, as it was when that was asked for; what changes comes over its
WebSocket, and `session_script` shows it. Who else is let in, and who is there, comes for the owner alone.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from typing import assert_never

import attrs

from conductor_trio.pages.house import House
from conductor_trio.pages.html import render_frame
from conductor_trio.pages.session_script import SESSION_SCRIPT
from conductor_trio.pages.speech import fill_markup
from conductor_trio.pages.words.words import Language

_OWN_SHEET = """\
.top{display:flex;flex-wrap:wrap;gap:var(--s3) var(--s4);align-items:flex-start;justify-content:space-between}
.top>div{flex:1 1 16rem;min-width:0}
.top h1{margin-bottom:var(--s1)}
.state{display:inline-flex;align-items:center;gap:var(--s2);font-weight:600}
.state::before{content:"";flex:none;width:.65rem;height:.65rem;border-radius:50%;background:var(--soft)}
.state.live::before{background:var(--good)}.state.starting::before,.state.lost::before{background:var(--wait)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:var(--s1) var(--s5);margin:var(--s4) 0 0}
dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
#news:empty,#named:empty{display:none}#news{margin:var(--s4) 0 0}
ul{list-style:none;margin:0;padding:0}
li{display:flex;flex-wrap:wrap;gap:var(--s2) var(--s4);align-items:center;justify-content:space-between;
padding:var(--s2) 0;border-top:1px solid var(--line)}
li:first-child{border-top:0;padding-top:0}li:last-child{padding-bottom:0}
li>span{flex:1 1 9rem;min-width:0;overflow-wrap:anywhere}
li small{display:block;color:var(--soft);font-size:var(--small)}
li button{flex:none}
#log li{align-items:baseline;justify-content:flex-start;font-size:var(--small)}
#log time{flex:0 0 auto;color:var(--soft)}
.row{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,13rem),1fr));gap:var(--s4);align-items:start}
.row label{margin:0 0 var(--s1)}
.check{display:flex;gap:var(--s2);align-items:center;font-weight:400;margin:var(--s3) 0;min-height:1.75rem}
.check input{width:1.25rem;height:1.25rem;min-height:0;flex:none;accent-color:var(--accent)}
#linkrow,#named{margin:var(--s4) 0 0}
.copy{display:flex;gap:var(--s2);align-items:stretch}
.copy textarea{flex:1;min-width:0;font:.875rem/1.4 var(--mono);word-break:break-all;resize:none;
field-sizing:content}
.ending{display:flex;flex-wrap:wrap;gap:var(--s3) var(--s4);align-items:center;justify-content:space-between}
.ending p{margin:0;flex:1 1 14rem}
@media(max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:var(--s2)}
#log time{flex:1 0 100%}.copy{flex-direction:column}.top .button,form>button,.ending button{width:100%}}
@media(min-width:30.01rem){form>button.own{width:auto}}
"""

_BODY = """<p id="announcement" class="note announcement" role="note" hidden></p>
<article class="card tone">
<div class="top"><div>
<h1>{name}</h1>
<p class="soft">{where}</p>
</div><a class="button" href="/">{back}</a></div>
<p id="news" role="status">{connecting}</p>
<p id="stale" class="note" hidden>{stale}</p>
<noscript><p class="note">{script}</p></noscript>
<dl>
<dt>{state}</dt><dd><span id="state" class="state"></span></dd>
<dt>{since}</dt><dd id="since"></dd>
<dt id="leftname" hidden>{left}</dt><dd id="left" hidden></dd>
<dt>{computer}</dt><dd id="node"></dd>
<dt id="commandname" hidden>{command}</dt><dd id="command" hidden></dd>
<dt>{connections}</dt><dd id="visitors"></dd>
<dt>{requests}</dt><dd id="requests"></dd>
<dt>{traffic}</dt><dd id="traffic"></dd>
</dl>
<section id="saying" class="wide" aria-labelledby="outputname" hidden>
<div class="bar"></div>
<h2 id="outputname">{output}</h2>
<p class="soft">{output_note}</p>
<pre id="output" tabindex="0" role="log" aria-labelledby="outputname"></pre>
</section>
</article>
<section class="card" aria-labelledby="peoplename">
<h2 id="peoplename">{people}</h2>
<ul id="people"></ul>
</section>
<section class="card" aria-labelledby="linksname">
<h2 id="linksname">{links}</h2>
<ul id="shares"></ul>
</section>
<div id="owner" hidden>
<section class="card" aria-labelledby="sharename">
<form id="share">
<h2 id="sharename">{share}</h2>
<div class="row">
{with_field}<div><label for="label">{whom}</label><input id="label" maxlength="60" autocomplete="off" \
aria-describedby="labelnote"><p id="labelnote" class="soft">{whom_note}</p></div>
<div><label for="hours">{long}</label><select id="hours"><option value="1">{hour}</option>\
<option value="8" selected>{hours}</option><option value="72">{days}</option>\
<option value="0">{always}</option></select></div>
</div>
<label class="check"{once_hidden}><input type="checkbox" id="once"> {once}</label>
<button type="submit" class="own">{submit}</button>
<p id="named" role="status"></p>
<div id="linkrow" hidden><label for="link">{made}</label><div class="copy">\
<textarea id="link" rows="2" readonly spellcheck="false"></textarea>\
<button type="button" id="copy" class="quiet">{copy}</button></div>\
<p id="copied" class="soft" role="status"></p></div>
</form>
</section>
<section class="card" aria-labelledby="endname">
<h2 id="endname">{end}</h2>
<div class="ending"><p class="soft">{end_note}</p>
<button type="button" id="stop" class="danger">{stop}</button></div>
</section>
</div>
<section class="card" aria-labelledby="logname">
<h2 id="logname">{events}</h2>
<ul id="log"></ul>
</section>
"""
#: Where a person is named who needs no link.
_WITH_FIELD = """<div><label for="with">{with_label}</label><input id="with" maxlength="200" autocomplete="off" \
autocapitalize="off" spellcheck="false" aria-describedby="withnote"{more}>\
<p id="withnote" class="soft">{with_note}</p></div>
"""


class SignOn(enum.Enum):
    """Whether people can be let in by their names."""

    NONE = enum.auto()
    OFFERED = enum.auto()
    NEEDED = enum.auto()  #: and by nothing else


@attrs.frozen(kw_only=True)
class SessionView:
    """Which session the page is about, and who looks."""

    key: str
    user: str = ""
    node: str = ""
    application: str = ""
    proof: str = ""  #: of letters that need no escaping; shows the gateway that the page's script speaks
    sign_on: SignOn = SignOn.NONE


def render_session_page(view: SessionView, language: Language, house: House) -> bytes:
    """Return the page."""
    words = {name: fill_markup(text, {}, language) for name, text in _shown(language).items()}
    name = view.application or view.key or language.session["title"]
    where = [one for one in (view.key, view.user, view.node) if one and one != name]
    told = {"session": language.session, "events": language.events}
    return render_frame(
        title=f"{name} – {view.key}" if view.key not in ("", name) else name,
        head=f'<meta name="proof" content="{view.proof}">\n',
        attributes=f' data-words="{escape(json.dumps(told, ensure_ascii=False))}"',
        announcements=(house.announcement,),
        body=_BODY.format_map(
            {**words, **_form(view.sign_on, words), "name": escape(name), "where": escape(" · ".join(where))}
        ),
        more_style=_OWN_SHEET,
        script=SESSION_SCRIPT,
        language=language,
        house=house,
    )


def _shown(language: Language) -> dict[str, str]:
    """Return the words that stand in the page; those with values are its script's."""
    return {name: text for name, text in language.session.items() if "{" not in text}


def _form(sign_on: SignOn, words: Mapping[str, str]) -> dict[str, str]:
    """Return what of the form for shares depends on the sign-on: whether it asks for a name, and makes links."""
    match sign_on:
        case SignOn.NONE:
            return {"with_field": "", "once_hidden": "", "submit": words["make"]}
        case SignOn.OFFERED:
            told = {"with_label": words["with"], "with_note": words["with_note"], "more": ""}
            return {"with_field": _WITH_FIELD.format_map(told), "once_hidden": "", "submit": words["share"]}
        case SignOn.NEEDED:
            told = {"with_label": words["with"], "with_note": words["with_only_note"], "more": " required"}
            return {
                "with_field": _WITH_FIELD.format_map(told),
                "once_hidden": " hidden",
                "submit": words["let_in"],
            }
    assert_never(sign_on)


@lru_cache(maxsize=4)  # there is one house but in tests
def session_policy(house: House) -> bytes:
    """Its own script and its own WebSocket, and nothing else."""
    return house.make_policy(more_style=_OWN_SHEET, script=SESSION_SCRIPT, form="'none'")
