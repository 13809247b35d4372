"""Tokens and their hashes, what a request shows of them, and where a login link may lead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import NewType, TypeGuard
from urllib.parse import quote, unquote_to_bytes

from conductor_trio.http1.cookies import COOKIE_NAME, HOST_COOKIE_NAME

_TOKEN_HASH = re.compile(r"[0-9a-f]{128}")

#: The blake2b-512 digest of a token as 128 lower-case hexadecimal digits.
TokenHash = NewType("TokenHash", str)


def hash_token(token: bytes) -> TokenHash:
    """Return the digest by which a token is known here."""
    return TokenHash(blake2b(token).hexdigest())


#: An empty token would let in everyone who sends an empty cookie.
EMPTY_TOKEN_HASH = hash_token(b"")


def is_token_hash(text: str) -> TypeGuard[TokenHash]:
    """Whether a text has the form that `hash_token` gives."""
    return _TOKEN_HASH.fullmatch(text) is not None


def cookie_candidates(value: bytes) -> Iterable[bytes]:
    """Yield the tokens that a cookie's value may stand for: as it is, unquoted, and percent-decoded.

    A token that cannot stand in a cookie as it is (RFC 6265bis section 4.1.1) is percent-encoded by
    `cookie_value`; scripts and *conductor* put theirs there raw or in double quotes.
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


def format_cookies(token: bytes, *, https: bool) -> tuple[bytes, ...]:
    """Write the Set-Cookie fields' values that let a browser in (RFC 6265bis section 4.1).

    Over HTTPS there are two, of one priority each: Chromium keeps the latest of either when neighbours set more
    cookies than it keeps, and no neighbour can set one of the second name.
    """
    secure = "; Secure" if https else ""
    attributes = f"={cookie_value(token)}; HttpOnly; Path=/; SameSite=Lax{secure}".encode()
    contracts = COOKIE_NAME + attributes
    return (contracts, HOST_COOKIE_NAME + attributes + b"; Priority=High") if https else (contracts,)
