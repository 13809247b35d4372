"""What all dashboards that are open share: one look for all of them, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import trio

from conductor_trio.server.dashboard.sessions import Query
from tests.support.dashboards import open_dashboard_engine
from tests.support.engine import HOST
from tests.support.routes import make_route
from tests.support.work import MAX_STEP_CALLS, watch_steps

PATIENCE = 30.0


async def test_one_look_is_for_all_and_ends_with_the_last(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        updates = dashboard.console.updates
        assert len(updates.table) == 0 and updates.views == {}
        with trio.fail_after(PATIENCE), updates.watching() as one, updates.watching() as other:
            updates.ask(other, Query(search="nobody"), 0)
            while len(updates.views) < 2:
                await one.wait_news()
            assert [row.host for row in updates.views[one.query]] == [HOST.decode()]
            assert updates.views[other.query] == []
            # What somebody has asked for already is there at once.
            await trio.testing.wait_all_tasks_blocked()
            updates.ask(other, one.query, 0)
            await other.wait_news()
        with trio.fail_after(PATIENCE):
            while len(updates.table):  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert updates.views == {} and updates.overview.sections == {}


async def test_what_was_done_is_seen_at_once(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        updates = dashboard.console.updates
        with trio.fail_after(PATIENCE), updates.watching() as watcher:
            while not updates.overview.has_rates:
                await watcher.wait_news()
            dashboard.engine.routes.register(make_route(host="b.test"))
            began = trio.current_time()
            updates.hurry()
            while len(updates.table) < 2:
                await watcher.wait_news()
            assert trio.current_time() - began < PATIENCE


async def test_thousands_of_sessions_hold_nobody_up(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        for number in range(3000):
            dashboard.engine.routes.register(make_route(host=f"a{number}.test", user=f"user{number}"))
        updates = dashboard.console.updates
        with watch_steps("dashboard") as steps, trio.fail_after(2 * PATIENCE), updates.watching() as watcher:
            updates.ask(watcher, Query(column="user", is_descending=True), 3)
            while len(updates.views.get(watcher.query, ())) < 3000:
                await watcher.wait_news()
            assert steps.steps > 40 and steps.longest < MAX_STEP_CALLS
