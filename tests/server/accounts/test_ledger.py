"""Accounts are opened when first asked for, stay the same, and are forgotten when their route is gone."""

from __future__ import annotations

from conductor_trio.server.accounts.ledger import Ledger


def test_an_account_is_opened_once() -> None:
    ledger = Ledger()
    account = ledger.account("one")
    account.traffic.requests += 1
    assert ledger.account("one") is account
    assert ledger.account("other") is not account and ledger.account("other").traffic.requests == 0
    assert len(ledger) == 2


def test_a_closed_account_is_forgotten_by_all_but_those_who_have_it() -> None:
    ledger = Ledger()
    account = ledger.account("one")
    account.traffic.requests += 1
    ledger.close("one")
    ledger.close("one")  # again does no harm
    assert len(ledger) == 0 and account.traffic.requests == 1
    assert ledger.account("one").traffic.requests == 0


def test_visitors_are_counted_by_whom_they_were_let_in_for() -> None:
    account = Ledger().account("one")
    assert account.visitors() == {}
    account.connections |= {"exchange": "owner", "tunnel": "owner", "page": "share:s1"}
    assert account.visitors() == {"owner": 2, "share:s1": 1}
    del account.connections["exchange"]
    assert account.visitors() == {"owner": 1, "share:s1": 1}
