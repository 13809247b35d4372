"""One dashboard that is open: what is sent to it, once, and what it may ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conductor_trio.limits.constants import DASHBOARD_PAGE_SIZE
from conductor_trio.server.routing.states import Cause
from tests.support.dashboards import DashboardEngine, OpenPage, open_dashboard_engine
from tests.support.engine import HOST
from tests.support.routes import make_route

SOME = 2 * DASHBOARD_PAGE_SIZE + 5


def fill(dashboard: DashboardEngine) -> None:
    for number in range(SOME - 1):
        user = "eve" if number % 2 else "alice"
        dashboard.engine.routes.register(make_route(host=f"x{number:03}.test", user=user))


def view(page: int = 0, **asked: object) -> dict[str, object]:
    return {"search": "", "column": "host", "descending": False, "page": page} | asked


async def test_a_page_of_sessions_is_sent_and_then_what_changes(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        fill(dashboard)
        async with dashboard.open_page() as page:
            told = await page.next("sessions")
            hosts = [row["host"] for row in told["rows"]]
            assert told["order"] == hosts and hosts[0] == HOST.decode() and len(hosts) == DASHBOARD_PAGE_SIZE
            assert (told["total"], told["matched"], told["pages"]) == (SOME, SOME, 3)
            account = dashboard.engine.planes.ledger.session(
                dashboard.engine.route_id, dashboard.engine.route.user
            )
            account.traffic.count_to_visitors(700)
            told = await page.next("sessions")
            assert told["order"] is None
            assert [(row["host"], row["bytesOut"]) for row in told["rows"]] == [(HOST.decode(), 700)]
            await page.send(view=view(page=2))
            told = await page.next("sessions", lambda told: told["sessions"]["page"] == 2)
            assert len(told["order"]) == 5
            await page.send(view=view(page=99, search="EVE", column="user", descending=True))
            told = await page.next("sessions", lambda told: told["sessions"]["matched"] < SOME)
            assert told["matched"] == (SOME - 1) // 2 and told["page"] == told["pages"] - 1


async def test_sections_and_events_are_sent_once(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard, dashboard.open_page() as page:
        assert (await page.section("orders"))["blocks"] == []
        events = await page.next("events")
        assert [told["event"] for told in events][-2:] == ["operator_link", "dashboard_entered"]
        dashboard.engine.routes.change(dashboard.engine.route_id, Cause.LEFT)
        [event] = await page.next("events")
        assert (event["event"], event["fields"]["host"]) == ("session_ended", HOST.decode())


async def test_an_act_is_answered_and_seen(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard, dashboard.open_page() as page:
        await page.section("orders")
        assert (await page.act(command="announce", text="<b>tea</b>"))["done"]["count"] == 0
        told = await page.section("orders", lambda orders: orders["announcement"])
        assert told["announcement"]["text"] == "<b>tea</b>"
        assert "no session" in (await page.act(command="end", host="nobody.test"))["refused"]
        assert (await page.act(command="end", host=HOST.decode(), reason="x"))["done"]["count"] == 1


@pytest.mark.parametrize("proof", ["", "x", None, 7, "\ud800", ["x"]])
async def test_without_the_pages_proof_nothing_is_told(short_tmp: Path, proof: Any) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        cookie = await dashboard.enter()
        async with dashboard.open_socket(cookie) as socket:
            page = OpenPage(socket)
            await page.send(act=1, do={"command": "announce", "text": "x"}, prove=proof)
            assert json.loads(await socket.get_message()) == {"stale": True}
            await page.wait_closed()
        async with dashboard.open_socket(cookie) as socket:
            await socket.send_message("nonsense")
            assert json.loads(await socket.get_message()) == {"stale": True}
        assert not dashboard.engine.context.orders.are_any


async def test_the_proof_of_another_entry_is_none(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        proof = await dashboard.load(await dashboard.enter())
        async with dashboard.open_socket(await dashboard.enter()) as socket:
            await OpenPage(socket).send(prove=proof)
            assert json.loads(await socket.get_message()) == {"stale": True}


async def test_nonsense_is_overheard(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard, dashboard.open_page() as page:
        for message in ("", "[]", "{", '{"view": 7}', '{"act": "x", "do": {}}', '{"act": 1}', b"\xff"):
            await page.socket.send_message(message)
        for number in (-1, 1e99, "x", None, True, 0.5):
            await page.send(view=view() | {"page": number})
        assert "refused" in await page.act(command="nonsense")
