"""Every change of a session is counted and told, whoever made it."""

from __future__ import annotations

import attrs
import pytest

from conductor_trio.control.messages import Takeover
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.measures import Measures
from conductor_trio.server.observability.session_watch import SessionWatch
from conductor_trio.server.routing.snapshot import Snapshot
from conductor_trio.server.routing.states import Cause, Starting
from conductor_trio.server.routing.table import RouteTable
from tests.support.observing import KeptLines, Line
from tests.support.routes import make_route, make_table
from tests.support.shares import make_share


@attrs.define
class Stage:
    routes: RouteTable
    watch: SessionWatch
    measures: Measures
    lines: KeptLines

    @property
    def told(self) -> list[str]:
        return [line["event"] for line in self.lines.lines]

    def last(self) -> Line:
        return self.lines.lines[-1]


@pytest.fixture
def stage() -> Stage:
    now = iter(range(1000))
    routes, measures, lines = make_table(ServerLimits(), lambda: float(next(now))), Measures(), KeptLines()
    watch = SessionWatch(measures, AuditLog(lines), routes.clock)
    routes.subscribe(watch.hear)
    return Stage(routes, watch, measures, lines)


def sessions(stage: Stage) -> dict[str, int]:
    return {state: count for state, count in stage.measures.sessions.items() if count}


def test_from_its_registration_to_its_end(stage: Stage) -> None:
    route = attrs.evolve(make_route(state=Starting(since=0)), opened=0.0, node="node17", ssh_client="192.0.2.7")
    stage.routes.register(route)
    assert sessions(stage) == {"starting": 1} and stage.measures.ready.count == 0
    assert stage.last()["node"] == "node17" and stage.last()["ssh_client"] == "192.0.2.7"
    stage.routes.change(route.id, Cause.READY)
    assert sessions(stage) == {"live": 1} and stage.measures.ready.count == 1
    stage.routes.change(route.id, Cause.LEFT)
    assert sessions(stage) == {"ended": 1}
    assert stage.told == ["session_registered", "session_live", "session_ended"]
    assert "left" in stage.last()["why"]
    stage.routes.change(route.id, Cause.EXPIRED)
    assert sessions(stage) == {} and len(stage.told) == 3


def test_ready_twice_is_told_once(stage: Stage) -> None:
    route = make_route(state=Starting(since=0))
    stage.routes.register(route)
    for _ in range(2):
        stage.routes.change(route.id, Cause.READY)
    assert stage.told.count("session_live") == 1 and sessions(stage) == {"live": 1}


def test_a_reconnect_is_told_as_such(stage: Stage) -> None:
    first, second = (attrs.evolve(make_route(is_resumable=True), opened=0.0) for _ in range(2))
    stage.routes.register(first)
    stage.routes.change(first.id, Cause.LINK_LOST)
    assert sessions(stage) == {"lost": 1}
    stage.routes.register(second)
    assert stage.told == ["session_registered", "session_live", "session_lost", "session_back"]
    assert stage.last()["former"] == first.id and stage.last()["session"] == second.id
    assert sessions(stage) == {"live": 1} and stage.measures.session_events["back"] == 1
    assert stage.measures.ready.count == 1  # a reconnect is no start


def test_one_that_does_not_come_back_has_ended(stage: Stage) -> None:
    route = make_route(is_resumable=True)
    stage.routes.register(route)
    stage.routes.change(route.id, Cause.LINK_LOST)
    stage.routes.change(route.id, Cause.EXPIRED)
    assert stage.told[-1] == "session_ended" and "did not come back" in stage.last()["why"]


@pytest.mark.parametrize(("takeover", "word"), [(Takeover.OWN, "replaced"), (Takeover.ANY, "took")])
def test_who_takes_a_name_is_told_with_whose_it_was(stage: Stage, takeover: Takeover, word: str) -> None:
    first, second = make_route(), make_route()
    stage.routes.register(first)
    stage.routes.register(second, takeover)
    assert stage.told[-3:] == ["session_replaced", "session_registered", "session_live"]
    replaced, registered = stage.lines.lines[-3:-1]
    assert word in replaced["why"] and registered["former"] == first.id
    assert sessions(stage) == {"live": 1}


def test_those_of_an_earlier_server_are_expected_and_come_back(stage: Stage) -> None:
    left, again = make_route(is_resumable=True), make_route(is_resumable=True)
    stage.routes.restore(Snapshot(since=0.0, routes=(left,)))
    stage.routes.register(again)
    assert stage.told == ["session_expected", "session_back"]


def test_one_that_is_borrowed_moves(stage: Stage) -> None:
    lent, own = attrs.evolve(make_route(is_resumable=True), is_borrowed=True), make_route(is_resumable=True)
    stage.routes.register(lent)
    assert stage.told == []
    stage.routes.register(own)
    assert stage.told == ["session_moved"] and stage.last()["former"] == lent.id


def test_after_a_hand_over_the_successor_tells(stage: Stage) -> None:
    route = make_route()
    stage.routes.register(route)
    stage.watch.is_over = True
    stage.routes.change(route.id, Cause.LEFT)
    assert stage.told == ["session_registered", "session_live"] and sessions(stage) == {"ended": 1}


def test_shares_are_told_without_their_tokens(stage: Stage) -> None:
    route, share = make_route(), make_share(id="abc", is_once=True)
    stage.routes.register(route)
    stage.routes.set_access(route.id, route.access.with_share(share))
    used = attrs.evolve(share, token_hash=share.link_hash)
    stage.routes.set_access(route.id, route.access.with_share(used))
    stage.routes.set_access(route.id, route.access)
    assert stage.told[-3:] == ["share_made", "share_used", "share_ended"]
    made, _, ended = stage.lines.lines[-3:]
    assert made["share"] == "abc" and made["label"] == "friend" and made["is_once"] is True
    assert "revoked" in ended["why"]
    assert str(share.link_hash) not in repr(stage.lines.lines)


def test_a_share_whose_time_is_over_is_told_so(stage: Stage) -> None:
    route = make_route(shares=(make_share(id="abc", expires=1.0),))
    stage.routes.register(route)
    stage.routes.expire()
    assert stage.told[-1] == "share_ended" and "over" in stage.last()["why"]
