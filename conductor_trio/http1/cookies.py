"""The authorization cookie, and a front proxy's own: cut out of Cookie fields to the byte, set by no application.

Over HTTPS it has a second name, with the prefix ``__Host-``, under which browsers take a cookie from its own host
alone (RFC 6265bis section 4.1.3.2), so that neighbours cannot plant it. Cookies of applications stay on their own
host, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

COOKIE_NAME = b"authorization"
HOST_COOKIE_NAME = b"__Host-authorization"


_OWN_NAME = rb"(__Host-)?" + COOKIE_NAME


@attrs.frozen
class CookieRules:
    """Which cookies end here: ours, and those of these names, in which ``*`` at the end stands for anything.

    A front proxy's own cookie is a visitor's session with the institution. An application that got it could use it
    elsewhere, and one that could set it could have its visitors taken for somebody else.
    """

    names: tuple[bytes, ...] = ()
    _pair: re.Pattern[bytes] = attrs.field(init=False, eq=False, repr=False)
    _set_cookie: re.Pattern[bytes] = attrs.field(init=False, eq=False, repr=False)

    @_pair.default
    def _compile_pair(self) -> re.Pattern[bytes]:
        # A pair, with the semicolon before it.
        others = b"".join(rb"|%b[ \t]*=[^;]*" % name for name in _name_patterns(self.names))
        return re.compile(rb"(?:^|;)[ \t]*(?:%b[ \t]*=([^;]*)%b)" % (_OWN_NAME, others))

    @_set_cookie.default
    def _compile_set_cookie(self) -> re.Pattern[bytes]:
        names = b"|".join([_OWN_NAME, *_name_patterns(self.names)])
        return re.compile(rb"[ \t]*=?[ \t]*(?:%b)[ \t]*(?:[=;]|$)" % names)

    def split(self, value: bytes) -> tuple[list[slice], list[slice]]:
        """Return the parts of a Cookie field's value that go on, and those that are our cookie's values.

        The parts, joined, are the value without what ends here, to the byte; none are left where that is empty.
        Pairs are separated by semicolons, whatever they hold (RFC 6265 section 4.2.1). Values that no neighbour
        can have planted come first.
        """
        whole = [slice(0, len(value))]
        if COOKIE_NAME not in value and not self.names:
            return whole, []
        kept: list[slice] = []
        safe: list[slice] = []
        tokens: list[slice] = []
        begin = 0  # of what lies between two that end here, its first semicolon included
        for pair in self._pair.finditer(value):  # and no loop over the others: a field may hold 60,000 of them
            _keep_between(value, begin, pair.start(), kept)
            if (token := pair[2]) is not None:
                token_start = pair.end() - len(token.lstrip(b" \t"))
                found = slice(token_start, token_start + len(token.strip(b" \t")))
                (tokens if pair[1] is None else safe).append(found)
            begin = pair.end()
        if not begin:
            return whole, []
        _keep_between(value, begin, len(value), kept)
        return [part for part in kept if part.start < part.stop], safe + tokens

    def forbid_setting(self, value: bytes) -> bool:
        """Whether a Set-Cookie field would set one of them.

        Browsers send a cookie without a name, ``=authorization=x``, as if that were its pair.
        """
        return self._set_cookie.match(value) is not None


def _name_patterns(names: Iterable[bytes]) -> list[bytes]:
    return [re.escape(name.removesuffix(b"*")) + (rb"[^;=]*" if name.endswith(b"*") else b"") for name in names]


def _keep_between(value: bytes, begin: int, end: int, kept: list[slice]) -> None:
    """Keep the pairs there: with the semicolon before them where something is kept before, or else without it."""
    if begin == end and not (begin == 0 and value.startswith(b";")):  # which is an empty pair
        return
    if not kept:
        begin += begin > 0
        begin += len(value[begin:end]) - len(value[begin:end].lstrip(b" \t"))
    kept.append(slice(begin, end))


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
