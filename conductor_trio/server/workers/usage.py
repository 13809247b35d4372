"""What workers have done: told by each, and summed at the control process, where it counts as done there.

::

    worker → control    {"routes": {"<id>": [requests, bytes to the application, to visitors, {"owner": 2, …}]}}
    worker → control    {"people": {"<id>": [["owner", "<identity>" or null, "<address>" or null, since, 2], …]}}
    worker → control    {"totals": {"counts": {…}, "now": {…}, "times": {"<histogram>": [sum, count, …]}}}

Of a route what is new, and who has how many exchanges and tunnels at this moment; whenever it is another, who is
there; of the totals all since the worker's start, but for what is `now`. What a worker that has ended had counted
stays.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeGuard

import attrs

from conductor_trio.limits.workers import MAX_ROUTES_TOLD
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.ledger import Ledger, SessionAccount
from conductor_trio.server.accounts.presence import Present
from conductor_trio.server.observability.histogram import Histogram
from conductor_trio.server.observability.measures import Measures
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.strict_json import is_number

_HISTOGRAMS = ("direct", "first_byte", "queue", "connect", "application")
_FAMILIES = ("by_application", "by_gateway")
_COUNTED = ("upgrades", "parked", "wrong_tokens")
_REFUSED = "refused:"

Told = Mapping[str, object]


_Use = tuple[int, int, int, dict[str, int]]


class Reporter:
    """A worker's: what is new since it was last told."""

    def __init__(self, proxy: ProxyContext) -> None:
        self._proxy = proxy
        self._told: dict[str, _Use] = {}  # by the route's id
        self._present: dict[str, list[Present]] = {}  # likewise

    def begin_anew(self) -> None:
        """Whoever listens from now on has not heard who is there; what was done before, it need not hear."""
        self._told = {route_id: (*told[:3], {}) for route_id, told in self._told.items()}
        self._present.clear()

    def take(self) -> Iterator[dict[str, object]]:
        """Yield messages with what is new of routes, and at last of all together."""
        yield from self._take_routes()
        yield from self._take_people()
        yield {"totals": describe_totals(self._proxy)}

    def _take_people(self) -> Iterator[dict[str, object]]:
        told, self._present = self._present, {}
        for runtime in list(self._proxy.runtimes):
            route_id, present = runtime.route_id, runtime.account.presence.describe(time.time())
            if present:
                self._present[route_id] = present
            if present != told.get(route_id, []):
                yield {"people": {route_id: [attrs.astuple(one) for one in present]}}

    def _take_routes(self) -> Iterator[dict[str, object]]:
        news: dict[str, object] = {}
        size = 0
        told, self._told = self._told, {}
        for runtime in list(self._proxy.runtimes):
            traffic, before = runtime.traffic, told.get(runtime.route_id)
            visitors: dict[str, int] = dict(runtime.account.visitors())
            if before is None:
                before = (0, 0, 0, {})
            now = (traffic.requests, traffic.to_application, traffic.to_visitors, visitors)
            self._told[runtime.route_id] = now
            if now != before:
                news[runtime.route_id] = [now[0] - before[0], now[1] - before[1], now[2] - before[2], visitors]
                size += 1 + len(visitors)
                if size >= MAX_ROUTES_TOLD:
                    yield {"routes": news}
                    news, size = {}, 0
        if news:
            yield {"routes": news}


def describe_totals(proxy: ProxyContext) -> dict[str, object]:
    """Return what a worker has counted."""
    measures, traffic = proxy.observer.measures, proxy.ledger.traffic
    times = {name: _describe(getattr(measures, name)) for name in _HISTOGRAMS}
    for family in _FAMILIES:
        for index, one in enumerate(getattr(measures, family)):
            if one.count:
                times[f"{family}:{index}"] = _describe(one)
    return {
        "counts": attrs.asdict(proxy.counters)
        | {name: getattr(measures, name) for name in _COUNTED}
        | {_REFUSED + reason: count for reason, count in measures.refusals.items() if count}
        | {"to_application": traffic.to_application, "to_visitors": traffic.to_visitors},
        "now": {
            "visitors": proxy.visitors,
            "exchanges": proxy.activity.exchanges,
            "tunnels": proxy.activity.tunnels,
            "held": proxy.holdings.total,
        },
        "times": times,
    }


def _describe(one: Histogram) -> list[float]:
    return [one.sum, *one.counts]


@attrs.define(eq=False)
class _Worker:
    counts: Mapping[str, int] = attrs.field(factory=dict)
    now: Mapping[str, int] = attrs.field(factory=dict)
    times: Mapping[str, list[float]] = attrs.field(factory=dict)
    routes: set[str] = attrs.field(factory=set)  # of which it has visitors, or had just now


