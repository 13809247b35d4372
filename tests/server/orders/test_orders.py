"""The orders that stand: who is kept out, whether new sessions are taken, and that every change is told."""

from __future__ import annotations

import pytest

from conductor_trio.errors import RegistrationRefused
from conductor_trio.server.orders.blocks import Block, Blocked
from conductor_trio.server.orders.orders import Announcement, Drain, Orders

ALICE = Block(kind=Blocked.USER, name="alice", since=1.0, reason="noise")
NETWORK = Block(kind=Blocked.NETWORK, name="192.0.2.0/24", since=2.0, until=10.0)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def orders(told: list[str]) -> Orders:
    made = Orders()
    made.subscribe(lambda: told.append("changed"))
    return made


def test_nothing_stands_at_first(orders: Orders) -> None:
    assert not orders.are_any and not orders.networks and orders.announced == ""
    assert list(orders.notices()) == []
    orders.check_new_session("alice")


def test_a_blocked_user_gets_no_new_session_and_hears_why(orders: Orders, told: list[str]) -> None:
    orders.block(ALICE)
    with pytest.raises(RegistrationRefused, match="no new sessions of yours: noise; ask its administrators"):
        orders.check_new_session("alice")
    orders.check_new_session("bob")
    assert orders.are_any and not orders.networks
    assert orders.unblock(Blocked.USER, "alice") and not orders.unblock(Blocked.USER, "alice")
    orders.check_new_session("alice")
    assert told == ["changed"] * 2


def test_networks_are_looked_up_as_they_are_now(orders: Orders, told: list[str]) -> None:
    before = orders.networks
    orders.block(NETWORK)
    assert orders.networks is not before and orders.networks.has("192.0.2.1")
    # A user of that name is nobody's network, and the other way round.
    assert not orders.unblock(Blocked.USER, NETWORK.name)
    assert orders.unblock(Blocked.NETWORK, NETWORK.name)
    assert not orders.networks
    assert told == ["changed"] * 2


def test_a_block_is_over_at_its_time(orders: Orders, told: list[str]) -> None:
    orders.block(NETWORK)
    orders.block(ALICE)
    assert orders.expire(9.9) == ()
    assert list(orders.blocks) == [NETWORK, ALICE]
    assert orders.expire(10.0) == (NETWORK,)
    assert list(orders.blocks) == [ALICE]
    assert not orders.networks
    assert orders.expire(1e9) == ()
    assert told == ["changed"] * 3


def test_the_later_block_counts(orders: Orders) -> None:
    orders.block(NETWORK)
    later = Block(kind=Blocked.NETWORK, name=NETWORK.name, since=3.0)
    orders.block(later)
    assert orders.blocks == (later,)


def test_a_drain_refuses_everybody(orders: Orders, told: list[str]) -> None:
    orders.set_drain(Drain(since=1.0))
    with pytest.raises(RegistrationRefused, match="takes no new sessions at this moment; try again later"):
        orders.check_new_session("bob")
    orders.set_drain(Drain(since=1.0, reason="new disks"))
    with pytest.raises(RegistrationRefused, match="at this moment: new disks; try"):
        orders.check_new_session("bob")
    orders.set_drain(None)
    orders.check_new_session("bob")
    assert told == ["changed"] * 3


def test_what_clients_are_told(orders: Orders) -> None:
    drain, announcement = Drain(since=1.0), Announcement(text="Down at noon", since=2.0)
    orders.set_drain(drain)
    orders.announce(announcement)
    assert list(orders.notices()) == [drain, announcement]
    assert orders.announced == "Down at noon"
    orders.announce(None)
    assert list(orders.notices()) == [drain] and orders.announced == ""


def test_what_is_restored_is_in_force_unless_its_time_is_over(orders: Orders) -> None:
    orders.restore((NETWORK, ALICE), Drain(since=1.0), None, 5.0)
    assert orders.networks.has("192.0.2.1")
    assert list(orders.blocks) == [NETWORK, ALICE]
    orders.restore((NETWORK, ALICE), None, None, 11.0)
    assert not orders.networks
    assert list(orders.blocks) == [ALICE]
    assert orders.drain is None
