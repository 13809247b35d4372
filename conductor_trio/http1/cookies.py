"""The authorization cookie: cut out of Cookie fields to the byte, and never set by an application."""

from __future__ import annotations

import re

COOKIE_NAME = b"authorization"


# A pair of our name, with the semicolon before it.
_OWN_PAIR = re.compile(rb"(?:^|;)[ \t]*" + COOKIE_NAME + rb"[ \t]*=([^;]*)")
_OWN_SET_COOKIE = re.compile(rb"[ \t]*=?[ \t]*" + COOKIE_NAME + rb"[ \t]*(?:[=;]|$)")


def split_cookie(value: bytes) -> tuple[list[slice], list[slice]]:
    """Return the parts of a Cookie field's value that are not our cookie, and those that are our cookie's values.

    The parts, joined, are the value without our cookie, to the byte; none are left where that is empty. Pairs are
    separated by semicolons, whatever they hold (RFC 6265 section 4.2.1).
    """
    whole = [slice(0, len(value))]
    if COOKIE_NAME not in value:
        return whole, []
    kept: list[slice] = []
    tokens: list[slice] = []
    begin = 0  # of what lies between two of ours, its first semicolon included
    for pair in _OWN_PAIR.finditer(value):  # and no loop over the others: a Cookie field may hold 60,000 of them
        _keep_between(value, begin, pair.start(), kept)
        token = pair[1]
        token_start = pair.end() - len(token.lstrip(b" \t"))
        tokens.append(slice(token_start, token_start + len(token.strip(b" \t"))))
        begin = pair.end()
    if not tokens:
        return whole, []
    _keep_between(value, begin, len(value), kept)
    return [part for part in kept if part.start < part.stop], tokens


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
