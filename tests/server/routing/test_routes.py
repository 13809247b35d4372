"""What a route's state says of it."""

from __future__ import annotations

import pytest

from conductor_trio.server.routing.states import Detached, Ended, Live, SessionState, Starting
from tests.support.routes import make_route


@pytest.mark.parametrize(
    ("state", "is_attached", "is_live", "is_detached", "has_ended"),
    [
        (Starting(since=1.0), True, False, False, False),
        (Live(since=1.0), True, True, False, False),
        (Detached(since=1.0, expires=2.0), False, False, True, False),
        (Ended(since=1.0, expires=2.0), False, False, False, True),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, bool) else "",
)
def test_what_a_state_means(
    state: SessionState, is_attached: bool, is_live: bool, is_detached: bool, has_ended: bool
) -> None:
    route = make_route(state=state)
    assert route.is_attached is is_attached
    assert route.is_live is is_live
    assert route.is_detached is is_detached
    assert route.has_ended is has_ended
