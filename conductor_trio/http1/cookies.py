"""The authorization cookie: cut out of Cookie fields to the byte, and never set by an application."""

from __future__ import annotations

import re

COOKIE_NAME = b"authorization"


_OWN_SET_COOKIE = re.compile(rb"[ \t]*=?[ \t]*" + COOKIE_NAME + rb"[ \t]*(?:[=;]|$)")


def cut_cookie(value: bytes) -> tuple[bytes, list[bytes]]:
    """Return a Cookie field's value without our cookie, to the byte, and the values that our cookie had.

    Pairs are separated by semicolons, whatever they hold (RFC 6265 section 4.2.1).
    """
    if COOKIE_NAME not in value:
        return value, []
    kept, tokens = [], []
    for pair in value.split(b";"):
        name, equals, token = pair.partition(b"=")
        if equals and name.strip(b" \t") == COOKIE_NAME:
            tokens.append(token.strip(b" \t"))
        else:
            kept.append(pair)
    if not tokens:
        return value, []
    return b";".join(kept).lstrip(b" \t"), tokens


def sets_own_cookie(value: bytes) -> bool:
    """Whether a Set-Cookie field would set our cookie.

    Browsers send a cookie without a name, ``=authorization=x``, as if that were its pair.
    """
    return _OWN_SET_COOKIE.match(value) is not None
