"""The house: whose gateway it is, as its own pages and clients' errors show it, and what all pages share of that.

Of its logo only pictures are taken, known by their first bytes. A drawing (SVG) could hold a script: one that does
is not taken, and what is served is said to be a picture and nothing else.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from urllib.parse import urlsplit

import attrs

from conductor_trio.access.login_link import LOGO_PAGE, OWN_PREFIX
from conductor_trio.errors import format_contact
from conductor_trio.limits.constants import MAX_LOGO
from conductor_trio.pages.colors import Color, ink_on, make_readable, parse_color
from conductor_trio.pages.page_script import SCRIPT
from conductor_trio.pages.style import DEFAULT_COLOR, SHEET, make_tokens
from conductor_trio.pages.symbols import make_icon

_ICON_GROUNDS = (parse_color("#ffffff"),)

_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (
        re.compile(
            rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*|<!--(?:[^-]|-(?!->))*-->\s*|<!DOCTYPE[^>\[]*>\s*)*<svg[\s>]"
        ),
        "image/svg+xml",
    ),
)
#: What a drawing needs for anything but to be seen, or to have others asked for a part of it.
_LIVELY = re.compile(
    rb"<\s*(?:\w+:)?(?:script|foreignObject|iframe|object|embed|handler)\b|\son[a-z]+\s*="
    rb"|javascript:|<!ENTITY|<\?xml-stylesheet|@import|(?:href|src)\s*=\s*[\"']\s*(?!#|data:image/)",
    re.IGNORECASE,
)


@attrs.frozen
class Logo:
    """A picture, and its type."""

    type: str
    data: bytes = attrs.field(repr=False)

    @property
    def address(self) -> str:
        """Where it is on every host; another picture has another address."""
        return f"{LOGO_PATH}?{sha256(self.data).hexdigest()[:12]}"


#: Below our own paths, so that no application has anything there.
LOGO_PATH = OWN_PREFIX + LOGO_PAGE


def read_logo(data: bytes) -> Logo:
    """Return the picture that these bytes are; raises ValueError for what is none, or is too large."""
    if len(data) > MAX_LOGO:
        raise ValueError(f"it has more than {MAX_LOGO // 1024} KiB")
    type_ = next((name for magic, name in _MAGIC if magic.match(data)), None)
    if type_ is None:
        raise ValueError("it is no picture of a type that is safe to show: PNG, JPEG, GIF, WebP or SVG")
    if type_ == "image/svg+xml" and (found := _LIVELY.search(data)):
        raise ValueError(f"the drawing does more than to be seen: {found[0].decode('utf-8', 'replace').strip()!r}")
    return Logo(type_, data)


def check_help_url(text: str) -> str:
    """Return the address where help is, of the web or of mail; raises ValueError."""
    parts = urlsplit(text)
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    is_mail = parts.scheme == "mailto" and "@" in parts.path
    if not (is_web or is_mail) or not re.fullmatch(r"[!-~]+", text) or re.search(r"[\"'<>\\^`{|}]", text):
        raise ValueError(f"{text!r} is no address; write it as https://… or mailto:…")
    return text


@attrs.frozen(kw_only=True)
class House:
    """What the operator says of themselves, checked."""

    name: str = ""
    logo: Logo | None = None
    help_url: str = ""
    announcement: str = ""
    color: Color = DEFAULT_COLOR
    #: What follows from that, once for all pages.
    style: str = attrs.field(init=False, eq=False, repr=False)
    icon: str = attrs.field(init=False, eq=False, repr=False)
    plain_policy: bytes = attrs.field(init=False, eq=False, repr=False)  #: for pages without a script
    policy: bytes = attrs.field(init=False, eq=False, repr=False)  #: for those with the pages' script

    @style.default
    def _make_style(self) -> str:
        return make_tokens(self.color) + SHEET

    @icon.default
    def _make_icon(self) -> str:
        color = make_readable(self.color, _ICON_GROUNDS)
        return make_icon(str(color), str(ink_on(color)))

    @plain_policy.default
    def _make_plain_policy(self) -> bytes:
        return self.make_policy()

    @policy.default
    def _make_policy(self) -> bytes:
        return self.make_policy(script=SCRIPT)

    @property
    def contact(self) -> str:
        """Whom to ask, for a clause such as "ask its administrators"."""
        return format_contact(self.name, self.help_url)

    def make_policy(self, *, more_style: str = "", script: str = "", form: str = "'self'") -> bytes:
        """Return the policy of a page: its own style, script and icon, the logo, and nothing else."""
        parts = [
            "default-src 'none'",
            f"style-src {digest(self.style + more_style)}",
            f"img-src data:{' ' + SELF if self.logo else ''}",
            *([f"script-src {digest(script)}", f"connect-src {SELF}"] if script else []),
            f"form-action {form}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ]
        return "; ".join(parts).encode()


SELF = "'self'"


def digest(text: str) -> str:
    """Return the source expression for a style or script that stands in its page."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
