"""What connections have us hold is bounded for each account and in all, and the greediest gives way."""

from __future__ import annotations

from collections.abc import Hashable

import attrs
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.holdings import Holding, Holdings
from tests.support.lending import Lending

LIMITS = ServerLimits(max_account_held=100, max_held=250)


@attrs.define(eq=False)
class Connection:
    """One that holds something until it is closed."""

    holdings: Holdings
    name: Hashable | None
    is_closed: bool = False
    holding: Holding = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.holding = self.holdings.open(lambda: self.name, self.close)

    def close(self) -> None:
        """End it: what it holds is let go a little later, when its task has ended."""
        self.is_closed = True

    def end(self) -> None:
        """Let go."""
        if self.holding.size:
            self.holding.change(-self.holding.size)


def test_what_is_held_is_counted_for_its_account_until_it_is_let_go() -> None:
    holdings = Holdings(LIMITS)
    one, two = Connection(holdings, "alice"), Connection(holdings, "alice")
    one.holding.change(30)
    two.holding.change(20)
    assert (holdings.total, holdings.size_of("alice"), holdings.size_of("bob")) == (50, 50, 0)
    one.holding.change(-30)
    two.holding.change(-10)
    assert (holdings.total, holdings.size_of("alice")) == (10, 10)
    two.end()
    assert (holdings.total, holdings.size_of("alice")) == (0, 0)


def test_who_is_charged_is_asked_when_it_begins_to_hold() -> None:
    holdings = Holdings(LIMITS)
    one = Connection(holdings, "192.0.2.1")
    one.holding.change(10)
    one.name = "alice"
    one.holding.change(10)
    assert holdings.size_of("192.0.2.1") == 20
    one.holding.change(-20)
    one.holding.change(10)
    assert (holdings.size_of("192.0.2.1"), holdings.size_of("alice")) == (0, 10)
    one.end()


def test_an_account_that_holds_too_much_loses_its_greatest() -> None:
    holdings = Holdings(LIMITS)
    small, great, other = (Connection(holdings, name) for name in ("alice", "alice", "bob"))
    small.holding.change(40)
    other.holding.change(90)
    great.holding.change(60)
    assert not (small.is_closed or great.is_closed)
    small.holding.change(1)
    assert (small.is_closed, great.is_closed, other.is_closed) == (False, True, False)
    assert holdings.closed == 1


def test_where_all_hold_too_much_the_greediest_account_gives_way() -> None:
    holdings = Holdings(LIMITS)
    greedy = [Connection(holdings, "greedy") for _ in range(2)]
    for one in greedy:
        one.holding.change(45)
    others = [Connection(holdings, f"{number}") for number in range(4)]
    for one in others[:3]:
        one.holding.change(50)
    assert holdings.closed == 0
    others[3].holding.change(20)
    assert sum(one.is_closed for one in greedy) == 1
    assert not any(one.is_closed for one in others)


def test_who_stands_for_many_is_bounded_with_all_only() -> None:
    holdings = Holdings(LIMITS)
    proxy = Connection(holdings, None)
    proxy.holding.change(200)
    assert not proxy.is_closed
    proxy.holding.change(51)
    assert proxy.is_closed


async def test_what_other_processes_hold_is_not_held_here(autojump_clock: MockClock) -> None:
    lending = Lending(LIMITS)
    holdings = Holdings(LIMITS)
    holdings.share(lending.ours)
    lending.used_there = {"user/alice": 20, "address/192.0.2.1": 0, "": 20}
    alice, bob = Connection(holdings, ("user", "alice")), Connection(holdings, "192.0.2.1")
    for _ in range(8):
        alice.holding.change(10)
    for _ in range(10):
        bob.holding.change(10)
    assert [alice.is_closed, bob.is_closed] == [False, False]
    alice.holding.change(10)
    assert [alice.is_closed, bob.is_closed] == [True, False]
    bob.holding.change(10)
    assert bob.is_closed
    alice.end()
    bob.end()
    lending.ours.give_back()
    lending.lessor.settle()
    lending.deliver()
    assert len(lending.lessor) == holdings.total == 0


async def test_all_together_hold_no_more_than_other_processes_leave(autojump_clock: MockClock) -> None:
    lending = Lending(LIMITS)
    holdings = Holdings(LIMITS)
    holdings.share(lending.ours)
    lending.used_there = {"": 60}
    proxy = Connection(holdings, None)
    for _ in range(19):
        proxy.holding.change(10)
    assert not proxy.is_closed
    proxy.holding.change(10)
    assert proxy.is_closed


@given(
    steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 80)), max_size=60),
    names=st.lists(st.sampled_from(["a", "b", None]), min_size=6, max_size=6),
)
def test_once_those_that_were_closed_have_let_go_the_bounds_hold(
    steps: list[tuple[int, int]], names: list[str | None]
) -> None:
    holdings = Holdings(LIMITS)
    connections = [Connection(holdings, name) for name in names]
    for number, size in steps:
        connection = connections[number]
        if size == 0:
            connection.end()
        elif not connection.is_closed:
            connection.holding.change(size)
        for one in connections:
            if one.is_closed:
                one.end()
                one.is_closed = False
        assert holdings.total == sum(one.holding.size for one in connections)
        assert holdings.total <= LIMITS.max_held
        assert all(holdings.size_of(name) <= LIMITS.max_account_held for name in ("a", "b"))
    for one in connections:
        one.end()
    assert holdings.total == 0
