"""All sessions as rows: looked at, searched and sorted in steps, whatever their number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.limits.constants import MAX_SEARCH
from conductor_trio.server.admin.description import Describer
from conductor_trio.server.dashboard.sessions import COLUMNS, Query, Row, SessionTable
from conductor_trio.server.routing.states import Cause
from tests.support.engine import OK, Application, Engine, open_engine
from tests.support.routes import make_route
from tests.support.work import MAX_STEP_CALLS, count_calls

SOME = 1000
END = object()
USERS = ("alice", "Bob", "<script>alert(1)</script>", "Ünal", "eve")


def make_table(engine: Engine) -> SessionTable:
    return SessionTable(Describer(engine.planes.sessions, engine.planes.service), engine.routes)


def fill(engine: Engine, count: int = SOME) -> None:
    for number in range(count):
        host = f"key{number:04}-{number % 5}.test"
        engine.routes.register(make_route(host=host, user=USERS[number % 5], key=f"key{number:04}"))


def look(table: SessionTable, now: float = 0.0) -> None:
    for _ in table.look(now):
        pass


def select(table: SessionTable, **asked: Any) -> list[Row]:
    *steps, rows = table.select(Query(**asked))
    assert rows is not None and not any(steps)
    return rows


async def test_rows_are_searched_and_sorted(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        fill(engine)
        table = make_table(engine)
        look(table)
        assert len(table) == SOME + 1  # the engine's own
        hosts = [row.host for row in select(table)]
        assert hosts == sorted(hosts) and len(hosts) == SOME + 1
        assert [row.host for row in select(table, is_descending=True)] == hosts[::-1]
        assert {row.values["user"] for row in select(table, search="bob")} == {"Bob"}
        assert len(select(table, search="<script>")) == SOME // 5
        assert len(select(table, search="ünal")) == SOME // 5
        assert select(table, search="nobody") == []
        users = [str(row.values["user"]) for row in select(table, column="user")]
        assert users == sorted(users)
        for column in COLUMNS:
            values: list[Any] = [row.values[column] for row in select(table, column=column, is_descending=True)]
            assert values == sorted(values, reverse=True)


async def test_a_row_is_made_anew_only_when_something_is_new(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        fill(engine, 3)
        table = make_table(engine)
        look(table, 0.0)
        before = {row.host: row for row in select(table)}
        own = engine.route.hosts[0]
        account = engine.planes.ledger.session(engine.route_id, engine.route.user)
        account.traffic.count_to_visitors(5000)
        look(table, 2.0)
        after = {row.host: row for row in select(table)}
        assert [host for host in before if after[host] is not before[host]] == [own]
        assert (after[own].values["bytesOut"], after[own].values["rate"]) == (5000, 2500)
        assert json.loads(after[own].text)["rate"] == 2500
        look(table, 4.0)
        assert {row.host: row.values["rate"] for row in select(table)}[own] == 0
        engine.routes.change(engine.route_id, Cause.LEFT)
        look(table, 6.0)
        assert own not in [row.host for row in select(table)] and len(table) == 3
        table.forget()
        assert len(table) == 0


async def test_what_is_not_known_of_a_lost_session_is_less_than_nothing(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), is_resumable=True) as engine:
        engine.routes.change(engine.route_id, Cause.LINK_LOST)
        table = make_table(engine)
        look(table)
        [row] = select(table)
        assert (row.values["state"], row.values["visitors"], row.values["bytesIn"]) == ("lost", -1, -1)
        assert row.values["rate"] == -1


def step(steps: Iterator[list[Row] | None], taken: list[Any]) -> int:
    """Take a step, and return how many calls it makes."""
    return count_calls(lambda: taken.append(next(steps, END)))


async def test_no_step_takes_long(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        fill(engine, 5000)
        table = make_table(engine)
        taken: list[Any] = []
        for _ in range(2):  # when all are new, and when none is
            looking = table.look(0.0)
            while step(looking, taken) < MAX_STEP_CALLS and taken[-1] is not END:
                pass
            assert taken[-1] is END and len(table) == 5001
        for column in ("user", "since"):
            selecting = table.select(Query(search="key", column=column))
            while step(selecting, taken) < MAX_STEP_CALLS and taken[-1] is None:
                pass
            assert len(taken[-1]) == 5000


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["search", "column", "descending", "x"]), inner)
        ),
    )
)
def test_whatever_a_page_asks_for_is_a_query(told: object) -> None:
    query = Query.read(told)
    assert query.column in COLUMNS and len(query.search) <= 3 * MAX_SEARCH
