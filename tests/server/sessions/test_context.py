"""The control plane of a server: made from settings that go together, and looking after what is over."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from conductor_trio.errors import ConfigError
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import get_logger
from conductor_trio.net.poller import EdgePoller
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.settings import ServerSettings
from tests.support.routes import make_route, make_table

LIMITS = ServerLimits()


def make_context(*patterns: str) -> SessionContext:
    """Return a control plane without sessions."""
    settings = ServerSettings(runtime_dir="/nowhere", patterns=patterns, limits=LIMITS)
    return SessionContext.make(
        settings,
        get_logger(),
        routes=make_table(LIMITS),
        ledger=Ledger(LIMITS),
        counters=Counters(),
        poller=EdgePoller(),
    )


def test_patterns_that_could_give_one_name_twice_are_refused() -> None:
    with pytest.raises(ConfigError):
        make_context("{key}-{user}.test", "{user}-{key}.test")


async def test_its_records_follow_its_routes() -> None:
    context = make_context("{key}-{user}.test")
    route = context.routes.register(make_route())
    assert context.records.get(route.id) is not None


async def test_what_is_over_is_ended_until_it_is_cancelled(autojump_clock: MockClock) -> None:
    context = make_context("{key}-{user}.test")
    route = context.routes.register(make_route(is_resumable=True))
    context.routes.change(route.id, Cause.LINK_LOST)
    late = LIMITS.expiry_interval
    with trio.move_on_after(LIMITS.detached_timeout + LIMITS.tombstone_timeout + 3 * late) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(context.run)
            await trio.sleep(LIMITS.detached_timeout - 1)
            assert context.routes.detached == 1
            await trio.sleep(1 + late)
            assert (context.routes.detached, context.routes.ended) == (0, 1)
            await trio.sleep(LIMITS.tombstone_timeout + late)
            assert context.routes.ended == 0 and context.records.get(route.id) is None
    assert scope.cancelled_caught  # it runs for ever, until its nursery ends
