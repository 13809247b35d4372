"""The files that may be open are enough for all that is let in, with some left for clients and a successor."""

from __future__ import annotations

import resource

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.errors import StartError
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.operation.descriptors import (
    allowed_descriptors,
    fit_limits,
    is_less,
    needed_descriptors,
)

LIMITS = ServerLimits()


def test_where_there_are_enough_all_stays_as_wanted() -> None:
    fitted = fit_limits(LIMITS, needed_descriptors(LIMITS))
    assert not is_less(fitted, LIMITS)
    assert (fitted.max_visitors, fitted.max_sessions) == (LIMITS.max_visitors, LIMITS.max_sessions)
    assert (fitted.max_address_visitors, fitted.max_user_sessions) == (8192, 1024)


@given(
    allowed=st.integers(320, 1 << 20),
    visitors=st.integers(1, 100_000),
    sessions=st.integers(1, 100_000),
)
def test_what_is_let_in_fits_and_something_is_left(allowed: int, visitors: int, sessions: int) -> None:
    wanted = attrs.evolve(LIMITS, max_visitors=visitors, max_sessions=sessions)
    fitted = fit_limits(wanted, allowed)
    assert needed_descriptors(fitted) <= allowed
    assert 1 <= fitted.max_visitors <= visitors and 1 <= fitted.max_sessions <= sessions
    assert needed_descriptors(wanted) > allowed or not is_less(fitted, wanted)
    numbers = (
        fitted.max_kept_descriptor,
        fitted.max_visitor_descriptor,
        fitted.max_upstream_descriptor,
        fitted.max_client_descriptor,
        allowed,
    )
    assert list(numbers) == sorted(set(numbers))


@given(allowed=st.integers(128, 1 << 20))
def test_nobody_can_take_all_of_anything(allowed: int) -> None:
    fitted = fit_limits(LIMITS, allowed)
    assert fitted.max_address_visitors < fitted.max_visitors
    assert fitted.max_user_sessions < fitted.max_sessions
    assert fitted.max_user_connections < fitted.max_visitors
    assert fitted.max_user_unregistered <= max(1, fitted.max_sessions // 4)


def test_one_connection_and_one_session_may_be_one_persons() -> None:
    fitted = fit_limits(attrs.evolve(LIMITS, max_visitors=1, max_sessions=1), 20_000)
    assert (fitted.max_address_visitors, fitted.max_user_sessions) == (1, 1)


def test_with_very_few_some_are_served() -> None:
    fitted = fit_limits(LIMITS, 40)
    assert fitted.max_visitors > fitted.max_address_visitors > 1 and fitted.max_sessions == 1


def test_too_few_for_anything_are_refused_with_what_to_do() -> None:
    with pytest.raises(
        StartError, match="may open 30 files, which are not enough to serve anybody; raise LimitNOFILE"
    ):
        fit_limits(LIMITS, 30)


def test_what_this_process_may_have() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert allowed_descriptors() == min(soft, 1 << 30)
    assert allowed_descriptors(at_most=True) == min(hard, 1 << 30)
