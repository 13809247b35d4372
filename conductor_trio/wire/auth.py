"""Tokens and their hashes, what a request shows of them, and where a login link may lead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import attrs

LOGIN_PREFIX = "/_conductor/auth/"

#: The one field of the form that asks for a token.
TOKEN_FIELD = "token"  # noqa: S105

_TOKEN_HASH = re.compile(r"[0-9a-f]{128}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def hash_token(token: bytes) -> str:
    """Return the blake2b-512 digest of a token as 128 lower-case hexadecimal digits."""
    return blake2b(token).hexdigest()


#: An empty token would let in everyone who sends an empty cookie.
EMPTY_TOKEN_HASH = hash_token(b"")


def is_token_hash(text: str) -> bool:
    """Whether a text has the form that `hash_token` gives."""
    return _TOKEN_HASH.fullmatch(text) is not None


def cookie_candidates(value: bytes) -> Iterable[bytes]:
    """Yield the tokens that a cookie's value may stand for: as it is, unquoted, and percent-decoded.

    A token that cannot stand in a cookie as it is (RFC 6265bis section 4.1.1) is percent-encoded by
    `cookie_value`; scripts and the original put theirs there raw or in double quotes.
    """
    yield value
    if len(value) >= 2 and value[:1] == value[-1:] == b'"':
        value = value[1:-1]
        yield value
    if b"%" in value:
        yield unquote_to_bytes(value)


def cookie_value(token: bytes) -> str:
    """Return the token in the form in which it stands in our cookie and in a login link's path."""
    return quote(token, safe="!'()*-._~")


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
    return LoginLink(token=unquote_to_bytes(token), next=safe_next(where))


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


def safe_next(where: str) -> str:
    """Return `where`, fit for a Location field, if it stays on this host; '/' otherwise.

    Browsers take ``//host`` and ``/\\host`` for another host, and drop tabs and newlines before they look.
    """
    if not where.startswith("/") or where.startswith(("//", "/\\")) or _CONTROL.search(where):
        return "/"
    return quote(where, safe="/?#[]@!$&'()*+,;=:%~-._|")
