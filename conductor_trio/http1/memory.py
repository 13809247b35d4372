"""What was read of heads before, for those that come again to the byte; without credentials, and bound to a route.

A browser repeats its fields from request to request, and an application its head within the second for which its
Date stays. Of a request's fields their positions are remembered (`FieldReading`), under a keyed digest of the
block: values are cut from the block at hand. Response heads are remembered whole, if none of their fields can hold
a secret.

One `HeadMemory` serves all routes; each route has a `RouteMemory` of it, which is closed with the route. All
routes of one user share a bound, so that nobody's requests push out what is remembered for others. Once that is
reached, only what comes a second time is remembered: blocks that never do, as those with a request id, would push
out those that come always, and what is kept for long and then thrown away costs more than what goes at once, on
PyPy half of such a request.
"""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import blake2b
from typing import Generic, TypeVar

import attrs

from conductor_trio.http1.fields import NO_RULES, FieldRules
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.request_fields import FieldReading
from conductor_trio.http1.response import ResponseHead
from conductor_trio.limits.server import ServerLimits

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Of a response: the fields in which no application has a reason to put a secret. Location is none of them, which
#: brings the codes of sign-ons, and neither are those that only some applications know.
_PLAIN_FIELDS = frozenset(
    [
        b"accept-ranges",
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"age",
        b"allow",
        b"cache-control",
        b"connection",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-range",
        b"content-security-policy",
        b"content-type",
        b"cross-origin-embedder-policy",
        b"cross-origin-opener-policy",
        b"cross-origin-resource-policy",
        b"date",
        b"etag",
        b"expires",
        b"keep-alive",
        b"last-modified",
        b"permissions-policy",
        b"pragma",
        b"referrer-policy",
        b"server",
        b"strict-transport-security",
        b"transfer-encoding",
        b"vary",
        b"via",
        b"x-content-type-options",
        b"x-frame-options",
        b"x-powered-by",
        b"x-xss-protection",
    ]
)


@attrs.define(eq=False)
class _Keys(Generic[K]):
    """What is remembered for all routes of one user."""

    known: dict[K, None] = attrs.field(factory=dict)  # latest use last
    _seen: set[int] = attrs.field(factory=set)  # of which no more is known

    def has_seen(self, key: K, most: int) -> bool:
        """Whether this came before, as far as that is known of so many at most."""
        number = hash(key)
        if number in self._seen:
            self._seen.discard(number)
            return True
        if len(self._seen) >= most:
            self._seen.clear()
        self._seen.add(number)
        return False


class _Store(Generic[K, V]):
    """Entries of all routes, of which there is a bound, and another for each user's own.

    A full user loses the own entry that was used longest ago, so that one user's requests do not push out what is
    remembered for another; a full store loses its oldest entry. Both only to what comes a second time.
    """

    def __init__(self, max_entries: int, max_per_user: int) -> None:
        self._max_entries = max_entries
        self._max_per_user = max_per_user
        # With the keys of the same user, and those of the same route.
        self._entries: dict[K, tuple[V, dict[K, None], dict[K, None]]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, keys, _ = entry
        del keys[key]
        keys[key] = None
        return value

    def add(self, key: K, value: V, user_keys: _Keys[K], route_keys: dict[K, None]) -> None:
        if key in self._entries:
            return
        known = user_keys.known
        is_full = len(known) >= self._max_per_user
        if is_full or len(self._entries) >= self._max_entries:
            if not user_keys.has_seen(key, self._max_per_user):
                return
            self._forget(next(iter(known if is_full else self._entries)))
        self._entries[key] = (value, known, route_keys)
        known[key] = route_keys[key] = None

    def _forget(self, key: K) -> None:
        _, user_keys, route_keys = self._entries.pop(key)
        del user_keys[key], route_keys[key]

    def forget_all(self, keys: dict[K, None]) -> None:
        for key in list(keys):
            self._forget(key)


@attrs.define(eq=False)
class _UserKeys:
    """The same of requests and of responses."""

    routes: int = 0
    requests: _Keys[bytes] = attrs.field(factory=_Keys)
    responses: _Keys[tuple[RouteMemory, bytes, bytes]] = attrs.field(factory=_Keys)


class HeadMemory:
    """What is remembered for all routes.

    `key` are 16 to 64 random bytes, so that nobody can choose two blocks with one digest, or guess from a digest.
    `rules` are those by which what is remembered was read.
    """

    def __init__(self, key: bytes, limits: ServerLimits, rules: FieldRules = NO_RULES) -> None:
        self.rules = rules
        self._empty_digest = blake2b(key=key, digest_size=32)
        self.max_head = limits.max_remembered_head
        self.requests = _Store[bytes, FieldReading](limits.max_remembered, limits.max_remembered_per_user)
        self.responses = _Store[tuple["RouteMemory", bytes, bytes], ResponseHead](
            limits.max_remembered, limits.max_remembered_per_user
        )
        self._users: dict[Hashable, _UserKeys] = {}

    def open_route(self, user: Hashable = None) -> RouteMemory:
        """Return a memory for one route of a user's, to be closed with it; without a user it has its own bound."""
        keys = _UserKeys() if user is None else self._users.setdefault(user, _UserKeys())
        keys.routes += 1
        return RouteMemory(self, user, keys)

    def close_route(self, user: Hashable, keys: _UserKeys) -> None:
        """Forget a user with the last route; for `RouteMemory`."""
        keys.routes -= 1
        if not keys.routes:
            self._users.pop(user, None)

    def find_request(self, digest: bytes | None) -> FieldReading | None:
        """Return what h11 has read in the block of fields of that digest."""
        return None if digest is None else self.requests.find(digest)

    def digest(self, block: bytes) -> bytes | None:
        """Return the key under which a block is remembered, with its empty line; None where it is too large."""
        if len(block) > self.max_head:
            return None
        digest = self._empty_digest.copy()
        digest.update(block)
        return digest.digest()


class RouteMemory:
    """What is remembered for one route, until `close`."""

    def __init__(self, memory: HeadMemory, user: Hashable, user_keys: _UserKeys) -> None:
        self._memory = memory
        self._user = user
        self._user_keys = user_keys
        self._request_keys: dict[bytes, None] = {}
        self._response_keys: dict[tuple[RouteMemory, bytes, bytes], None] = {}
        self._is_open = True

    @property
    def rules(self) -> FieldRules:
        """By which heads are read."""
        return self._memory.rules

    def remember_request(self, head: RequestHead) -> None:
        """Remember where the fields of a request to this route stand; for one whose sender has been let in."""
        fields, digest = head.parsed, head.parsed.digest
        if self._is_open and not fields.is_remembered and digest is not None:
            self._memory.requests.add(digest, fields.reading, self._user_keys.requests, self._request_keys)

    def find_response(self, head: bytes, method: bytes) -> ResponseHead | None:
        """Return what was read in the same head, in answer to the same method."""
        return self._memory.responses.find((self, head, method))

    def remember_response(self, head: bytes, method: bytes, response: ResponseHead) -> None:
        """Remember what was read in a head of the route's application, where no secret can stand in it."""
        if (
            self._is_open
            and len(head) <= self._memory.max_head
            and all(field.lower in _PLAIN_FIELDS for field in response.fields)
        ):
            key = (self, head, method)
            self._memory.responses.add(key, response, self._user_keys.responses, self._response_keys)

    def close(self) -> None:
        """Forget all of it at once, and remember nothing more."""
        if self._is_open:
            self._memory.close_route(self._user, self._user_keys)
        self._is_open = False
        self._memory.requests.forget_all(self._request_keys)
        self._memory.responses.forget_all(self._response_keys)
