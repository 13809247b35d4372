"""The authorization cookie: cut out of Cookie fields to the byte, and never set by an application.

Over HTTPS it has a second name, with the prefix ``__Host-``, under which browsers take a cookie from its own host
alone (RFC 6265bis section 4.1.3.2), so that neighbours cannot plant it. Cookies of applications stay on their own
host, too.
"""

from __future__ import annotations

import re

COOKIE_NAME = b"authorization"
HOST_COOKIE_NAME = b"__Host-authorization"


_OWN_SET_COOKIE = re.compile(rb"[ \t]*=?[ \t]*(?:__Host-)?" + COOKIE_NAME + rb"[ \t]*(?:[=;]|$)")


def split_cookie(value: bytes) -> tuple[list[slice], list[slice]]:
    """Return the parts of a Cookie field's value that are not our cookie, and those that are our cookie's values.

    The parts, joined, are the value without our cookie, to the byte; none are left where that is empty. Pairs are
    separated by semicolons, whatever they hold (RFC 6265 section 4.2.1). Values that no neighbour can have planted
    come first.
    """
    whole = [slice(0, len(value))]
    if COOKIE_NAME not in value:
        return whole, []
    kept: list[slice] = []
    safe: list[slice] = []
    tokens: list[slice] = []
    start = 0
    for pair in value.split(b";"):
        end = start + len(pair)
        name, equals, token = pair.partition(b"=")
        name = name.strip(b" \t") if equals else b""
        if name in (COOKIE_NAME, HOST_COOKIE_NAME):
            token_start = end - len(token.lstrip(b" \t"))
            found = slice(token_start, token_start + len(token.strip(b" \t")))
            (tokens if name == COOKIE_NAME else safe).append(found)
        elif kept:
            kept.append(slice(start - 1, end))  # with the semicolon that separates it from what is kept before it
        else:
            kept.append(slice(start + len(pair) - len(pair.lstrip(b" \t")), end))
        start = end + 1
    if not (safe or tokens):
        return whole, []
    return [part for part in kept if part.start < part.stop], safe + tokens


def sets_own_cookie(value: bytes) -> bool:
    """Whether a Set-Cookie field would set our cookie.

    Browsers send a cookie without a name, ``=authorization=x``, as if that were its pair.
    """
    return _OWN_SET_COOKIE.match(value) is not None


def keep_cookie_at_home(value: bytes, host: bytes) -> bytes:
    """Return a Set-Cookie field's value without a Domain above `host`: the cookie is then its host's alone.

    Everything else stays as it is, to the byte.
    """
    pair, *attributes = value.split(b";")
    return b";".join([pair, *(one for one in attributes if not _is_domain_above(one, host))])


def _is_domain_above(attribute: bytes, host: bytes) -> bool:
    name, _, domain = attribute.partition(b"=")
    # An empty one counts for nothing (RFC 6265bis section 5.6.3).
    return name.strip(b" \t").lower() == b"domain" and domain.strip(b" \t").removeprefix(b".").lower() not in (
        host,
        b"",
    )
