"""What an operator does in the dashboard: carried out as the command is, told in the audit log, refused alike."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import attrs
import pytest

from conductor_trio.control.messages import JSONObject
from conductor_trio.errors import CommandRefused
from conductor_trio.server.dashboard.acts import Acts
from tests.support.dashboards import ROOT, DashboardEngine, open_dashboard_engine
from tests.support.engine import HOST
from tests.support.routes import make_route

THROUGH = attrs.evolve(ROOT, address="192.0.2.1")
ME = pwd.getpwuid(os.geteuid()).pw_name


async def do(dashboard: DashboardEngine, **told: object) -> JSONObject:
    acts: Acts = dashboard.console.acts
    return await acts.execute(told, THROUGH)


async def test_sessions_are_ended_as_by_the_command(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        routes = dashboard.engine.routes
        for number in range(20):
            routes.register(make_route(host=f"a{number}.test", user="eve"))
        assert (await do(dashboard, command="end", user="eve", reason="new disks"))["count"] == 20
        told = await do(dashboard, command="session", host=HOST.decode())
        assert isinstance(told["session"], dict) and told["session"]["host"] == HOST.decode()
        await do(dashboard, command="end", host=HOST.decode(), reason="")
        [first, second] = dashboard.audit.events("operator_end")
        expected = {"by": "root", "through": "dashboard", "address": "192.0.2.1", "whose": "eve", "sessions": 20}
        assert first | expected == first
        assert (second["host"], second["user"]) == (HOST.decode(), "alice")


async def test_users_and_networks_are_blocked_and_unblocked(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        orders = dashboard.engine.context.orders
        dashboard.engine.routes.register(make_route(host="e.test", user="only-here"))
        for target, told in (
            ("only-here", "user"),
            (ME, "user"),
            ("198.51.100.7", "network"),
            ("2001:DB8::/32", "network"),
        ):
            done = await do(dashboard, command="block", target=f" {target} ", reason="r", **{"for": 60})
            assert isinstance(done["block"], dict) and told in done["block"]
        assert [block.name for block in orders.blocks] == ["only-here", ME, "198.51.100.7/32", "2001:db8::/32"]
        await do(dashboard, command="unblock", user=ME)
        await do(dashboard, command="unblock", network="198.51.100.7/32")
        assert len(orders.blocks) == 2
        assert len(dashboard.audit.events("operator_block", "operator_unblock")) == 6


@pytest.mark.parametrize("target", ["no-such-user-here", "10.0.0.0/99", "a:b", "", "x" * 300, "\u202e", "root\n"])
async def test_nobody_else_is_blocked(short_tmp: Path, target: str) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        if target == "root\n":
            target = "root\nx"
        with pytest.raises(CommandRefused):
            await do(dashboard, command="block", target=target)
        assert not dashboard.engine.context.orders.blocks


@pytest.mark.parametrize("network", ["192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "::ffff:192.0.2.1"])
async def test_nobody_locks_themselves_out(short_tmp: Path, network: str) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        for told in ({"target": network}, {"network": network}):
            with pytest.raises(CommandRefused, match="yourself"):
                await do(dashboard, command="block", **told)
        assert not dashboard.engine.context.orders.blocks


async def test_everybody_is_told(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        orders = dashboard.engine.context.orders
        await do(dashboard, command="announce", text="tea")
        await do(dashboard, command="drain", on=True, reason="disks")
        assert orders.announced == "tea" and orders.drain is not None
        await do(dashboard, command="drain", on=False)
        await do(dashboard, command="announce", text="")
        assert not orders.are_any


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"command": "reload"},
        {"command": "config"},
        {"command": "link"},
        {"command": "links"},
        {"command": "revoke"},
        {"command": "end"},
        {"command": "end", "host": 7},
        {"command": "end", "host": "nobody.test"},
        {"command": "end", "all": True, "user": "x"},
        {"command": "block", "target": 7},
        {"command": "announce", "text": "a\nb"},
        {"command": "announce", "text": "x" * 501},
        {"command": "drain", "on": "yes"},
        {"command": "drain", "on": False},
    ],
)
async def test_what_is_no_command_is_refused(short_tmp: Path, told: JSONObject) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        with pytest.raises(CommandRefused):
            await do(dashboard, **told)
        assert len(dashboard.engine.routes) == 1
