"""The lessee: what one process may have of each limit of the host, at most; the words are in `lessor`."""

from __future__ import annotations

from collections.abc import Callable

from conductor_trio.limits.workers import LEASE_RESERVE
from conductor_trio.server.leases.lessor import Word, batches, parse_counts
from conductor_trio.server.leases.terms import Terms


class Lessee:
    """Borrows for one process.

    `used` says how much of a key it has in use, `allot` hears how much it may have, whenever that changes,
    `make_room` has something given up where others ask and all is in use, and `tell` takes words to the lessor.
    """

    def __init__(
        self,
        terms: Terms,
        used: Callable[[str], int],
        allot: Callable[[str, int], None],
        make_room: Callable[[str], None],
        tell: Callable[[Word], None],
    ) -> None:
        self._terms = terms
        self._used = used
        self._allot = allot
        self._make_room = make_room
        self._tell = tell
        self._parts: dict[str, int] = {}  # those that are not the base
        self._wanted: set[str] = set()

    def __len__(self) -> int:
        """Return of how many keys the part is not what it was at first."""
        return len(self._parts)

    def part(self, key: str) -> int:
        """Return how much of a key this process may have."""
        part = self._parts.get(key)
        return self._terms.base(key) if part is None else part

    def is_wanted(self, key: str) -> bool:
        """Whether more was asked for and there is no answer yet."""
        return key in self._wanted

    @property
    def wanted(self) -> list[str]:
        """The keys of which more was asked for, without an answer so far."""
        return sorted(self._wanted)

    def has_all(self, key: str) -> bool:
        """Whether there is no more to have."""
        return self.part(key) >= self._terms.limit(key)

    def want(self, key: str, need: int) -> None:
        """Ask for so many more, if that was not asked for already."""
        if key not in self._wanted:
            self._wanted.add(key)
            self._tell({"want": {key: max(1, need)}})

    def receive(self, word: Word) -> None:
        """Take in what the lessor says; raises ValueError for what is no word of a lessor."""
        match word:
            case {"grant": granted}:
                for key, count in parse_counts(granted, least=-self._terms.limits.max_held).items():
                    self._wanted.discard(key)
                    self._change(key, count)
            case {"deny": [*keys]}:
                self._wanted.difference_update(keys)
            case {"recall": [*keys]}:
                for recalled in keys:
                    if not isinstance(recalled, str):
                        raise ValueError("no key")
                    self._answer_recall(recalled)
            case _:
                raise ValueError("no word of a lessor")

    def _answer_recall(self, key: str) -> None:
        if self._used(key) >= self.part(key):
            self._make_room(key)
        # A half: what comes here next would have to ask for it again.
        given = (max(0, self.part(key) - self._used(key)) + 1) // 2
        self._change(key, -given)
        self._tell({"gave": {key: given}})

    def give_back(self) -> None:
        """Give back what is not needed, now and then."""
        given = {}
        for key, part in list(self._parts.items()):
            rest = max(self._terms.base(key), LEASE_RESERVE * self._used(key))
            if rest < part and key not in self._wanted:
                given[key] = part - rest
                self._change(key, rest - part)
        for batch in batches(given):
            self._tell({"give": batch})

    def _change(self, key: str, by: int) -> None:
        if not by:
            return
        part = self.part(key) + by
        if part == self._terms.base(key):
            self._parts.pop(key, None)
        else:
            self._parts[key] = part
        self._allot(key, part)
