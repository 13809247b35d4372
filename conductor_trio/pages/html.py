"""The gateway's own pages: one small style, nothing from elsewhere; for phones and screen readers, too."""

from __future__ import annotations

import enum
from html import escape

import attrs

from conductor_trio.access.login_link import TOKEN_FIELD

STYLE = """\
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5b6675;--line:#d7dde5;--paper:#fff;--back:#f3f5f8;\
--act:#0b5cad;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#a3aebd;--line:#3a4452;--paper:#1b212a;--back:#12161c;\
--act:#7db8f5;--bad:#f2a49d}}
*{box-sizing:border-box}
body{margin:0;padding:1rem;min-height:100vh;display:flex;align-items:center;justify-content:center;\
background:var(--back);color:var(--ink);font:1.05rem/1.55 system-ui,sans-serif}
main{width:100%;max-width:38rem;background:var(--paper);border:1px solid var(--line);border-radius:.75rem;\
padding:clamp(1.25rem,5vw,2.5rem)}
h1{font-size:1.45rem;line-height:1.25;margin:0 0 .75rem}
p{margin:.6rem 0}
.hop{font-size:.85rem;font-weight:600;color:var(--soft);margin:0 0 .35rem}
.warning{border:1px solid var(--bad);border-left-width:4px;border-radius:.4rem;padding:.6rem .8rem}
.announcement{border:1px solid var(--act);border-radius:.4rem;padding:.6rem .8rem;margin:0 0 1.2rem;\
overflow-wrap:anywhere}
.quiet{background:var(--paper);color:var(--act)}
.next{border-left:3px solid var(--act);padding-left:.8rem}
footer{margin-top:1.5rem;color:var(--soft);font-size:.85rem}
label{display:block;font-weight:600;margin:1.2rem 0 .3rem}
input,button{font:inherit;width:100%;padding:.6rem .75rem;border-radius:.4rem;border:1px solid var(--soft);\
background:var(--paper);color:var(--ink)}
button{margin-top:.75rem;background:var(--act);border-color:var(--act);color:var(--paper);font-weight:600;\
cursor:pointer}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}
"""

#: Nothing but what is written in the page itself; its form goes to where it came from.
POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{reload}<style>{style}</style>
</head>
<body>
<main>
{announcement}<p class="hop">{hop}</p>
<h1>{title}</h1>
<p>{text}</p>
{advice}{exposed}{form}<footer>{code} · conductor-trio</footer>
</main>
</body>
</html>
"""

_TOKEN_FORM = f"""<form method="post" action="/_conductor/login">
<label for="{TOKEN_FIELD}">Token</label>
<input id="{TOKEN_FIELD}" name="{TOKEN_FIELD}" type="password" autocomplete="current-password" required autofocus
spellcheck="false" autocapitalize="none">
<button type="submit">Open the application</button>
</form>
"""


#: To the page's own address, which holds the link, so that nothing that the visitor sent is repeated.
_OPEN_FORM = """<form method="post">
<button type="submit" autofocus>Open the application</button>
</form>
"""


_OPEN_DASHBOARD_FORM = _OPEN_FORM.replace("the application", "the dashboard")


_FORGET_FORM = """<form method="post" action="/_conductor/cookies">
<button type="submit" class="quiet">Forget the cookies of this domain</button>
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


_EXPOSED = (
    '<p class="warning"><strong>Not private:</strong> this page came without HTTPS. Whoever is on the way between '
    "you and the gateway can read the token, and all that you see and write in the application.</p>\n"
)


_ANNOUNCEMENT = '<p class="announcement" role="note">%s</p>\n'


@attrs.frozen(kw_only=True)
class Page:
    """What a page says: where it comes from or what failed, what is so, and what to do next."""

    title: str
    hop: str
    text: str
    advice: str
    code: str
    reload: int | None = None  #: after how many seconds a browser is to ask again by itself
    form: Form = Form.NONE
    is_exposed: bool = False  #: what is entered in the form can be read on the way
    announcement: str = ""  #: what the operator has everybody read

    def render(self) -> bytes:
        """Return the page as HTML in UTF-8."""
        return _PAGE.format(
            title=escape(self.title),
            announcement=_ANNOUNCEMENT % escape(self.announcement) if self.announcement else "",
            hop=escape(self.hop),
            text=escape(self.text),
            advice=f'<p class="next">{escape(self.advice)}</p>\n' if self.advice else "",
            exposed=_EXPOSED if self.is_exposed and self.form is not Form.NONE else "",
            form=self.form.value,
            code=escape(self.code),
            reload="" if self.reload is None else f'<meta http-equiv="refresh" content="{self.reload}">\n',
            style=STYLE,
        ).encode()
