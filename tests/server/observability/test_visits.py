"""A visit is one for as long as somebody comes back or stays connected, and then its end is told."""

from __future__ import annotations

import pytest

from conductor_trio.access.grants import OWNER
from conductor_trio.limits import observability as constants
from conductor_trio.server.observability import visits as module
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.visits import Visits
from tests.support.observing import KeptLines
from tests.support.routes import make_route


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> KeptLines:
    return KeptLines()


@pytest.fixture
def visits(lines: KeptLines, clock: Clock) -> Visits:
    return Visits(AuditLog(lines, clock), clock)


async def test_many_requests_are_one_visit(visits: Visits, lines: KeptLines, clock: Clock) -> None:
    route = make_route()
    for _ in range(3):
        visits.enter(route, OWNER, "192.0.2.1").leave()
        clock.now += constants.VISIT_PAUSE / 2
        await visits.end_those_over()
    assert [line["event"] for line in lines.lines] == ["visit_began"]
    clock.now += constants.VISIT_PAUSE
    await visits.end_those_over()
    began, ended = lines.lines
    assert ended["event"] == "visit_ended" and ended["requests"] == 3
    assert ended["last"] == "2023-11-14T22:28:20.000Z"  # when the last request ended, not when that was noticed
    assert began["address"] == ended["address"] == "192.0.2.1"
    assert len(visits) == 0


async def test_who_stays_connected_stays(visits: Visits, lines: KeptLines, clock: Clock) -> None:
    tunnel = visits.enter(make_route(), OWNER, "192.0.2.1")
    clock.now += 24 * 3600
    await visits.end_those_over()
    assert len(lines.lines) == 1
    tunnel.leave()
    clock.now += constants.VISIT_PAUSE
    await visits.end_those_over()
    assert lines.lines[1]["event"] == "visit_ended"


async def test_another_address_grant_or_session_is_another_visit(visits: Visits, lines: KeptLines) -> None:
    route = make_route()
    visits.enter(route, OWNER, "192.0.2.1")
    visits.enter(route, OWNER, "192.0.2.2")
    visits.enter(make_route(host="lab-bob.test", user="bob"), OWNER, "192.0.2.1")
    assert len(lines.events("visit_began")) == 3


async def test_what_is_remembered_is_bounded(
    visits: Visits, lines: KeptLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_VISITS", 2)
    route = make_route()
    first = visits.enter(route, OWNER, "192.0.2.1")
    for last in range(2, 5):
        visits.enter(route, OWNER, f"192.0.2.{last}").leave()
    assert len(visits) == 2
    assert [line["address"] for line in lines.events("visit_ended")] == ["192.0.2.1", "192.0.2.2"]
    first.leave()  # of one that is over by now: nothing happens


async def test_at_the_end_all_are_told(visits: Visits, lines: KeptLines) -> None:
    visits.enter(make_route(), OWNER, "192.0.2.1").leave()
    visits.end_all()
    assert lines.lines[-1]["event"] == "visit_ended" and len(visits) == 0
