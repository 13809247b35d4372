"""Login links, ``/_conductor/auth/<token>?next=<path>``: written, taken apart, and where they may lead."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, unquote_to_bytes

import attrs

from conductor_trio.access.tokens import cookie_value

#: Of the server's own pages.
OWN_PREFIX = "/_conductor"
LOGO_PAGE = "/logo"  #: below that, on every host
LOGIN_PREFIX = OWN_PREFIX + "/auth/"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# Names below localhost lead to the visitor's own host (RFC 6761 section 6.3), where there is no certificate.
_LOCAL = re.compile(r"(.+\.)?localhost(:\d+)?|127\.[\d.]+(:\d+)?|\[::1\](:\d+)?", re.IGNORECASE)


def is_own(path: str) -> bool:
    """Whether a path is the server's, in any spelling that an application might take for that."""
    if "%" not in path and "_conductor" not in path:
        return False
    segments: list[str] = []
    for segment in re.split(r"[/\\]", unquote(path)):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return segments[:1] == [OWN_PREFIX[1:]]


def is_local(host: str) -> bool:
    """Whether a host, with its port if it has one, is the visitor's own."""
    return _LOCAL.fullmatch(host) is not None


def guess_scheme(host: str) -> str:
    """Return the scheme of a host's pages, which the server does not tell (docs/protocol.md, "Reply")."""
    return "http" if is_local(host) else "https"


def format_login_link(host: str, token: str, scheme: str | None = None) -> str:
    """Return the link that logs a browser in; `host` is as the server tells it, with its port if it has one."""
    return f"{scheme or guess_scheme(host)}://{host}{LOGIN_PREFIX}{cookie_value(token.encode())}"


def format_session_page(host: str) -> str:
    """Return the address of the session's own page; `host` is as for `format_login_link`."""
    return f"{guess_scheme(host)}://{host}{OWN_PREFIX}/"


#: The one field of the form that asks for a token.
TOKEN_FIELD = "token"  # noqa: S105


@attrs.frozen(kw_only=True)
class LoginLink:
    """A login link taken apart: the token that it shows and the place to go to, safe for a Location field."""

    token: bytes
    next: str


def parse_login_link(path: str, query: str) -> LoginLink | None:
    """Take a login link apart, or return None where the path is not one (`LOGIN_PREFIX` and one segment)."""
    if not path.startswith(LOGIN_PREFIX):
        return None
    token = path.removeprefix(LOGIN_PREFIX)
    if not token or "/" in token:
        return None
    try:
        parameters = parse_qsl(query, keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:  # too many fields, or not UTF-8
        parameters = []
    where = next((value for name, value in parameters if name == "next"), "/")
    return LoginLink(token=unquote_to_bytes(token), next=safe_redirect_target(where))


def parse_login_form(body: bytes) -> bytes:
    """Return the token in a form's body, b"" where there is none.

    Who is asked for a token may paste the link that it is in.
    """
    try:
        # Latin-1 stands for the bytes, whatever they are.
        text = body.decode("latin-1")
        fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=10, encoding="latin-1"))
    except ValueError:
        return b""
    token = fields.get(TOKEN_FIELD, "").strip().encode("latin-1")
    _, found, in_link = token.partition(LOGIN_PREFIX.encode())
    return unquote_to_bytes(in_link.partition(b"?")[0]) if found else token


def safe_redirect_target(where: str) -> str:
    """Return `where`, fit for a Location field, if it stays on this host; '/' otherwise.

    Browsers take ``//host`` and ``/\\host`` for another host, and drop tabs and newlines before they look.
    """
    if not where.startswith("/") or where.startswith(("//", "/\\")) or _CONTROL.search(where):
        return "/"
    return quote(where, safe="/?#[]@!$&'()*+,;=:%~-._|")
