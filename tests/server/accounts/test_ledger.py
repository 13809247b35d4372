"""Accounts are opened when first asked for, stay the same, hang together, and are forgotten in time."""

from __future__ import annotations

import pytest
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import current_account
from conductor_trio.server.accounts.ledger import Ledger

LIMITS = ServerLimits(max_networks=3, contention_memory=1000.0)


def test_an_account_is_opened_once() -> None:
    ledger = Ledger(LIMITS)
    account = ledger.session("one", "alice")
    account.traffic.requests += 1
    assert ledger.session("one", "alice") is account
    assert ledger.session("other", "alice") is not account
    assert ledger.session("other", "alice").traffic.requests == 0
    assert len(ledger) == 2


def test_a_closed_account_is_forgotten_by_all_but_those_who_have_it() -> None:
    ledger = Ledger(LIMITS)
    account = ledger.session("one", "alice")
    account.traffic.requests += 1
    ledger.close_session("one")
    ledger.close_session("one")  # again does no harm
    assert len(ledger) == 0 and account.traffic.requests == 1
    assert ledger.session("one", "alice").traffic.requests == 0


def test_visitors_are_counted_by_whom_they_were_let_in_for() -> None:
    account = Ledger(LIMITS).session("one", "alice")
    assert account.visitors() == {}
    account.connections |= {"exchange": "owner", "tunnel": "owner", "page": "share:s1"}
    assert account.visitors() == {"owner": 2, "share:s1": 1}
    del account.connections["exchange"]
    assert account.visitors() == {"owner": 1, "share:s1": 1}


def test_sessions_and_control_channels_of_a_user_are_that_user_s() -> None:
    ledger = Ledger(LIMITS)
    channel = ledger.channel(1000)
    assert ledger.channel(1000) is not channel
    assert ledger.channel(1000).group is channel.group and channel.group.account is ledger.user(1000)
    assert ledger.session("hers", "alice").group is not channel.group
    ledger = Ledger(LIMITS)
    ledger.identify(1000, "alice")
    assert ledger.session("hers", "alice").group is ledger.channel(1000).group
    assert ledger.session("his", "bob").group is not ledger.channel(1000).group


def test_what_is_the_same_at_other_processes_has_the_same_name_there() -> None:
    ledger, other = Ledger(LIMITS), Ledger(LIMITS)
    for one in (ledger, other):
        one.session("hers", "alice")
        one.session("whose", None)
    ledger.identify(1000, "alice")
    names = dict(ledger.shared())
    assert names.keys() == dict(other.shared()).keys() == {"strangers", "proxies", "user/alice", "user/"}
    assert names["user/alice"] is ledger.user(1000) and names["strangers"] is ledger.strangers


def test_it_is_contended_while_several_of_all_want_something() -> None:
    ledger = Ledger(LIMITS)
    ledger.session("one", "alice").note_wish()
    ledger.session("two", "alice").note_wish()
    assert ledger.fairness.is_contended and not ledger.is_contended
    ledger.session("his", "bob").note_wish()
    assert ledger.is_contended


@pytest.mark.parametrize("is_known_by", ["id", "name", "both"])
def test_a_user_who_is_known_already_stays_the_same(is_known_by: str) -> None:
    ledger = Ledger(LIMITS)
    known = ledger.user(1000 if is_known_by == "id" else "alice")
    if is_known_by == "both":
        ledger.user(1000)
    ledger.identify(1000, "alice")
    assert ledger.user(1000) is ledger.user("alice") is known


def test_strangers_are_one_together_and_each_network_another() -> None:
    ledger = Ledger(LIMITS)
    one, other = ledger.visitor("192.0.2.1"), ledger.visitor("192.0.2.2")
    assert one is not other and one.group is other.group
    assert ledger.visitor("192.0.2.1") is one
    user, proxies = ledger.user("alice"), ledger.proxies
    strangers = one.group.account
    assert strangers is not None and strangers.group is user.group is proxies.group


def test_the_networks_that_were_not_seen_for_longest_go_first() -> None:
    ledger = Ledger(LIMITS)
    seen = {number: ledger.visitor(f"192.0.2.{number}") for number in range(3)}
    ledger.visitor("192.0.2.0")
    ledger.visitor("192.0.2.9")
    assert ledger.visitor("192.0.2.0") is seen[0] and ledger.visitor("192.0.2.2") is seen[2]
    assert ledger.visitor("192.0.2.1") is not seen[1]


async def test_who_accepts_waits_while_strangers_together_are_over_their_share() -> None:
    ledger = Ledger(LIMITS)
    strangers = ledger.visitor("192.0.2.1").group.account
    assert strangers is not None
    for _ in range(3):
        await ledger.wait_for_strangers()
    assert current_account() is strangers and not ledger.fairness.is_contended  # it wants nothing itself
    for account in (ledger.user("one"), ledger.user("other")):
        account.note_wish()
    strangers.caught_up_at = ledger.fairness.now() + 1e9
    with trio.move_on_after(0.05) as patience:
        await ledger.wait_for_strangers()
    assert patience.cancelled_caught


async def test_who_accepts_waits_while_those_who_are_not_let_in_are_over_their_share() -> None:
    ledger = Ledger(LIMITS)
    await ledger.wait_for_arrivals()
    assert current_account() is ledger.arrivals
    for _ in range(2):
        ledger.arrivals.note_wish()
    ledger.user("one").note_wish()
    ledger.arrivals.caught_up_at = ledger.fairness.now() + 1e9
    with trio.move_on_after(0.05) as patience:
        await ledger.wait_for_arrivals()
    assert patience.cancelled_caught
