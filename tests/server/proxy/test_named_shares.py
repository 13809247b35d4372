"""Shares with people who are named: who enters by the single sign-on, is told of, and is put out again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.observability.access_log import AccessLog
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.observer import Observer
from tests.support.engine import HOST, OK, Application, Engine, Response, Visitor, open_engine, request
from tests.support.observing import KeptLines
from tests.support.shares import give, make_named

SSO = SingleSignOn(user_field=b"x-user", groups_field=b"x-groups")
LIMITS = ServerLimits(page_update_pause=0.02)
BOB = b"X-User: bob\r\nX-Forwarded-For: 192.0.2.7\r\n"
CAROL = b"X-User: carol\r\nX-Groups: staff, dev\r\nX-Forwarded-For: 192.0.2.8\r\n"
UPGRADE = b"Upgrade: x\r\nConnection: upgrade\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"


async def ask(visitor: Visitor, fields: bytes, line: bytes = b"GET / HTTP/1.1") -> Response:
    await visitor.send(request(line, fields, auth=b""))
    return await visitor.receive_response()


async def test_those_who_are_named_enter_and_nobody_else_does(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), sso=SSO) as engine:
        front = engine.connect(unix=True)
        assert (await ask(front, BOB)).status == 403
        give(engine, make_named("bob", id="n1"))
        await engine.wait_known()
        assert (await ask(front, BOB)).status == 200
        assert (await ask(front, CAROL)).status == 403
        give(engine, make_named("@staff", id="n2"))
        await engine.wait_known()
        assert (await ask(front, CAROL)).status == 200
        assert (await ask(front, b"X-User: Bob\r\n")).status == 403
        assert (await ask(front, b"X-User: eve\r\nX-Groups: staffs\r\nX-Groups: staff\r\n")).status == 403
        assert (await ask(front, b"X-User: @staff\r\n")).status == 403
        # Whoever comes by themselves is nobody, whatever they say.
        assert (await ask(engine.connect(), BOB)).status == 403
        assert (await ask(engine.connect(), CAROL)).status == 403


async def test_who_is_revoked_is_put_out_and_others_are_not(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(SWITCH), sso=SSO) as engine:
        give(engine, make_named("bob", id="n1"))
        await engine.wait_known()
        give(engine, make_named("@staff", id="n2"))
        await engine.wait_known()
        tunnels = []
        for fields in (BOB, CAROL):
            front = engine.connect(unix=True)
            await front.send(request(fields=fields + UPGRADE, auth=b""))
            await front.receive_until(b"\r\n\r\n")
            tunnels.append(front)
        engine.routes.set_access(engine.route_id, engine.route.access.without(["n1"]))
        await engine.wait_known()
        began = trio.current_time()
        await tunnels[0].wait_closed()
        assert trio.current_time() - began < 5
        assert engine.let_in() == ["n2"]
        assert (await ask(engine.connect(unix=True), BOB)).status == 403


async def test_who_was_let_in_is_told_by_name_in_the_logs(short_tmp: Path) -> None:
    access, audit = KeptLines(), KeptLines()
    observer = Observer(access_log=AccessLog(access), audit=AuditLog(audit))
    async with open_engine(short_tmp, Application(OK), observer=observer, sso=SSO) as engine:
        give(engine, make_named("@staff", id="n2"))
        await engine.wait_known()
        front = engine.connect(unix=True)
        for fields in (CAROL, CAROL.replace(b"carol", b"dave"), b"X-User: alice\r\n", b"X-User: eve\r\n"):
            await ask(front, fields)
        await ask(front, CAROL, b"GET /_conductor/ HTTP/1.1")
    told = [(line["grant"], line["share"], line["identity"]) for line in access.lines]
    assert told == [
        ("identity", "n2", "carol"),
        ("identity", "n2", "dave"),
        ("owner", None, "alice"),
        (None, None, None),
        ("identity", "n2", "carol"),
    ]
    began = [line for line in audit.lines if line["event"] == "visit_began"]
    assert [(line["grant"], line["identity"]) for line in began] == [
        ("identity", "carol"),
        ("identity", "dave"),
        ("owner", "alice"),
    ]
    [made] = [line for line in audit.lines if line["event"] == "share_made"]
    assert (made["share"], made["with"]) == ("n2", "@staff")


@asynccontextmanager
async def open_page(engine: Engine, fields: bytes) -> AsyncIterator[WebSocketConnection]:
    """Look at the session's page as one whom a front proxy names."""
    visitor = engine.connect(unix=True)
    headers = [tuple(line.split(b": ", 1)) for line in fields.splitlines()]
    async with trio.open_nursery() as nursery:
        stream: Any = _AsTrio(visitor)
        page = await wrap_client_stream(
            nursery,
            stream,
            HOST.decode(),
            "/_conductor/live",
            extra_headers=[*headers, (b"Origin", b"http://" + HOST)],  # type: ignore[list-item]
        )
        yield page
        visitor.close()
        nursery.cancel_scope.cancel()