class WorkersUsage:
    """The control process's: what all workers have done, those that have ended, too."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._workers: dict[object, _Worker] = {}
        self._past: Counter[str] = Counter()
        self._past_times: dict[str, list[float]] = {}

    def receive(self, worker: object, message: Told) -> None:
        """Take in what a worker tells; raises ValueError for what is none of it."""
        match message:
            case {"routes": dict() as routes}:
                for route_id, told in routes.items():
                    self._note_route(worker, route_id, told)
            case {"people": dict() as people}:
                for route_id, told in people.items():
                    self._note_people(worker, route_id, told)
            case {"totals": {"counts": dict() as counts, "now": dict() as now, "times": dict() as times}} if (
                _are_counts(counts) and _are_counts(now) and all(map(_are_numbers, times.values()))
            ):
                one = self._workers.setdefault(worker, _Worker())
                one.counts, one.now, one.times = counts, now, times
            case _:
                raise ValueError("no word of a worker")

    def _note_route(self, worker: object, route_id: str, told: object) -> None:
        match told:
            case [int() as requests, int() as to_application, int() as to_visitors, dict() as visitors] if (
                _are_counts(visitors)
            ):
                account = self._ledger.find_session(route_id)
                if account is None:
                    return  # it has ended
                traffic = account.traffic
                traffic.requests += requests
                traffic.to_application += to_application
                traffic.to_visitors += to_visitors
                traffic.was_active |= requests + to_application + to_visitors > 0
                account.elsewhere[worker] = Counter(visitors)
                self._note_use(worker, route_id, account)
            case _:
                raise ValueError("nothing of a route")

    def _note_people(self, worker: object, route_id: str, told: object) -> None:
        if not isinstance(told, list):
            raise ValueError("no people")
        present = tuple(map(_parse_present, told))
        if (account := self._ledger.find_session(route_id)) is not None:
            account.presence.elsewhere[worker] = present
            self._note_use(worker, route_id, account)

    def _note_use(self, worker: object, route_id: str, account: SessionAccount) -> None:
        """Remember whether a worker has visitors of a route, or had just now."""
        routes = self._workers.setdefault(worker, _Worker()).routes
        if not account.elsewhere.get(worker):
            account.elsewhere.pop(worker, None)
        if not account.presence.elsewhere.get(worker):
            account.presence.elsewhere.pop(worker, None)
        if worker in account.elsewhere or worker in account.presence.elsewhere:
            routes.add(route_id)
        else:
            routes.discard(route_id)

    def forget(self, worker: object) -> None:
        """A worker has ended: what it had under way is none any more."""
        one = self._workers.pop(worker, None)
        if one is None:
            return
        self._past.update(one.counts)
        for name, numbers in one.times.items():
            self._past_times[name] = _added(self._past_times.get(name), numbers)
        for route_id in one.routes:
            if (account := self._ledger.find_session(route_id)) is not None:
                account.elsewhere.pop(worker, None)
                account.presence.elsewhere.pop(worker, None)

    def count(self, name: str) -> int:
        """Return how often something has happened at workers."""
        return self._past[name] + sum(one.counts.get(name, 0) for one in self._workers.values())

    def now(self, name: str) -> int:
        """Return how many of something there are at this moment, as far as workers have told."""
        return sum(one.now.get(name, 0) for one in self._workers.values())

    def counters(self, own: Counters) -> Counters:
        """Return the counters of all processes; `own` are those of this one."""
        return Counters(**{name: value + self.count(name) for name, value in attrs.asdict(own).items()})

    def measures(self, own: Measures) -> Measures:
        """Return the measures of all processes; `own` are those of this one."""
        whole = Measures()
        whole.ready, whole.sessions, whole.session_events = own.ready, own.sessions, own.session_events
        for name in _COUNTED:
            setattr(whole, name, getattr(own, name) + self.count(name))
        for reason in own.refusals:
            whole.refusals[reason] = own.refusals[reason] + self.count(_REFUSED + reason)
        for name in _HISTOGRAMS:
            self._sum(getattr(whole, name), getattr(own, name), name)
        for family in _FAMILIES:
            pairs = zip(getattr(whole, family), getattr(own, family), strict=True)
            for index, (total, one) in enumerate(pairs):
                self._sum(total, one, f"{family}:{index}")
        return whole

    def _sum(self, total: Histogram, own: Histogram, name: str) -> None:
        numbers: list[float] | None = _describe(own)
        for told in (self._past_times.get(name), *(one.times.get(name) for one in self._workers.values())):
            if told is not None and len(told) == 1 + len(own.counts):
                numbers = _added(numbers, told)
        assert numbers is not None
        total.sum, total.counts = numbers[0], [int(number) for number in numbers[1:]]


def _added(former: list[float] | None, more: list[float]) -> list[float]:
    return more if former is None else [one + other for one, other in zip(former, more, strict=True)]


def _parse_present(value: object) -> Present:
    match value:
        case [str() as by, None | str() as identity, None | str() as address, since, int() as connections] if (
            is_number(since)
        ):
            return Present(by, identity, address, since, connections)
    raise ValueError("nobody")


def _are_counts(values: dict[object, object]) -> bool:
    return all(isinstance(name, str) and isinstance(value, int) for name, value in values.items())


def _are_numbers(values: object) -> TypeGuard[list[float]]:
    return isinstance(values, list) and all(map(is_number, values))
