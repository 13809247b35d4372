"""Session records follow the route table: one for each route, part of which the next link takes on."""

from __future__ import annotations

import pytest
import trio

from conductor_trio.control.messages import Takeover
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.records import SessionRecord, SessionRecords
from tests.support.routes import make_route, make_table


@pytest.fixture
def routes() -> RouteTable:
    return make_table(ServerLimits(), lambda: 0.0)


def record_of(records: SessionRecords, route: Route) -> SessionRecord:
    """Return the record of a route that is known."""
    record = records.get(route.id)
    assert record is not None
    return record


async def test_a_record_lives_as_long_as_anything_is_known_of_its_route(routes: RouteTable) -> None:
    records = SessionRecords(routes)
    route = routes.register(make_route(is_resumable=True))
    record = record_of(records, route)
    for cause in (Cause.LINK_LOST, Cause.EXPIRED):  # detached, then a tombstone
        routes.change(route.id, cause)
        assert records.get(route.id) is record
    routes.change(route.id, Cause.EXPIRED)
    assert records.get(route.id) is None
    assert not record.was_replaced and not record.scope.cancel_called


async def test_who_is_replaced_is_told_and_ended(routes: RouteTable) -> None:
    records = SessionRecords(routes)
    record = record_of(records, routes.register(make_route()))
    with record.scope:
        routes.register(make_route(), Takeover.OWN)
        await trio.sleep_forever()
    assert record.scope.cancelled_caught and record.was_replaced


@pytest.mark.parametrize("is_lost", [True, False])
def test_the_next_link_takes_the_events_and_only_a_lost_one_s_stop_request(
    routes: RouteTable, is_lost: bool
) -> None:
    records = SessionRecords(routes)
    former = routes.register(make_route(is_resumable=True))
    former_record = record_of(records, former)
    former_record.event_log.note("The link is there")
    former_record.stop_requested = True
    former_record.idle_until = 1.0
    if is_lost:
        routes.change(former.id, Cause.LINK_LOST)
    asked = make_route(is_resumable=True)
    known = routes.former_self(asked)
    route = routes.register(asked)
    record = records.inherit(route, known, former_record)
    assert record is record_of(records, route) and record is not former_record
    assert record.event_log is former_record.event_log
    assert record.stop_requested is is_lost
    assert record.idle_until is None and not record.was_replaced


def test_one_that_was_not_there_before_begins_anew(routes: RouteTable) -> None:
    records = SessionRecords(routes)
    route = routes.register(make_route())
    record = records.inherit(route, None, None)
    assert record.event_log.describe() == [] and not record.stop_requested
