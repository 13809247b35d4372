"""What an operator may have to answer, answered as docs/operator.md says, on a real audit log."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from conductor_trio.access.grants import OWNER, Principal
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.observer import Observer
from conductor_trio.server.observability.visits import Visits
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import Clock, RouteTable
from tests.support.needs import require_program
from tests.support.observing import KeptLines
from tests.support.programs import PATIENCE
from tests.support.routes import make_route
from tests.support.shares import make_named, make_share

OPERATOR = (Path(__file__).parents[2] / "docs" / "operator.md").read_text()

_TUESDAY = "2026-12-01"


def programs() -> Mapping[str, str]:
    """Return the two programs for jq of the document, by the question that they answer."""
    found = re.findall(r"^jq -n .*?'\n(.*?)' audit\.log", OPERATOR, re.DOTALL | re.MULTILINE)
    assert len(found) == 2
    return dict(zip(("could", "did"), found, strict=True))


def answer(question: str, lines: list[dict[str, object]], *, user: str, at: str) -> list[dict[str, object]]:
    jq = require_program("jq")
    done = subprocess.run(
        [jq, "-nc", "--arg", "user", user, "--arg", "at", at, programs()[question]],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


class Day:
    """A day at a gateway: what happens is told at the time that it is."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines = KeptLines()
        self.observer = Observer(audit=AuditLog(self.lines, lambda: self.now))

    def clock(self, hours: str) -> None:
        self.now = datetime.fromisoformat(f"{_TUESDAY}T{hours}:00").replace(tzinfo=UTC).timestamp()


@pytest.fixture
def day() -> Day:
    day = Day()
    routes = RouteTable(ServerLimits(), Clock(monotonic=lambda: day.now, wall=lambda: day.now))
    day.observer.follow(routes)
    visits = Visits(day.observer.audit, lambda: day.now)
    day.clock("09:00")
    notebook = make_route(host="lab-alice.test", key="lab", is_resumable=True)
    routes.register(notebook)
    routes.register(make_route(host="lab-bob.test", user="bob", key="lab"))
    jane, gone = make_share(id="jane"), make_share(b"another", id="gone")
    staff = make_named("@staff", id="staff")
    routes.set_access(notebook.id, notebook.access.with_share(jane).with_share(gone).with_share(staff))
    seen = routes.get(notebook.id)
    assert seen is not None
    visits.enter(seen, Principal("staff"), "203.0.113.5", "carol").leave()
    owner = visits.enter(seen, OWNER, "192.0.2.1")  # whose notebook stays open until four
    visits.enter(seen, Principal("jane"), "198.51.100.7").leave()  # who has looked in the morning
    day.clock("10:00")
    trio.run(visits.end_those_over)
    day.clock("14:00")
    routes.set_access(notebook.id, seen.access.without(["gone"]))
    day.clock("14:30")
    routes.change(notebook.id, Cause.LINK_LOST)
    again = make_route(host="lab-alice.test", key="lab", is_resumable=True)
    routes.register(again)
    day.clock("15:10")
    visits.enter(seen, Principal("jane"), "203.0.113.9")  # too late
    day.clock("16:00")
    owner.leave()
    routes.change(again.id, Cause.LEFT)
    visits.end_all()
    return day


def test_who_could_see_it(day: Day) -> None:
    could = answer("could", day.lines.lines, user="alice", at=f"{_TUESDAY}T15:00:00Z")
    assert could == [
        {"host": "lab-alice.test", "by": "owner", "label": None, "with": None},
        {"host": "lab-alice.test", "by": "jane", "label": "friend", "with": None},
        {"host": "lab-alice.test", "by": "staff", "label": "", "with": "@staff"},
    ]
    assert [one["by"] for one in answer("could", day.lines.lines, user="alice", at=f"{_TUESDAY}T13:00:00Z")] == [
        "owner",
        "jane",
        "gone",
        "staff",
    ]
    for hours in ("08:59", "16:01"):
        assert answer("could", day.lines.lines, user="alice", at=f"{_TUESDAY}T{hours}:00Z") == []


def test_who_did(day: Day) -> None:
    did = answer("did", day.lines.lines, user="alice", at=f"{_TUESDAY}T15:00:00Z")
    assert [(one["by"], one["address"]) for one in did] == [("owner", "192.0.2.1")]
    did = answer("did", day.lines.lines, user="alice", at=f"{_TUESDAY}T15:30:00Z")
    assert {(one["by"], one["address"]) for one in did} == {("owner", "192.0.2.1"), ("jane", "203.0.113.9")}
    did = answer("did", day.lines.lines, user="alice", at=f"{_TUESDAY}T09:00:00Z")
    assert {(one["by"], one["address"], one["identity"]) for one in did} == {
        ("owner", "192.0.2.1", None),
        ("jane", "198.51.100.7", None),
        ("staff", "203.0.113.5", "carol"),
    }


def test_a_visit_that_a_hand_over_splits_goes_on(day: Day) -> None:
    visit = {"host": "lab-alice.test", "user": "alice", "share": None, "address": "192.0.2.1", "identity": "alice"}

    def entry(hours: str, event: str, **fields: object) -> dict[str, object]:
        return {"time": f"{_TUESDAY}T{hours}:00.000Z", "event": event, **visit, **fields}

    lines = [
        entry("10:00", "visit_began", session="before"),
        # The next server has taken over, and the former one says so when it ends.
        entry("12:00", "visit_began", session="after"),
        entry("12:01", "visit_ended", session="before", last=f"{_TUESDAY}T12:00:00.000Z"),
        entry("14:00", "visit_ended", session="after", last=f"{_TUESDAY}T13:45:00.000Z"),
        entry("16:00", "visit_ended", session="of a log before this one", last=f"{_TUESDAY}T16:00:00.000Z"),
        entry("17:00", "visit_began", session="later"),
    ]

    def since(hours: str) -> list[object]:
        return [one["since"] for one in answer("did", lines, user="alice", at=f"{_TUESDAY}T{hours}:00Z")]

    began = f"{_TUESDAY}T10:00:00.000Z"
    assert since("11:00") == since("13:00") == [began] and since("15:00") == []
    assert since("18:00") == [f"{_TUESDAY}T17:00:00.000Z"]
    assert set(answer("did", lines, user="alice", at=f"{_TUESDAY}T13:00:00Z")[0]) == {
        "host", "by", "label", "identity", "address", "since",
    }  # fmt: skip


def test_nobody_else_is_among_them(day: Day) -> None:
    assert answer("did", day.lines.lines, user="bob", at=f"{_TUESDAY}T15:00:00Z") == []
    assert [one["by"] for one in answer("could", day.lines.lines, user="bob", at=f"{_TUESDAY}T15:00:00Z")] == [
        "owner"
    ]
