"""How many sessions there may be: of one user, of one user a minute, and in all; a place is given back."""

from __future__ import annotations

import contextlib

import attrs
import pytest
import trio
from trio.testing import MockClock

from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.quotas import Allowance, SessionQuotas
from tests.support.quotas import admitted

LIMITS = ServerLimits(max_sessions=5, max_user_sessions=2, max_user_new_sessions=100)
ALICE, BOB, CAROL = 1001, 1002, 1003


async def test_a_user_has_so_many_and_others_have_their_own() -> None:
    quotas = SessionQuotas(LIMITS)
    with admitted(quotas, ALICE), admitted(quotas, ALICE):
        with pytest.raises(RegistrationRefused, match="you have 2 sessions"), admitted(quotas, ALICE):
            pass
        with admitted(quotas, BOB):
            pass
    with admitted(quotas, ALICE):
        pass


async def test_the_gateway_has_so_many_in_all() -> None:
    quotas = SessionQuotas(attrs.evolve(LIMITS, max_sessions=3))
    with (
        admitted(quotas, ALICE),
        admitted(quotas, ALICE),
        admitted(quotas, BOB),
        pytest.raises(RegistrationRefused, match="no room"),
        admitted(quotas, CAROL),
    ):
        pass
    with admitted(quotas, CAROL):
        pass


async def test_a_place_is_given_back_whatever_ends_the_session() -> None:
    quotas = SessionQuotas(LIMITS)
    for _ in range(10):
        with contextlib.suppress(ZeroDivisionError), admitted(quotas, ALICE):
            raise ZeroDivisionError


async def test_what_is_left_takes_a_place_of_its_owners_and_of_nobody_elses() -> None:
    quotas = SessionQuotas(attrs.evolve(LIMITS, max_sessions=2))
    quotas.charge_leftover(ALICE)
    quotas.charge_leftover(ALICE)
    with pytest.raises(RegistrationRefused, match=r"of 2 of them.*something is left"), admitted(quotas, ALICE):
        pass
    with admitted(quotas, BOB), admitted(quotas, BOB):  # the gateway has its room for sessions
        assert quotas.total == 2
    quotas.credit_leftover(ALICE)
    with admitted(quotas, ALICE):
        pass


async def test_so_many_a_minute_come_at_once_and_then_one_by_one(autojump_clock: MockClock) -> None:
    quotas = SessionQuotas(attrs.evolve(LIMITS, max_user_new_sessions=6))

    def comes(uid: int) -> bool:
        try:
            with admitted(quotas, uid):
                return True
        except RegistrationRefused as refusal:
            assert "within a minute" in str(refusal)
            return False

    assert [comes(ALICE) for _ in range(8)] == [True] * 6 + [False] * 2
    assert comes(BOB)
    await trio.sleep(10)  # a sixth of a minute
    assert [comes(ALICE), comes(ALICE)] == [True, False]
    await trio.sleep(3600)
    assert [comes(ALICE) for _ in range(7)] == [True] * 6 + [False]


async def test_of_those_that_register_nothing_a_user_has_fewer() -> None:
    quotas = SessionQuotas(attrs.evolve(LIMITS, max_user_sessions=4, max_user_unregistered=2))
    with admitted(quotas, ALICE) as one, admitted(quotas, ALICE) as two:
        with (
            pytest.raises(RegistrationRefused, match="2 connections here that registered nothing"),
            admitted(quotas, ALICE),
        ):
            pass
        with admitted(quotas, BOB):
            pass
        one.note_registered()
        one.note_registered()
        with admitted(quotas, ALICE):
            two.note_registered()
            with admitted(quotas, ALICE):
                pass
    with admitted(quotas, ALICE), admitted(quotas, ALICE):
        pass


async def test_of_those_that_are_refused_a_few_are_given_time() -> None:
    quotas = SessionQuotas(attrs.evolve(LIMITS, max_user_refused=1))
    with quotas.refusing(ALICE) as first, quotas.refusing(ALICE) as second, quotas.refusing(BOB) as other:
        assert (first, second, other) == (True, False, True)
    with quotas.refusing(ALICE) as again:
        assert again


# What holds for one user, and what goes on though less is allowed.


async def test_a_user_has_numbers_of_their_own() -> None:
    quotas = SessionQuotas(LIMITS)
    with admitted(quotas, ALICE, max_sessions=1):
        with (
            pytest.raises(RegistrationRefused, match="you have 1 sessions"),
            admitted(quotas, ALICE, max_sessions=1),
        ):
            pass
        with (
            admitted(quotas, BOB, max_sessions=3),
            admitted(quotas, BOB, max_sessions=3),
            admitted(quotas, BOB, max_sessions=3),
        ):
            pass
    with (
        admitted(quotas, CAROL, max_new_sessions=1),
        pytest.raises(RegistrationRefused, match="opened 1 sessions"),
        admitted(quotas, CAROL, max_new_sessions=1),
    ):
        pass


async def test_who_is_not_admitted_has_none_but_those_that_stand() -> None:
    quotas = SessionQuotas(LIMITS)
    with (
        pytest.raises(RegistrationRefused, match="not open to you; ask its administrators"),
        admitted(quotas, ALICE, is_admitted=False),
    ):
        pass
    with (
        admitted(quotas, ALICE, is_admitted=False, standing=1) as admission,
        pytest.raises(RegistrationRefused, match="not open to you"),
    ):
        admission.check_new()
    assert quotas.total == 0


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (attrs.evolve(LIMITS, max_user_sessions=1), "you have 1 sessions"),
        (attrs.evolve(LIMITS, max_sessions=1), "no room"),
        (attrs.evolve(LIMITS, max_user_new_sessions=1), "within a minute"),
    ],
)
async def test_what_returns_is_let_in_and_nothing_else(limits: ServerLimits, words: str) -> None:
    quotas = SessionQuotas(limits)
    with admitted(quotas, ALICE) as first:
        first.check_new()
        with pytest.raises(RegistrationRefused, match=words), admitted(quotas, ALICE, standing=3):
            pass  # those that are here do not return
        with quotas.admitted(ALICE, returning=2) as second:
            second.identify(Allowance(standing=3, returning=2))
            with pytest.raises(RegistrationRefused, match=words):
                second.check_new()
    assert quotas.total == 0
