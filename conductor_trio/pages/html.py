"""The frame of the gateway's own pages, and the page of an answer: for phones and screen readers, too."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from html import escape

import attrs

from conductor_trio.access.login_link import TOKEN_FIELD
from conductor_trio.pages import symbols
from conductor_trio.pages.house import House
from conductor_trio.pages.page_script import SCRIPT
from conductor_trio.pages.speech import Markup, as_markup
from conductor_trio.pages.words.english import ENGLISH
from conductor_trio.pages.words.words import Language

PROGRAM = "conductor-trio"

_FRAME = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{head}<title>{title}</title>
<link rel="icon" href="{icon}">
<style>{style}</style>
</head>
<body>
<header>{brand}</header>
<main{attributes}>
{announcements}{body}</main>
<footer>{footer}</footer>
{script}</body>
</html>
"""

_ARTICLE = """<article class="card tone {tone}">
<p class="hop">{symbol}{hop}</p>
<h1>{title}</h1>
{bar}<p>{text}</p>
{advice}{output}{exposed}{form}{owner}</article>
"""

_TOKEN_FORM = f"""<form method="post" action="/_conductor/login">
<label for="{TOKEN_FIELD}">{{token}}</label>
<input id="{TOKEN_FIELD}" name="{TOKEN_FIELD}" type="password" autocomplete="current-password" required autofocus
spellcheck="false" autocapitalize="none">
<button type="submit">{{open}}</button>
</form>
"""


#: To the page's own address, which holds the link, so that nothing that the visitor sent is repeated.
_OPEN_FORM = """<form method="post">
<button type="submit" autofocus>{open}</button>
</form>
"""


_OPEN_DASHBOARD_FORM = _OPEN_FORM.replace("{open}", "{open_dashboard}")


_FORGET_FORM = """<form method="post" action="/_conductor/cookies">
<button type="submit" class="quiet">{forget}</button>
</form>
"""


class Form(enum.Enum):
    """What a page has its reader do."""

    NONE = ""
    TOKEN = _TOKEN_FORM  #: enter a token
    OPEN = _OPEN_FORM  #: spend the one-time link that leads to the page
    OPEN_DASHBOARD = _OPEN_DASHBOARD_FORM  #: the same with a link of an operator's
    FORGET = _FORGET_FORM  #: have the browser forget what neighbours planted
    TOKEN_OR_FORGET = _TOKEN_FORM + _FORGET_FORM


class Tone(enum.Enum):
    """How things stand, which is seen by colour and picture before it is read."""

    ASKING = ""  #: it is the reader's turn
    DENIED = "denied"
    WAITING = "wait"  #: it becomes better by itself
    BROKEN = "bad"
    GONE = "gone"


_SYMBOLS = {
    Tone.ASKING: symbols.QUESTION,
    Tone.DENIED: symbols.LOCK,
    Tone.WAITING: symbols.CLOCK,
    Tone.BROKEN: symbols.ALERT,
    Tone.GONE: symbols.ENDED,
}