class _AsTrio(trio.abc.Stream):
    def __init__(self, visitor: Visitor) -> None:
        self._stream = visitor.stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self._stream.receive_some(max_bytes or 65536)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self._stream.close()
        await trio.lowlevel.checkpoint()


async def test_the_owner_is_told_who_is_there_and_a_guest_of_themselves(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(SWITCH), sso=SSO, limits=LIMITS) as engine:
        give(engine, make_named("bob", id="n1"))
        await engine.wait_known()
        give(engine, make_named("@staff", id="n2"))
        await engine.wait_known()
        for fields in (BOB, CAROL):
            tunnel = engine.connect(unix=True)
            await tunnel.send(request(fields=fields + UPGRADE, auth=b""))
            await tunnel.receive_until(b"\r\n\r\n")
        await engine.wait_told()
        async with open_page(engine, b"X-User: alice\r\n") as page:
            told = json.loads(await page.get_message())["session"]
        people = [(one["by"], one["identity"], one["address"], one["connections"]) for one in told["people"]]
        assert people == [("n1", "bob", "192.0.2.7", 1), ("n2", "carol", "192.0.2.8", 1)]
        assert all(one["since"] > 0 for one in told["people"])
        assert (told["you"], told["identity"]) == ("owner", "alice")
        assert [share["with"] for share in told["shares"]] == ["bob", "@staff"]
        async with open_page(engine, CAROL) as page:
            told = json.loads(await page.get_message())["session"]
        assert [one["identity"] for one in told["people"]] == ["carol"]
        assert [share["id"] for share in told["shares"]] == ["n2"]
        assert (told["you"], told["identity"]) == ("n2", "carol")
        assert "bob" not in json.dumps(told) and "192.0.2.7" not in json.dumps(told)


async def test_one_connection_of_a_front_proxys_brings_one_after_the_other(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), sso=SSO) as engine:
        give(engine, make_named("bob", id="n1"))
        await engine.wait_known()
        give(engine, make_named("@staff", id="n2"))
        await engine.wait_known()
        front = engine.connect(unix=True)
        for fields in (BOB, CAROL, BOB, b"X-User: alice\r\n", BOB):
            assert (await ask(front, fields)).status == 200
        presence = engine.context.ledger.session(engine.route_id, None).presence
        people = [one.describe() for one in presence.present(0)]
        assert [(one.by, one.identity, one.connections) for one in people] == [
            ("n1", "bob", 0),
            ("n2", "carol", 0),
            ("owner", "alice", 0),
        ]


@pytest.mark.parametrize("needs_it", [False, True])
async def test_the_owner_names_people_on_the_page(short_tmp: Path, needs_it: bool) -> None:
    sso = SingleSignOn(user_field=b"x-user", is_needed=needs_it)
    async with open_engine(short_tmp, Application(OK), sso=sso, limits=LIMITS) as engine:
        owner = b"X-User: alice\r\n"
        loaded = await ask(engine.connect(unix=True), owner, b"GET /_conductor/ HTTP/1.1")
        proof = loaded.body.partition(b'name="proof" content="')[2].partition(b'"')[0].decode()

        async def next_with(page: WebSocketConnection, name: str) -> Any:
            while name not in (message := json.loads(await page.get_message())):
                pass
            return message[name]

        async with open_page(engine, owner) as page:
            await page.send_message(json.dumps({"do": "prove", "proof": proof}))
            assert await next_with(page, "proof")
            await page.send_message(json.dumps({"do": "share", "with": "bob", "label": "", "for": 3600}))
            assert await next_with(page, "named") == "bob"
            assert (await ask(engine.connect(unix=True), BOB)).status == 200
            await page.send_message(json.dumps({"do": "share", "with": "", "label": "", "for": 3600}))
            assert await next_with(page, "error" if needs_it else "link")
            await page.send_message(json.dumps({"do": "share", "with": "@staff", "label": "", "for": 3600}))
            assert "groups mean nothing here" in await next_with(page, "error")
