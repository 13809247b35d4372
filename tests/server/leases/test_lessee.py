"""What one process may have: asked for once, given where others need it, given back where nobody does."""

from __future__ import annotations

from collections import Counter

import pytest

from conductor_trio.limits.server import ServerLimits
from conductor_trio.limits.workers import MAX_LEASES_TOLD
from conductor_trio.server.leases.lessee import Lessee
from conductor_trio.server.leases.lessor import Word
from conductor_trio.server.leases.terms import Kind, Terms, make_key

KEY = make_key(Kind.ADDRESS, "192.0.2.1")


class Bench:
    """A lessee of 25 of 100, and what it says."""

    def __init__(self) -> None:
        self.used: Counter[str] = Counter()
        self.allotted: list[tuple[str, int]] = []
        self.said: list[Word] = []
        self.idle = 0
        terms = Terms(ServerLimits(max_address_visitors=100), 2)
        self.lessee = Lessee(
            terms,
            self.used.__getitem__,
            lambda key, part: self.allotted.append((key, part)),
            self.give_up,
            self.said.append,
        )

    def give_up(self, key: str) -> None:
        """Need as many less as can be given up."""
        self.used[key] -= min(self.idle, self.used[key])


def test_more_is_asked_for_once_until_there_is_an_answer() -> None:
    bench = Bench()
    lessee = bench.lessee
    assert lessee.part(KEY) == 25
    lessee.want(KEY, 3)
    lessee.want(KEY, 4)
    assert bench.said == [{"want": {KEY: 3}}] and lessee.is_wanted(KEY)
    lessee.receive({"grant": {KEY: 10}})
    assert lessee.part(KEY) == 35 and not lessee.is_wanted(KEY)
    assert bench.allotted == [(KEY, 35)]
    lessee.want(KEY, 0)
    lessee.receive({"deny": [KEY]})
    assert lessee.part(KEY) == 35 and not lessee.is_wanted(KEY)
    lessee.receive({"grant": {KEY: 65}})
    assert lessee.has_all(KEY)


@pytest.mark.parametrize(("used", "given"), [(0, 13), (20, 3), (24, 1), (25, 0), (30, 0)])
def test_a_half_of_what_is_not_used_is_given_to_others(used: int, given: int) -> None:
    bench = Bench()
    bench.used[KEY] = used
    bench.lessee.receive({"recall": [KEY]})
    assert bench.said == [{"gave": {KEY: given}}]
    assert bench.lessee.part(KEY) == 25 - given


@pytest.mark.parametrize(("used", "idle", "given"), [(25, 1, 1), (25, 5, 3), (24, 5, 1), (25, 0, 0)])
def test_where_all_is_used_something_is_given_up_that_can_be(used: int, idle: int, given: int) -> None:
    bench = Bench()
    bench.used[KEY], bench.idle = used, idle
    bench.lessee.receive({"recall": [KEY]})
    assert bench.said == [{"gave": {KEY: given}}]


@pytest.mark.parametrize(("used", "rest"), [(0, 25), (12, 25), (20, 40), (40, 60)])
def test_what_is_not_needed_is_given_back(used: int, rest: int) -> None:
    bench = Bench()
    bench.lessee.receive({"grant": {KEY: 35}})
    bench.used[KEY] = used
    bench.lessee.give_back()
    assert bench.lessee.part(KEY) == rest
    assert bench.said == ([{"give": {KEY: 60 - rest}}] if rest < 60 else [])
    assert len(bench.lessee) == (rest != 25)


def test_what_is_given_back_at_once_fits_into_lines() -> None:
    bench = Bench()
    keys = [make_key(Kind.ADDRESS, str(number)) for number in range(2 * MAX_LEASES_TOLD + 1)]
    bench.lessee.receive({"grant": dict.fromkeys(keys, 1)})
    bench.lessee.give_back()
    assert len(bench.said) == 3 and len(bench.lessee) == 0


@pytest.mark.parametrize("word", [{}, {"grant": 1}, {"grant": {KEY: "1"}}, {"recall": [1]}, {"deny": 1}])
def test_what_is_no_word_of_a_lessor_is_refused(word: Word) -> None:
    with pytest.raises(ValueError, match=r"."):
        Bench().lessee.receive(word)
