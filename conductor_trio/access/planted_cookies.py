"""Cookies that others planted: so many that a browser forgets ours, or so large that no request passes.

Any page below the parent domain can set them for all of its neighbours, and a request tells neither who set a
cookie nor for which domain and path. So that it is forgotten, a browser is told to forget it (RFC 6265bis section
5.7) for each that it can be for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.authority import parse_authority
from conductor_trio.http1.cookies import COOKIE_NAME, HOST_COOKIE_NAME
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import (
    MANY_COOKIES,
    MAX_COOKIE_PATHS,
    MAX_FORGETTING,
    MIN_LARGE_COOKIE,
)

_REQUEST_LINE = re.compile(rb"[A-Z]+ (/[^?\x00-\x20]*)[^\x00-\x20]* HTTP/1\.[01]\r\n")
_NAME = re.compile(rb"[^\x00-\x1f\x7f;=]*")
_SEGMENT = re.compile(rb"[\x21-\x3a\x3c-\x7e]+")


def is_crowded(head: RequestHead) -> bool:
    """Whether a request shows so many cookies that its browser may have forgotten ours for them."""
    others = sum(value.count(b";") + 1 for value in head.values(b"cookie"))
    return others + len(head.parsed.tokens) >= MANY_COOKIES


def forget_planted(head: RequestHead, *, https: bool) -> tuple[bytes, ...]:
    """Return Set-Cookie fields' values that take away what is for a domain above, and spare the host's own."""
    if head.authority is None:
        return ()
    names = [_name(pair) for value in head.values(b"cookie") for pair in value.split(b";")]
    host = head.authority.host.encode()
    places = [_place(domain, b"/") for domain in _domains_above(host)]
    return _forget([COOKIE_NAME, *dict.fromkeys(names)], places, https=https)


def forget_large(head: RequestHead, *, https: bool) -> tuple[bytes, ...]:
    """Return Set-Cookie fields' values that take away the large cookies of a request that had too much of them."""
    if head.authority is None:
        return ()
    pairs = [pair for value in head.values(b"cookie") for pair in value.split(b";")]
    return _forget_large(pairs, head.authority.host.encode(), head.target.partition(b"?")[0], https=https)


@attrs.frozen(kw_only=True)
class CookieBomb:
    """A head that is too large because of its cookies, as far as the part of it that was read tells."""

    host: bytes
    path: bytes
    accept: bytes
    accept_language: tuple[bytes, ...]
    says_https: bool  #: in a forwarding field, which only a trusted peer's word is
    pairs: tuple[bytes, ...] = attrs.field(repr=False)

    def forget(self, *, https: bool) -> tuple[bytes, ...]:
        """Return Set-Cookie fields' values that take the large ones away."""
        return _forget_large(self.pairs, self.host, self.path, https=https)


def read_cookie_bomb(data: bytes) -> CookieBomb | None:
    """Read the part of a head that has come, None where its cookies are not what makes it too large."""
    line = _REQUEST_LINE.match(data)
    if line is None:
        return None
    fields: dict[bytes, list[bytes]] = {}
    for text in data[line.end() :].split(b"\r\n"):
        name, _, value = text.partition(b":")
        fields.setdefault(name.lower(), []).append(value.strip(b" \t"))
    cookies = fields.get(b"cookie", [])
    if 2 * sum(map(len, cookies)) < len(data):
        return None
    try:
        host = parse_authority(b",".join(fields.get(b"host", []))).host
    except RemoteProtocolError:
        return None
    return CookieBomb(
        host=host.encode(),
        path=line[1],
        accept=b",".join(fields.get(b"accept", [])).lower(),
        accept_language=tuple(fields.get(b"accept-language", [])),
        says_https=fields.get(b"x-forwarded-proto") == [b"https"],
        pairs=tuple(pair for value in cookies for pair in value.split(b";")),
    )


def _forget_large(pairs: Sequence[bytes], host: bytes, path: bytes, *, https: bool) -> tuple[bytes, ...]:
    """Forget the large ones, the largest first, wherever they may be from; of ours what is for a domain above."""
    large = sorted((pair for pair in pairs if len(pair) >= MIN_LARGE_COOKIE), key=len, reverse=True)
    names = dict.fromkeys(map(_name, large))
    paths = _prefixes(path)
    above = [_place(domain, one) for one in paths for domain in _domains_above(host)]
    places = above + [_place(domain, one) for one in paths for domain in (b"", host)]
    if https:  # those that are kept apart for each site on which they are embedded (CHIPS)
        places += [place + b"; Partitioned" for place in places]
    planted = [COOKIE_NAME] if COOKIE_NAME in names else []
    others = [name for name in names if name not in (COOKIE_NAME, HOST_COOKIE_NAME)]
    return _forget(planted, above, https=https) + _forget(others, places, https=https)


def _forget(names: Sequence[bytes], places: Sequence[bytes], *, https: bool) -> tuple[bytes, ...]:
    """Return what forgets these cookies at these places, as much as fits; the rest comes with the next request."""
    secure = b"; Secure" if https else b""
    forgetting: list[bytes] = []
    size = 0
    for name in names:
        # A cookie without a name is one with an empty one (RFC 6265bis section 5.6), and needs a value.
        pair = name + b"=" if name else b"=x"
        for place in places:
            value = pair + b"; Max-Age=0" + place + secure
            size += len(value)
            if size > MAX_FORGETTING:
                return tuple(forgetting)
            forgetting.append(value)
    return tuple(forgetting)


def _name(pair: bytes) -> bytes:
    """Return a cookie's name, b"" where it has none, or one that cannot be written."""
    name, equals, _ = pair.partition(b"=")
    return name.strip(b" \t") if equals and _NAME.fullmatch(name) else b""


def _place(domain: bytes, path: bytes) -> bytes:
    return (b"; Domain=" + domain if domain else b"") + b"; Path=" + path


def _domains_above(host: bytes) -> list[bytes]:
    """Return the domains above a host for which a browser may take a cookie, the nearest first."""
    labels = host.split(b".")
    return [b".".join(labels[start:]) for start in range(1, len(labels) - 1)]


def _prefixes(path: bytes) -> list[bytes]:
    """Return the paths of cookies that a request to this path shows, the shortest first."""
    paths = [b"/"]
    at = b""
    for segment in path.split(b"/")[1 : MAX_COOKIE_PATHS // 2]:
        if not _SEGMENT.fullmatch(segment):
            break
        at += b"/" + segment
        paths += [at, at + b"/"]
    return paths
