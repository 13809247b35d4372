"""The lessor: lends the limits of the host to its processes, so that the parts of all are never more than a limit.

::

    lessee → lessor    {"want": {"<key>": 3, …}}     its part is used up, and so many more are asked for
    lessor → lessee    {"grant": {"<key>": 8, …}}    so much more is its own
    lessor → lessee    {"recall": ["<key>", …]}      another needs some: give what you can
    lessee → lessor    {"gave": {"<key>": 2, …}}     which is this, from now on; perhaps 0
    lessor → lessee    {"deny": ["<key>", …]}        there is none at any process
    lessee → lessor    {"give": {"<key>": 5, …}}     so much is not needed any more

All words are of differences, and what is under way counts as lent: so the lessor counts too much at times, never
too little, whatever words cross each other. A process that ends gives back everything.

Of a key that the lessor does not know each process has the base. The parts of those that did not need theirs are
made up again once there is as much left, and then the key is forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping

import attrs

from conductor_trio.limits.workers import MAX_LEASES_TOLD
from conductor_trio.server.leases.terms import Terms

Word = Mapping[str, object]


def batches(counts: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Yield what is many in pieces that fit into a line each."""
    items = list(counts.items())
    for begin in range(0, len(items), MAX_LEASES_TOLD):
        yield dict(items[begin : begin + MAX_LEASES_TOLD])


def parse_counts(value: object, least: int = 0) -> dict[str, int]:
    """Return counts by key; raises ValueError for what is none of it."""
    if not isinstance(value, dict):
        raise ValueError("no counts")
    for key, count in value.items():
        if not isinstance(key, str) or type(count) is not int or count < least:
            raise ValueError("no count of a key")
    return value


@attrs.define(eq=False)
class _Wish:
    """What a process asks for; `has_asked` tells that the others were asked to give some since."""

    need: int
    has_asked: bool = False


@attrs.define(eq=False)
class _Lease:
    """Who has how much of a key, who wants more, and who was asked to give some and has not answered."""

    limit: int
    parts: dict[Hashable, int]
    wishes: dict[Hashable, _Wish] = attrs.field(factory=dict)  # in the order in which they came
    asked: set[Hashable] = attrs.field(factory=set)

    @property
    def free(self) -> int:
        """How much nobody has."""
        return self.limit - sum(self.parts.values())


class Lessor:
    """Lends to its members; what is to be told to them is in `outbox`, for whoever passes it on in this order."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._members: dict[Hashable, None] = {}
        self._leases: dict[str, _Lease] = {}
        self.outbox: deque[tuple[Hashable, Word]] = deque()

    def __len__(self) -> int:
        """Return of how many keys parts are not what they were at first."""
        return len(self._leases)

    def attach(self, member: Hashable) -> None:
        """Lend to a process that has nothing yet."""
        if len(self._members) >= self._terms.processes:
            raise ValueError("there are more processes than there may be")
        self._members[member] = None
        lacks = {}
        for key, lease in self._leases.items():
            base = self._terms.base(key)
            lease.parts[member] = part = min(base, lease.free)
            if part < base:
                lacks[key] = part - base
        self._tell_counts(member, "grant", lacks)

    def detach(self, member: Hashable) -> None:
        """Take back all that a process has: it has ended."""
        if member not in self._members:
            return
        del self._members[member]
        self.outbox = deque(entry for entry in self.outbox if entry[0] != member)
        for key, lease in list(self._leases.items()):
            del lease.parts[member]
            lease.wishes.pop(member, None)
            lease.asked.discard(member)
            self._serve(key, lease)

    def receive(self, member: Hashable, word: Word) -> None:
        """Take in what a process says; raises ValueError for what is no word of a lessee."""
        match word:
            case {"want": wanted}:
                for key, need in parse_counts(wanted, least=1).items():
                    lease = self._open(key)
                    lease.wishes.setdefault(member, _Wish(need)).need = need
                    self._serve(key, lease)
            case {"give": given}:
                for key, count in parse_counts(given).items():
                    self._serve(key, self._take_back(member, key, count))
            case {"gave": given}:
                for key, count in parse_counts(given).items():
                    lease = self._take_back(member, key, count)
                    lease.asked.discard(member)
                    self._serve(key, lease)
            case _:
                raise ValueError("no word of a lessee")

    def settle(self) -> None:
        """Make up the parts of those that gave some of their base away, where enough is left; now and then."""
        granted: dict[Hashable, dict[str, int]] = {}
        for key, lease in list(self._leases.items()):
            if lease.wishes or lease.asked:
                continue
            base = self._terms.base(key)
            lacks = {member: base - part for member, part in lease.parts.items() if part < base}
            if sum(lacks.values()) <= lease.free:
                for member, count in lacks.items():
                    lease.parts[member] = base
                    granted.setdefault(member, {})[key] = count
            self._close_even(key, lease)
        for member, counts in granted.items():
            self._tell_counts(member, "grant", counts)

    def _open(self, key: str) -> _Lease:
        lease = self._leases.get(key)
        if lease is None:
            base = self._terms.base(key)
            lease = self._leases[key] = _Lease(self._terms.limit(key), dict.fromkeys(self._members, base))
        return lease

    def _close_even(self, key: str, lease: _Lease) -> None:
        """Forget a key of which each has the base."""
        if not (lease.wishes or lease.asked):
            base = self._terms.base(key)
            if all(part == base for part in lease.parts.values()):
                del self._leases[key]

    def _take_back(self, member: Hashable, key: str, count: int) -> _Lease:
        lease = self._open(key)
        if count > lease.parts[member]:
            raise ValueError("more is given back than was lent")
        lease.parts[member] -= count
        return lease

    def _serve(self, key: str, lease: _Lease) -> None:
        """Grant what can be, ask the others where nothing is left, and deny what they cannot give."""
        while lease.wishes:
            member, wish = next(iter(lease.wishes.items()))
            if (free := lease.free) > 0:
                # A half of what is left, so that who uses much asks few times, and others find some; but all of
                # what others gave, who have kept as much.
                count = free if wish.has_asked else min(free, max(wish.need, (free + 1) // 2))
                del lease.wishes[member]
                lease.parts[member] += count
                self._tell(member, {"grant": {key: count}})
            elif lease.asked:
                return  # until they have answered
            elif not wish.has_asked and (others := self._others(lease, member)):
                lease.asked.update(others)
                for each in lease.wishes.values():
                    each.has_asked = True
                for other in others:
                    self._tell(other, {"recall": [key]})
            else:
                del lease.wishes[member]
                self._tell(member, {"deny": [key]})
        self._close_even(key, lease)

    @staticmethod
    def _others(lease: _Lease, member: Hashable) -> list[Hashable]:
        return [other for other, part in lease.parts.items() if part and other != member]

    def _tell_counts(self, member: Hashable, what: str, counts: Mapping[str, int]) -> None:
        for batch in batches(counts):
            self._tell(member, {what: batch})

    def _tell(self, member: Hashable, word: Word) -> None:
        self.outbox.append((member, word))
