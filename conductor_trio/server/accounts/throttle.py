"""Throttling of token guesses: which of the tokens that are shown may be compared, in leaky buckets of wrong ones.

Of two who have not been let in yet nobody can tell which one guesses, so what is compared has a rate: for each
address and route, for an address over all routes, for a route over all addresses. Nobody is locked out by that:

- who was let in by a token on the same connection is counted alone, with those who were let in alike;
- an address that was let in lately does not share the route's rate, and neither, up to a point, does one that has
  not failed lately;
- a full bucket still has single guesses compared, and half of those are of the tokens that come back after having
  been refused: whoever guesses has no reason to show the same again, and a browser does;
- a wrong token that comes again, as from a page left open, is no guess: it is known to be wrong.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import attrs

from conductor_trio.access.grants import Access, Principal
from conductor_trio.access.guard import Guess
from conductor_trio.limits.server import ServerLimits

K = TypeVar("K")
V = TypeVar("V")


@attrs.frozen(kw_only=True)
class Guesser:
    """Who shows tokens of a route, which is known by its first host name: that stays from link to link."""

    route: str
    address: str  #: as `addresses.account_of` says
    #: Whom a token of the route has let in on this connection before.
    known_as: Principal | None = None


@attrs.define(eq=False)
class _Bucket:
    """Holds wrong tokens, of which one leaks in each `interval`."""

    interval: float
    level: float = 0.0
    since: float = 0.0  #: when that was the level
    #: When a single guess was last compared: one shown for the first time, and one that came back.
    compared: list[float] = attrs.field(factory=lambda: [-math.inf, -math.inf])

    def wait(self, size: int, count: int, now: float, *, comes_back: bool) -> float:
        """Return in how many seconds so many guesses may be compared, where the bucket has a size; 0 is now."""
        until_room = (self.level - size) * self.interval - (now - self.since)
        if until_room < 0:
            return 0.0
        if count == 1:
            until_turn = self.compared[comes_back] + 2 * self.interval - now
            until_room = min(until_room, max(0.0, until_turn))
        elif not until_room:
            until_room = self.interval  # there is room for a part of one
        return until_room

    def pour(self, count: int, now: float) -> None:
        """Count wrong tokens."""
        self.level = max(0.0, self.level - (now - self.since) / self.interval) + count
        self.since = now

    def has_failed_since(self, then: float) -> bool:
        """Whether wrong tokens were counted after that time."""
        return self.level > 0 and self.since > then


@attrs.define(eq=False)
class _RouteGuesses:
    """What is remembered of the guesses at one route."""

    bucket: _Bucket
    access: Access
    #: Digests of what is known to be wrong for `access`, and addresses that were let in; the latest last.
    wrong: OrderedDict[int, None] = attrs.field(factory=OrderedDict)
    right: OrderedDict[str, None] = attrs.field(factory=OrderedDict)


class GuessThrottle:
    """Counts wrong tokens; whatever the number of addresses and routes, what is remembered is bounded."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._buckets: OrderedDict[Guesser | str | tuple[Guesser, str], _Bucket] = OrderedDict()
        self._routes: OrderedDict[str, _RouteGuesses] = OrderedDict()
        #: Digests of single guesses that were refused, and when first.
        self._refused: OrderedDict[int, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how much is remembered."""
        remembered = sum(len(route.wrong) + len(route.right) for route in self._routes.values())
        return len(self._buckets) + len(self._routes) + len(self._refused) + remembered

    def screen(
        self, guesser: Guesser, guesses: Sequence[Guess], access: Access, now: float
    ) -> tuple[Sequence[Guess], float]:
        """Return what is to be compared at the time `now` (seconds), and how long to wait where it may not be yet.

        What is known to be wrong is left out, and has a rate of its own where there is nothing else.
        """
        route = self._routes.get(guesser.route)
        if route is not None and route.access is access:
            unknown: Sequence[Guess] = [guess for guess in guesses if hash(guess) not in route.wrong]
        else:
            unknown = guesses
        if not unknown:
            bucket = self._bucket((guesser, "known to be wrong"))
            if wait := bucket.wait(self._limits.max_token_failures, 1, now, comes_back=False):
                return (), wait
            bucket.compared[False] = now
            bucket.pour(1, now)
            return (), 0.0
        if guesser.known_as is not None and guesser not in self._buckets:
            return unknown, 0.0  # as nearly always
        return unknown, self._wait(guesser, unknown, access, now)

    def _wait(self, guesser: Guesser, guesses: Sequence[Guess], access: Access, now: float) -> float:
        count, digest = len(guesses), hash((guesser, guesses[0]))
        refused_at = self._refused.get(digest, math.inf) if count == 1 else math.inf
        comes_back = refused_at + self._limits.token_failure_interval <= now
        buckets = list(self._sized_buckets(guesser, access, now, self._buckets.get))
        waits = [bucket.wait(size, count, now, comes_back=comes_back) for bucket, size in buckets]
        wait = max(waits, default=0.0)
        if not wait:
            for bucket, _ in buckets:
                bucket.compared[comes_back] = now
        elif count == 1:
            _remember(self._refused, digest, min(refused_at, now), self._limits.max_refused_guesses)
        return wait

    def note_wrong(self, guesser: Guesser, guesses: Sequence[Guess], access: Access, now: float) -> None:
        """Count what was compared and is wrong."""
        for bucket, _ in self._sized_buckets(guesser, access, now, self._bucket):
            bucket.pour(len(guesses), now)
        route = self._route(guesser.route, access)
        for guess in guesses:
            _remember(route.wrong, hash(guess), None, self._limits.max_known_wrong_tokens)

    def note_right(self, guesser: Guesser, access: Access) -> None:
        """Remember that the address was let in."""
        right = self._route(guesser.route, access).right
        _remember(right, guesser.address, None, self._limits.max_known_addresses)

    def _sized_buckets(
        self, guesser: Guesser, access: Access, now: float, find: Callable[[Guesser | str], _Bucket | None]
    ) -> Iterator[tuple[_Bucket, int]]:
        """Yield the buckets in which it counts what is compared now, each with its size for this guesser.

        `find` gives the bucket of a guesser, and of an address as a whole, if there is one.
        """
        limits = self._limits
        of_all = max(limits.max_failures_of_all, limits.max_token_failures)
        if (own := find(guesser)) is not None:
            yield own, limits.max_token_failures
        if guesser.known_as is not None:
            return
        if (of_address := find(guesser.address)) is not None:
            yield of_address, of_all
        route = self._route(guesser.route, access)
        if guesser.address not in route.right:
            has_failed = own is not None and own.has_failed_since(now - limits.failure_memory)
            yield route.bucket, of_all if has_failed else max(of_all, limits.max_first_failures_of_all)

    def _bucket(self, key: Guesser | str | tuple[Guesser, str]) -> _Bucket:
        """Return the bucket of a guesser, or, with its name alone, of an address at all routes."""
        bucket = self._buckets.get(key)
        if bucket is None:
            limits = self._limits
            is_of_all = isinstance(key, str)
            bucket = _Bucket(limits.failure_interval_of_all if is_of_all else limits.token_failure_interval)
        _remember(self._buckets, key, bucket, self._limits.max_throttled_peers)
        return bucket

    def _route(self, name: str, access: Access) -> _RouteGuesses:
        route = self._routes.get(name) or _RouteGuesses(_Bucket(self._limits.failure_interval_of_all), access)
        _remember(self._routes, name, route, self._limits.max_sessions)
        if route.access is not access:
            route.access = access
            route.wrong.clear()
        return route


def _remember(memory: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """Put in as the latest, and forget the earliest where there are too many."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > most:
        memory.popitem(last=False)