@attrs.frozen(kw_only=True)
class Page:
    """What a page says: where it comes from or what failed, what is so, and what to do next."""

    title: str
    hop: str
    text: str
    advice: str
    code: str = ""  #: the status, where it says more than the title
    owner: str = ""  #: what the application's owner does next
    tone: Tone = Tone.DENIED
    reload: int | None = None  #: after how many seconds a browser is to ask again by itself
    watch: str = ""  #: the session's state that it waits out; a change of it is asked for at once
    passed: float | None = None  #: for how many seconds that has been so
    output: tuple[str, ...] | None = None  #: what the application says meanwhile, if the reader may see that
    form: Form = Form.NONE
    is_exposed: bool = False  #: what is entered in the form can be read on the way
    announcement: str = ""  #: what the operator has everybody read
    language: Language = ENGLISH
    house: House = attrs.field(factory=House)

    @property
    def has_script(self) -> bool:
        """Whether anything on it is done by the pages' script."""
        return self.reload is not None or (isinstance(self.text, Markup) and "<time" in self.text)

    def render(self) -> bytes:
        """Return the page as HTML in UTF-8."""
        attributes = ""
        if self.has_script:
            words = {name: self.language.labels[name] for name in ("minutes", "seconds", "moment")}
            reload = "" if self.reload is None else str(self.reload)
            told = {"words": json.dumps(words), "reload": reload, "watch": self.watch if reload else ""}
            attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in told.items())
        return render_frame(
            title=self.title,
            head=_refresh(self.reload),
            attributes=attributes,
            announcements=(self.house.announcement, self.announcement),
            body=self._render_article(),
            note=self.code,
            script=SCRIPT if self.has_script else "",
            language=self.language,
            house=self.house,
        )

    def _render_article(self) -> str:
        labels = self.language.labels
        return _ARTICLE.format(
            tone=self.tone.value,
            symbol=_SYMBOLS[self.tone],
            hop=as_markup(self.hop),
            title=as_markup(self.title),
            bar=self._render_bar(),
            text=as_markup(self.text),
            advice=f"<p>{as_markup(self.advice)}</p>\n" if self.advice else "",
            output=self._render_output(),
            exposed=_expose(labels) if self.is_exposed and self.form is not Form.NONE else "",
            form=self.form.value.format_map(labels),
            owner=f'<aside class="owner" aria-labelledby="owner-title"><h2 id="owner-title">'
            f"{labels['owner']}</h2>\n<p>{as_markup(self.owner)}</p></aside>\n"
            if self.owner
            else "",
        )

    def _render_bar(self) -> str:
        if self.passed is None:
            return ""
        labels = self.language.labels
        minutes, seconds = divmod(int(self.passed), 60)
        text = labels["minutes" if minutes else "seconds"].format(minutes=minutes, seconds=seconds)
        return (
            f'<div class="bar"></div>\n<p class="soft">{labels["for"]} '
            f'<span id="passed" class="figure" data-seconds="{int(self.passed)}">{text}</span></p>\n'
        )

    def _render_output(self) -> str:
        if self.output is None:
            return ""
        labels = self.language.labels
        lines = escape("\n".join(self.output)) or labels["no_output"]
        return (
            f'<section class="wide" aria-labelledby="output-title"><h2 id="output-title">{labels["output"]}</h2>\n'
            f'<p class="soft">{labels["output_note"]}</p>\n'
            f'<pre id="output" tabindex="0" role="log" aria-labelledby="output-title">{lines}</pre></section>\n'
        )


def render_frame(
    *,
    title: str,
    body: str,
    language: Language,
    house: House,
    head: str = "",
    attributes: str = "",
    announcements: tuple[str, ...] = (),
    note: str = "",
    more_style: str = "",
    script: str = "",
) -> bytes:
    """Return a page round its body; `head`, `attributes` and `body` are HTML, `note` stands at its foot."""
    name = house.name or PROGRAM
    help_link = f'<a href="{escape(house.help_url)}" rel="noreferrer">{language.labels["help"]}</a>'
    parts = [f"<span>{as_markup(note)}</span>" if note else "", help_link if house.help_url else ""]
    told = (_announce(text, language) for text in announcements if text)
    return _FRAME.format(
        lang=language.code,
        title=f"{as_markup(title)} · {escape(name)}",
        head=head,
        icon=house.icon,
        style=house.style + more_style,
        brand=_brand(house),
        attributes=attributes,
        announcements="".join(told),
        body=body,
        footer="".join([*parts, f"<span>{PROGRAM}</span>" if house.name else ""]),
        script=f"<script>{script}</script>\n" if script else "",
    ).encode()


def _brand(house: House) -> str:
    name = escape(house.name or PROGRAM)
    if house.logo is None:
        return f"{symbols.draw_mark()}<span>{name}</span>"
    if not house.name:
        return f'<img src="{house.logo.address}" alt="{name}">'
    return f'<img src="{house.logo.address}" alt=""><span>{name}</span>'


def _announce(text: str, language: Language) -> str:
    label = language.labels["announcement"]
    return f'<div class="note announcement" role="note" aria-label="{label}">{as_markup(text)}</div>\n'


def _expose(labels: Mapping[str, str]) -> str:
    return f'<p class="note bad"><strong>{labels["exposed_title"]}</strong> {labels["exposed"]}</p>\n'


def _refresh(reload: int | None) -> str:
    """Return what has a browser without scripts ask again."""
    refresh = f'<meta http-equiv="refresh" content="{reload}">'
    return "" if reload is None else f"<noscript>{refresh}</noscript>\n"
