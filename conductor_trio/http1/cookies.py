"""The authorization cookie: cut out of Cookie fields to the byte, and never set by an application.

Over HTTPS it has a second name, with the prefix ``__Host-``, under which browsers take a cookie from its own host
alone (RFC 6265bis section 4.1.3.2), so that neighbours cannot plant it. Cookies of applications stay on their own
host, too.
"""

from __future__ import annotations

import re

COOKIE_NAME = b"authorization"
HOST_COOKIE_NAME = b"__Host-authorization"


# A pair of our name, with the semicolon before it.
_OWN_PAIR = re.compile(rb"(?:^|;)[ \t]*(__Host-)?" + COOKIE_NAME + rb"[ \t]*=([^;]*)")
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
    begin = 0  # of what lies between two of ours, its first semicolon included
    for pair in _OWN_PAIR.finditer(value):  # and no loop over the others: a Cookie field may hold 60,000 of them
        _keep_between(value, begin, pair.start(), kept)
        token = pair[2]
        token_start = pair.end() - len(token.lstrip(b" \t"))
        found = slice(token_start, token_start + len(token.strip(b" \t")))
        (tokens if pair[1] is None else safe).append(found)
        begin = pair.end()
    if not (safe or tokens):
        return whole, []
    _keep_between(value, begin, len(value), kept)
    return [part for part in kept if part.start < part.stop], safe + tokens


def _keep_between(value: bytes, begin: int, end: int, kept: list[slice]) -> None:
    """Keep the pairs there: with the semicolon before them where something is kept before, or else without it."""
    if begin == end and not (begin == 0 and value.startswith(b";")):  # which is an empty pair
        return
    if not kept:
        begin += begin > 0
        begin += len(value[begin:end]) - len(value[begin:end].lstrip(b" \t"))
    kept.append(slice(begin, end))


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
