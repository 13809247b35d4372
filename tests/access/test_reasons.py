"""Reasons are values: told apart by what they say, the same where they say the same, and never changed."""

from __future__ import annotations

import attrs
import pytest

from conductor_trio.access.reasons import (
    ApplicationStarting,
    BadRequest,
    LinkForOneBrowser,
    LinkLost,
    Reason,
    Redirect,
    Refusal,
    SessionEnded,
    UpstreamFailed,
)
from conductor_trio.errors import UpstreamFault


def make_reasons() -> list[Reason]:
    return [
        *Refusal,
        Redirect(where="/", set_cookies=(b"a=b",)),
        Redirect(where="/", set_cookies=(b"a=b",), status=303),
        LinkForOneBrowser(),
        ApplicationStarting(since=1.0),
        LinkLost(since=1.0),
        SessionEnded(since=1.0),
        BadRequest(status=400),
        UpstreamFailed(status=502, fault=UpstreamFault.RELAY_SOCKET, what="x", since=1.0),
    ]


def test_no_two_of_them_are_the_same() -> None:
    assert len(Refusal) == len(Refusal.__members__)  # or one would be another's second name
    assert len(set(make_reasons())) == len(make_reasons())
    assert make_reasons() == make_reasons()


@pytest.mark.parametrize("reason", [reason for reason in make_reasons() if hasattr(reason, "since")], ids=repr)
def test_what_happened_is_not_changed_afterwards(reason: Reason) -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        reason.since = 2.0  # type: ignore[union-attr, misc]
