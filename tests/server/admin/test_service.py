"""The operator's commands carried out on sessions that are."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog

from conductor_trio.control.messages import JSONObject
from conductor_trio.errors import CommandRefused
from conductor_trio.limits.constants import MAX_BLOCKS
from conductor_trio.log import get_logger
from conductor_trio.server.admin.entries import Entries
from conductor_trio.server.admin.messages import (
    Announce,
    Command,
    EndBlock,
    EndSessions,
    ListLinks,
    ListSessions,
    MakeLink,
    RevokeLinks,
    SetBlock,
    SetDrain,
    ShowConfiguration,
    ShowOrders,
    ShowSession,
    ShowUsage,
)
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.admin.service import AdminService
from conductor_trio.server.operation.reload import Reloads
from conductor_trio.server.orders.blocks import Block, Blocked
from tests.support.observing import KeptLines
from tests.support.operators import make_service
from tests.support.session_bench import LABEL, LIMITS, USER, Bench, open_bench

ROOT = Operator(uid=0, user="root")
ALL = ["owner", "resume"]
CONFIGURATION = {"file": "/etc/server.toml", "settings": [{"key": ["grace"], "value": 4, "from": "default"}]}


@attrs.frozen
class Desk:
    bench: Bench
    service: AdminService

    def ask(self, command: Command) -> tuple[list[JSONObject], JSONObject]:
        answer = self.service.execute(command, ROOT)
        return [item for item in answer.items if item is not None], answer.fields()


@asynccontextmanager
async def open_desk(runtime_dir: Path, audit: KeptLines | None = None) -> AsyncIterator[Desk]:
    async with open_bench(runtime_dir) as bench:
        yield Desk(bench, make_service(bench, configuration=CONFIGURATION, audit=audit))


def host(key: str) -> str:
    return f"{key}-{LABEL}.apps.test"


async def test_sessions_are_listed_and_shown(runtime_dir: Path) -> None:
    async with open_desk(runtime_dir) as desk:
        assert desk.ask(ListSessions())[0] == []
        with desk.bench.connect() as one, desk.bench.connect() as other:
            await one.go_live(key="a", extensions=ALL, node="node7")
            await other.go_live(key="b")
            for listed in (desk.ask(ListSessions())[0], desk.ask(ListSessions(user=USER))[0]):
                assert {session["host"] for session in listed} == {host("a"), host("b")}
                [first] = [session for session in listed if session["key"] == "a"]
                assert (first["user"], first["state"], first["node"], first["shares"]) == (
                    USER,
                    "live",
                    "node7",
                    0,
                )
            assert desk.ask(ListSessions(user="nobody-else"))[0] == []
            session: Any = desk.ask(ShowSession(host=host("A") + "."))[1]["session"]
            assert session["people"] == []
            assert session["comesBack"] is True and session["hosts"] == (host("a"),)
            assert [event["text"] for event in session["events"]] == ["The link is there"]
            assert session["relay"] == str(one.relay)
            with pytest.raises(CommandRefused, match="no session has the host name 'nope'"):
                desk.ask(ShowSession(host="nope"))


async def test_ends(runtime_dir: Path) -> None:
    async with open_desk(runtime_dir) as desk:
        with desk.bench.connect() as one, desk.bench.connect() as other, desk.bench.connect() as old:
            await one.go_live(key="a", extensions=ALL)
            await other.go_live(key="b", extensions=ALL)
            await old.go_live(key="c", auth="0" * 128)
            [ended] = desk.ask(EndSessions(host=host("a"), reason="noise"))[0]
            assert ended == {"host": host("a"), "user": USER, "key": "a", "ending": "told"}
            assert await one.receive() == {"event": "stop", "by": "operator", "reason": "noise"}
            await one.say("leave")
            assert await one.receive() is None
            assert desk.ask(EndSessions(user="nobody-else"))[0] == []
            endings = {item["key"]: item["ending"] for item in desk.ask(EndSessions())[0]}
            assert endings == {"b": "told", "c": "ended"}
            assert await other.receive() == {"event": "stop", "by": "operator"}
            assert await old.receive() is None
            await other.say("leave")
            assert await other.receive() is None
            with pytest.raises(CommandRefused, match="no session has"):
                desk.ask(EndSessions(host=host("a")))


async def test_blocks(runtime_dir: Path) -> None:
    async with open_desk(runtime_dir) as desk:
        with desk.bench.connect() as client:
            await client.go_live(key="a")
            now = time.time()
            told: Any = desk.ask(SetBlock(kind=Blocked.USER, name=USER, seconds=60, reason="noise"))[1]
            assert told["running"] == 1
            assert told["block"]["user"] == USER and told["block"]["until"] == pytest.approx(now + 60, abs=10)
            desk.ask(SetBlock(kind=Blocked.NETWORK, name="192.0.2.0/24"))
            assert desk.bench.context.orders.networks.has("192.0.2.1")
            shown: Any = desk.ask(ShowOrders())[1]["orders"]
            assert [block.get("user", block.get("network")) for block in shown["blocks"]] == [USER, "192.0.2.0/24"]
            desk.ask(EndBlock(kind=Blocked.USER, name=USER))
            with pytest.raises(CommandRefused, match=f"{USER} is not blocked"):
                desk.ask(EndBlock(kind=Blocked.USER, name=USER))


async def test_blocks_have_a_bound(runtime_dir: Path) -> None:
    async with open_desk(runtime_dir) as desk:
        blocks = tuple(Block(kind=Blocked.USER, name=f"u{number}", since=1.0) for number in range(MAX_BLOCKS))
        desk.bench.context.orders.restore(blocks, None, None, 0.0)
        with pytest.raises(CommandRefused, match="unblock some"):
            desk.ask(SetBlock(kind=Blocked.USER, name="one-more"))
        # One that is blocked may be for another time.
        desk.ask(SetBlock(kind=Blocked.USER, name="u1", seconds=5))


async def test_drain_and_announcement(runtime_dir: Path) -> None:
    async with open_desk(runtime_dir) as desk:
        orders = desk.bench.context.orders
        desk.ask(SetDrain(is_on=True, reason="disks"))
        assert [getattr(order, "reason", None) for order in orders.notices()] == ["disks"]
        desk.ask(SetDrain(is_on=False))
        assert not orders.are_any
        with pytest.raises(CommandRefused, match="no drain to end"):
            desk.ask(SetDrain(is_on=False))
        told: Any = desk.ask(Announce(text="Down at noon"))[1]
        assert told["orders"]["announcement"]["text"] == orders.announced == "Down at noon"
        desk.ask(Announce(text=""))
        assert orders.announcement is None


async def test_usage(runtime_dir: Path) -> None:
    async with open_desk(runtime_dir) as desk:
        with desk.bench.connect() as client:
            await client.go_live(key="a")
            [route] = desk.bench.routes.attached()
            account = desk.bench.context.ledger.session(route.id, USER)
            account.traffic.count_to_visitors(1000)
            account.used += 0.5
            users, server = desk.ask(ShowUsage())
            [user] = [one for one in users if one["user"] == USER]
            assert (user["sessions"], user["lost"], user["visitors"], user["bytesOut"]) == (1, 0, 0, 1000)
            assert user["throttled"] is False
            assert {one["kind"] for one in users} == {"user", "strangers", "proxies"}
            assert (server["sessions"], server["lost"]) == (1, 0)


async def test_what_is_in_force(runtime_dir: Path) -> None:
    async with open_desk(runtime_dir) as desk:
        rows, told = desk.ask(ShowConfiguration())
        assert rows == CONFIGURATION["settings"]
        assert told == {"pid": os.getpid(), "file": "/etc/server.toml"}


async def test_what_comes_of_a_reload(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        reloads = Reloads(limits=LIMITS, log=get_logger(), in_force={})
        service = make_service(bench, reloads=reloads, audit=(audit := KeptLines()))
        reloads.is_handed = True
        await reloads.run()
        assert await service.reload(ROOT) is None
        assert [line["by"] for line in audit.events("operator_reload")] == ["root"]


async def test_each_act_is_logged_with_who_and_what(runtime_dir: Path) -> None:
    audit = KeptLines()
    with structlog.testing.capture_logs() as entries:
        async with open_desk(runtime_dir, audit) as desk:
            desk.ask(SetBlock(kind=Blocked.USER, name="mallory", reason="noise"))
            desk.ask(EndBlock(kind=Blocked.USER, name="mallory"))
            desk.ask(SetBlock(kind=Blocked.NETWORK, name="192.0.2.0/24"))
            desk.ask(SetDrain(is_on=True))
            desk.ask(SetDrain(is_on=False))
            desk.ask(Announce(text="Down at noon"))
            desk.ask(EndSessions(user="mallory", reason="noise"))
            desk.ask(ListSessions())
    acts = [entry for entry in entries if entry["event"].startswith("operator_")]
    assert [entry["event"].removeprefix("operator_") for entry in acts] == [
        "block",
        "unblock",
        "block",
        "drain",
        "drain_ended",
        "announce",
        "end",
    ]
    assert all((entry["by"], entry["by_uid"]) == ("root", 0) for entry in acts)
    assert acts[0]["whose"] == acts[-1]["whose"] == acts[0]["user"] == acts[-1]["user"] == "mallory"
    assert acts[0]["reason"] == "noise"
    assert acts[2]["network"] == "192.0.2.0/24"
    audited = [{name: value for name, value in entry.items() if name != "time"} for entry in audit.lines]
    assert audited == [{name: value for name, value in entry.items() if name != "log_level"} for entry in acts]


async def test_links_are_those_of_a_dashboard(runtime_dir: Path) -> None:
    audit = KeptLines()
    async with open_desk(runtime_dir, audit) as desk:
        for command in (MakeLink(), ListLinks(), RevokeLinks()):
            with pytest.raises(CommandRefused, match="no dashboard"):
                desk.ask(command)
        desk = Desk(desk.bench, make_service(desk.bench, audit=audit, entries=Entries("admin.test:8443")))
        made = desk.ask(MakeLink())[1]
        link = str(made["link"])
        assert link.startswith("https://admin.test:8443/_conductor/auth/")
        assert [one["kind"] for one in desk.ask(ListLinks())[0]] == ["link"]
        assert desk.ask(RevokeLinks(user="eve"))[1] == {"links": 0, "entries": 0}
        assert desk.ask(RevokeLinks())[1] == {"links": 1, "entries": 0}
    assert [line["event"] for line in audit.lines][:2] == ["operator_link", "operator_links_revoked"]
    assert link.rpartition("/")[2] not in repr(audit.lines)
