"""What a dashboard shows besides the sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import trio

from conductor_trio.limits.constants import MAX_DASHBOARD_USERS
from conductor_trio.server.dashboard.overview import Overview
from conductor_trio.server.orders.blocks import Block, Blocked
from tests.support.dashboards import DashboardEngine, open_dashboard_engine
from tests.support.routes import make_route


def look(overview: Overview) -> dict[str, Any]:
    """Look, and return the sections, and beside them whether there are rates now."""
    for _ in overview.look():
        pass
    told = {name: json.loads(text) for name, text in overview.sections.items()}
    return {**told, "has_rates": overview.has_rates}


def make_overview(dashboard: DashboardEngine) -> Overview:
    ledger = dashboard.engine.planes.ledger
    return Overview(dashboard.service, ledger.traffic, ledger.fairness.delay)


async def test_rates_are_what_came_between_two_looks(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        planes = dashboard.engine.planes
        overview = make_overview(dashboard)
        told = look(overview)
        assert not told["has_rates"]
        assert (told["now"]["sessions"], told["now"]["requests"], told["now"]["visitors"]) == (1, None, None)
        assert told["users"] == {"count": 0, "shown": []}
        traffic = planes.ledger.session(dashboard.engine.route_id, dashboard.engine.route.user).traffic
        traffic.count_to_visitors(10_000)
        planes.counters.requests_total += 10
        await trio.sleep(0.05)
        told = look(overview)
        assert told["has_rates"] and told["now"]["requests"] > 0
        assert told["now"]["bytesOut"] > 10_000 > told["now"]["bytesIn"] == 0
        [user] = told["users"]["shown"]
        assert user["sessions"] == 1 and user["bytesOutPerSecond"] > 10_000 and user["throttled"] is False
        overview.forget()
        assert look(overview)["now"]["bytesOut"] is None


async def test_of_many_users_those_are_told_who_use_most(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        routes = dashboard.engine.routes
        for number in range(MAX_DASHBOARD_USERS + 5):
            routes.register(make_route(host=f"a-{number}.test", user=f"user{number}"))
        overview = make_overview(dashboard)
        look(overview)
        await trio.sleep(0.01)
        told = look(overview)["users"]
        assert (told["count"], len(told["shown"])) == (MAX_DASHBOARD_USERS + 6, MAX_DASHBOARD_USERS)


async def test_the_orders_that_stand_are_told(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        orders = dashboard.engine.context.orders
        orders.block(Block(kind=Blocked.USER, name="mallory", since=7.0, reason="<b>"))
        [block] = look(make_overview(dashboard))["orders"]["blocks"]
        assert block == {"user": "mallory", "since": 7.0, "until": None, "reason": "<b>"}
