"""The authorization cookie: cut out of Cookie fields to the byte, and never set by an application."""

from __future__ import annotations

import re

COOKIE_NAME = b"authorization"


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
    start = 0
    for pair in value.split(b";"):
        end = start + len(pair)
        name, equals, token = pair.partition(b"=")
        if equals and name.strip(b" \t") == COOKIE_NAME:
            token_start = end - len(token.lstrip(b" \t"))
            tokens.append(slice(token_start, token_start + len(token.strip(b" \t"))))
        elif kept:
            kept.append(slice(start - 1, end))  # with the semicolon that separates it from what is kept before it
        else:
            kept.append(slice(start + len(pair) - len(pair.lstrip(b" \t")), end))
        start = end + 1
    if not tokens:
        return whole, []
    return [part for part in kept if part.start < part.stop], tokens


def sets_own_cookie(value: bytes) -> bool:
    """Whether a Set-Cookie field would set our cookie.

    Browsers send a cookie without a name, ``=authorization=x``, as if that were its pair.
    """
    return _OWN_SET_COOKIE.match(value) is not None
