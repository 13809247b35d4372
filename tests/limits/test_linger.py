"""Limits are numbers above nothing that nobody changes, and a connection's end fits into each of them."""

from __future__ import annotations

import attrs
import pytest

from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.linger import BRIEF_LINGER, LingerLimits
from conductor_trio.limits.server import ServerLimits


@pytest.mark.parametrize(
    "limits",
    [ServerLimits(), ClientLimits(), LingerLimits().ended_session, BRIEF_LINGER],
    ids=["server", "client", "ended session", "brief"],
)
def test_each_is_a_number_above_nothing_that_nobody_changes(limits: LingerLimits) -> None:
    for field in attrs.fields(type(limits)):
        value = getattr(limits, field.name)
        assert isinstance(value, int | float) and value > 0, field.name
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(limits, field.name, 1)


@pytest.mark.parametrize("shorter", [BRIEF_LINGER, LingerLimits().ended_session], ids=["brief", "ended session"])
def test_what_ends_with_something_else_lingers_no_longer_than_usual(shorter: LingerLimits) -> None:
    usual = attrs.asdict(LingerLimits())
    assert all(value <= usual[name] for name, value in attrs.asdict(shorter).items())
