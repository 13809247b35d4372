"""The session's page: what its WebSocket tells, to whom, and what the owner can do there."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from conductor_trio.access.tokens import hash_token
from conductor_trio.control.events import ServerEvent, Stop
from conductor_trio.control.messages import Takeover
from conductor_trio.limits.constants import PAGE_READ_SIZE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.pages.house import House
from conductor_trio.pages.session_page import SessionView, render_session_page
from conductor_trio.pages.words.english import ENGLISH
from conductor_trio.server.routing.states import Cause
from tests.support.engine import (
    HOST,
    OK,
    TOKEN,
    Application,
    Engine,
    Response,
    open_engine,
    request,
)
from tests.support.routes import make_route
from tests.support.shares import LINK_TOKEN, ask, cookie, give, make_share
from tests.support.work import MAX_STEP_CALLS, watch_steps

PATIENCE = 10.0
LIMITS = ServerLimits(page_update_pause=0.02)


def find_proof(page: Response) -> str:
    """Return the proof in a session's page."""
    [proof] = re.findall(r'<meta name="proof" content="([^"]*)">', page.body.decode())
    return str(proof)


async def prove(engine: Engine, page: WebSocketConnection) -> str:
    """Have the session's page be loaded, and show its proof; returns the next one."""
    loaded = await ask(engine.connect(), request(b"GET /_conductor/ HTTP/1.1"))
    return await show_proof(page, find_proof(loaded))


async def show_proof(page: WebSocketConnection, proof: object) -> str:
    """Show this one, and return the next one, "" where this one was none."""
    await page.send_message(json.dumps({"do": "prove", "proof": proof}))
    return str(await next_with(page, "proof"))


LOOK_ON = request(
    b"GET /_conductor/live HTTP/1.1",
    b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://app-alice.test\r\n",
)


@asynccontextmanager
async def open_page(
    engine: Engine, token: bytes = TOKEN, origin: str = "http://app-alice.test"
) -> AsyncIterator[WebSocketConnection]:
    """Look at the session's page as a browser does."""
    host, port = engine.listener.getsockname()

    async def accept() -> None:
        await trio.lowlevel.wait_readable(engine.listener)
        sock, address = engine.listener.accept()
        await engine.serve_visitor(sock, address[0])

    engine.nursery.start_soon(accept)
    fields: list[tuple[bytes, bytes]] = [
        (b"Origin", b"http://app-alice.test"),
        (b"Cookie", b"authorization=" + token),
    ]
    async with await trio.open_tcp_stream(host, port) as stream, trio.open_nursery() as nursery:
        path = "/_conductor/live"
        yield await wrap_client_stream(nursery, stream, HOST.decode(), path, extra_headers=fields)
        nursery.cancel_scope.cancel()


def listen(engine: Engine, heard: list[ServerEvent]) -> None:
    """Have the session's client hear what it is told."""
    record = engine.planes.sessions.records.get(engine.route_id)
    assert record is not None
    record.notify_client = heard.append


async def next_session(page: WebSocketConnection, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the first update that is as wanted."""
    with trio.fail_after(PATIENCE):
        while True:
            told = json.loads(await page.get_message())
            if "session" in told and is_wanted(told["session"]):
                session: dict[str, Any] = told["session"]
                return session


async def next_with(page: WebSocketConnection, name: str) -> Any:
    """Return what the next message of that name tells."""
    with trio.fail_after(PATIENCE):
        while name not in (told := json.loads(await page.get_message())):
            pass
    return told[name]


def expected_page(proof: str) -> bytes:
    route = make_route()
    view = SessionView(key=route.key, user=route.user or "", proof=proof)
    return render_session_page(view, ENGLISH, House())


async def test_the_page_is_for_those_with_a_token(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine:
        give(engine, make_share())
        visitor = engine.connect()
        for path in (b"/_conductor/", b"/_conductor"):
            line = b"GET " + path + b" HTTP/1.1"
            for token in (TOKEN, LINK_TOKEN):
                page = await ask(visitor, request(line, auth=cookie(token)))
                proof = find_proof(page)
                assert (page.status, page.body) == (200, expected_page(proof))
                assert bool(proof) is (token == TOKEN)  # what only the owner can do, only the owner has to prove
                (policy,) = page.values(b"content-security-policy")
                assert b"default-src 'none'" in policy and b"unsafe" not in policy
                assert re.search(rb"script-src 'sha256-[^' ]*';", policy)
            assert (await ask(visitor, request(line, auth=b""))).status == 403
        assert (await ask(visitor, request(b"GET /_conductor/live HTTP/1.1"))).status == 404
        line = b"POST /_conductor/ HTTP/1.1"
        assert (await ask(visitor, request(line, b"Content-Length: 0\r\n"), b"POST")).status == 405


@pytest.mark.parametrize(
    ("token", "origin"),
    [
        (b"wrong", "http://app-alice.test"),
        (TOKEN, "http://lab-bob.test"),
        (TOKEN, "null"),
        (TOKEN, "https://evil.test"),
    ],
)
async def test_nobody_else_looks_on(short_tmp: Path, token: bytes, origin: str) -> None:
    fields = b"Connection: upgrade\r\nUpgrade: websocket\r\nOrigin: " + origin.encode() + b"\r\n"
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine:
        data = request(b"GET /_conductor/live HTTP/1.1", fields, auth=cookie(token))
        assert (await ask(engine.connect(), data)).status == 403


async def test_it_tells_what_happens(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine, open_page(engine) as page:
        first = await next_session(page, lambda told: True)
        assert (first["you"], first["key"], first["state"], first["requests"]) == ("owner", "app", "live", 0)
        assert first["visitors"] == 0  # who looks on is no visitor
        visitor = engine.connect()
        assert (await ask(visitor, request())).status == 200
        await engine.wait_told()
        told = await next_session(page, lambda told: bool(told["requests"] == 1 and told["bytesOut"]))
        assert told["bytesIn"] > 0
        await ask(visitor, request(auth=cookie(b"wrong")))
        told = await next_session(page, lambda told: bool(told["log"]))
        assert told["log"][-1]["text"] == "A wrong token was shown"
        assert TOKEN.decode() not in json.dumps(told)


async def test_the_owner_alone_sees_at_which_requests_the_application_failed(short_tmp: Path) -> None:
    async with (
        open_engine(short_tmp, Application(b"rubbish\r\n\r\n"), limits=LIMITS) as engine,
        open_page(engine) as page,
    ):
        give(engine, make_share())
        assert (await ask(engine.connect(), request(b"GET /thesis.tex HTTP/1.1"))).status == 502
        told = await next_session(page, lambda told: bool(told["log"]))
        assert told["log"][-1]["text"].endswith("; last for GET /thesis.tex")
        async with open_page(engine, LINK_TOKEN) as guest:
            assert (await next_session(guest, lambda told: True))["log"] == []


async def test_the_owner_shares_revokes_and_stops(short_tmp: Path) -> None:
    heard: list[ServerEvent] = []
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine, open_page(engine) as page:
        listen(engine, heard)
        assert await prove(engine, page)
        await page.send_message(json.dumps({"do": "share", "label": "Bob", "for": 3600, "once": False}))
        link = await next_with(page, "link")
        visitor = engine.connect()
        opened = await ask(visitor, request(b"GET " + link.encode() + b" HTTP/1.1", auth=b""))
        assert opened.status == 302
        told = await next_session(page, lambda told: bool(told["shares"]))
        (share,) = told["shares"]
        assert share["label"] == "Bob"
        await page.send_message(json.dumps({"do": "revoke", "id": share["id"]}))
        await next_session(page, lambda told: not told["shares"])
        assert (await ask(visitor, request(b"GET " + link.encode() + b" HTTP/1.1", auth=b""))).status == 403
        await page.send_message(json.dumps({"do": "stop"}))
        await next_session(page, lambda told: "stop" in told["log"][-1]["text"])
        assert heard == [Stop()]


@pytest.mark.parametrize(
    "wish", [{"do": "share", "label": "x", "for": 60}, {"do": "stop"}, {"do": "revoke", "id": "s1"}]
)
async def test_a_script_of_the_application_looks_on_and_can_do_nothing(
    short_tmp: Path, wish: dict[str, object]
) -> None:
    heard: list[ServerEvent] = []
    async with open_engine(short_tmp, Application(OK)) as engine, open_page(engine) as script:
        listen(engine, heard)
        give(engine, make_share())
        assert (await next_session(script, lambda told: True))["you"] == "owner"
        await script.send_message(json.dumps(wish))
        assert "own page" in await next_with(script, "error")
        # Nor does it find the proof: a page in a frame, or one that a script gets, has none.
        visitor = engine.connect()
        for fields in (
            b"Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n",
            b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
            b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nService-Worker-Navigation-Preload: true\r\n",
        ):
            answer = await ask(visitor, request(b"GET /_conductor/ HTTP/1.1", fields))
            assert answer.status == 403 and b"proof" not in answer.body
        for guess in ("", "guess", None, 1, ["guess"]):
            assert await show_proof(script, guess) == ""
        await script.send_message(json.dumps(wish))
        assert "own page" in await next_with(script, "error")
        assert engine.route.access.shares == (make_share(),) and heard == []


async def test_a_proof_is_good_for_one_connection(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        loaded = find_proof(await ask(engine.connect(), request(b"GET /_conductor/ HTTP/1.1")))
        async with open_page(engine) as page:
            following = await show_proof(page, loaded)
            assert following not in ("", loaded)
        async with open_page(engine) as script:
            assert await show_proof(script, loaded) == ""
        async with open_page(engine) as page:  # after the connection was lost
            assert await show_proof(page, following)


async def test_a_script_that_guesses_proofs_loses_its_connection(short_tmp: Path) -> None:
    async with (
        open_engine(short_tmp, Application(OK), limits=LIMITS, patience=PATIENCE) as engine,
        open_page(engine) as script,
    ):
        with pytest.raises(ConnectionClosed):
            for number in range(LIMITS.max_wrong_proofs + 1):
                assert await show_proof(script, f"guess{number}") == ""
        async with open_page(engine) as page:
            assert await prove(engine, page)


async def test_a_guests_page_has_no_proof_and_the_owners_is_no_help_to_a_guest(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        give(engine, make_share())
        loaded = find_proof(await ask(engine.connect(), request(b"GET /_conductor/ HTTP/1.1")))
        async with open_page(engine, LINK_TOKEN) as page:
            await page.send_message(json.dumps({"do": "prove", "proof": loaded}))
            assert "owner" in await next_with(page, "error")


async def test_commands_in_quick_succession_do_not_undo_each_other(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine:
        give(engine, make_share())
        async with open_page(engine) as page:
            await next_session(page, lambda told: True)
            assert await prove(engine, page)
            await page.send_message(json.dumps({"do": "revoke", "id": "s1"}))
            for label in ("Bob", "Carol"):
                await page.send_message(json.dumps({"do": "share", "label": label, "for": 3600, "once": False}))
            told = await next_session(page, lambda told: len(told["shares"]) > 1)
            assert [share["label"] for share in told["shares"]] == ["Bob", "Carol"]


async def test_a_session_that_has_ended_takes_no_commands(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine, open_page(engine) as page:
        await next_session(page, lambda told: True)
        engine.end_session()
        await page.send_message(json.dumps({"do": "stop"}))
        assert "ended" in await next_with(page, "error")


@pytest.mark.parametrize(
    "wish",
    ['{"do": "share"}', '{"do": "stop"}', '{"do": "revoke", "id": "s1"}', "nonsense", '{"do": "list"}', "[]"],
)
async def test_who_was_given_a_link_can_do_nothing(short_tmp: Path, wish: str) -> None:
    heard: list[ServerEvent] = []
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine:
        listen(engine, heard)
        give(engine, make_share())
        async with open_page(engine, LINK_TOKEN) as page:
            assert (await next_session(page, lambda told: True))["you"] == "s1"
            await page.send_message(wish)
            assert "owner" in await next_with(page, "error")
        assert engine.route.access.shares == (make_share(),) and heard == []


@pytest.mark.parametrize("wish", ["nonsense", '{"do": "list"}', "[]", '{"do": "reboot"}', '{"do": null}', "\xff"])
async def test_a_page_that_is_not_understood_is_told(short_tmp: Path, wish: str) -> None:
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine, open_page(engine) as page:
        assert await prove(engine, page)
        await page.send_message(wish)
        error = await next_with(page, "error")
        assert error and "own page" not in error
        assert (await ask(engine.connect(), request())).status == 200
        await engine.wait_told()
        await next_session(page, lambda told: bool(told["requests"]))  # and goes on


async def test_a_revoked_share_looks_on_no_longer(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine:
        give(engine, make_share())
        async with open_page(engine, LINK_TOKEN) as page:
            await next_session(page, lambda told: True)
            engine.routes.set_access(engine.route_id, engine.route.access.without(["s1"]))
            with trio.fail_after(PATIENCE), pytest.raises(ConnectionClosed):
                while True:
                    await page.get_message()


async def test_it_stays_when_the_link_is_lost_and_when_the_session_ends(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine, open_page(engine) as page:
        await next_session(page, lambda told: bool(told["state"] == "live"))
        former = engine.route
        engine.routes.change(former.id, Cause.LINK_LOST)
        await next_session(page, lambda told: bool(told["state"] == "lost"))
        engine.routes.register(attrs.evolve(former, id="again"))
        await next_session(page, lambda told: bool(told["state"] == "live"))
        engine.routes.change("again", Cause.LEFT)
        await next_session(page, lambda told: bool(told["state"] == "ended"))
        engine.routes.register(attrs.evolve(former, id="once more"))
        await next_session(page, lambda told: bool(told["state"] == "live"))


@pytest.mark.parametrize("how", ["revoked while the link is lost", "another owner's session"])
async def test_nobody_looks_on_at_what_opens_to_them_no_more(how: str, short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine:
        give(engine, make_share())
        async with open_page(engine, LINK_TOKEN) as page:
            await next_session(page, lambda told: bool(told["state"] == "live"))
            route = engine.route
            if how == "another owner's session":
                access = attrs.evolve(route.access, owner_hash=hash_token(b"another"))
                engine.routes.register(attrs.evolve(route, id="another", access=access), Takeover.ANY)
            else:
                engine.routes.change(route.id, Cause.LINK_LOST)
                await next_session(page, lambda told: bool(told["state"] == "lost"))
                engine.routes.set_access(route.id, route.access.without(["s1"]))
            with trio.fail_after(PATIENCE), pytest.raises(ConnectionClosed):
                while True:
                    await page.get_message()


@pytest.mark.parametrize("limit", ["max_session_pages", "max_user_pages", "max_network_pages"])
async def test_one_page_too_many_is_told_so(short_tmp: Path, limit: str) -> None:
    limits = attrs.evolve(LIMITS, **{limit: 1})
    fields = b"Connection: upgrade\r\nUpgrade: websocket\r\nOrigin: http://app-alice.test\r\n"
    async with open_engine(short_tmp, Application(OK), limits=limits) as engine:
        async with open_page(engine) as page:
            await next_session(page, lambda told: True)
            visitor = engine.connect()
            refused = await ask(visitor, request(b"GET /_conductor/live HTTP/1.1", fields))
            assert refused.status == 429
            assert (await ask(visitor, request())).status == 200  # the application is there for them
        async with open_page(engine) as page:
            await next_session(page, lambda told: True)


async def test_a_page_that_pings_without_end_lets_others_have_their_turn(short_tmp: Path) -> None:
    ping = b"\x89\x80\x00\x00\x00\x00"
    fields = b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n"
    key = base64.b64encode(bytes(16))
    async with open_engine(short_tmp, Application(OK), limits=LIMITS) as engine:
        visitor = engine.connect()
        with watch_steps("trio_websocket", "serve_visitor", "session page") as watch:
            origin = b"Origin: http://app-alice.test\r\n"
            await visitor.send(request(b"GET /_conductor/live HTTP/1.1", fields % key + origin) + ping * 2500)
            assert (await visitor.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            await visitor.send(ping * 2500)
            pongs = 0
            while pongs < 5000:
                pongs += (await visitor.receive_until(b"\x8a\x00")).endswith(b"\x8a\x00")
        assert watch.steps > 5000 * len(ping) / PAGE_READ_SIZE
        assert watch.longest < MAX_STEP_CALLS


@pytest.mark.parametrize("frame", [b"\x00\x80\0\0\0\0", b"\x89\x80\0\0\0\0"], ids=["empty pieces", "pings"])
async def test_a_page_that_sends_without_end_and_says_nothing_loses_its_connection(
    short_tmp: Path, frame: bytes
) -> None:
    """The library keeps each piece of a message until it is whole, and pieces may be empty."""
    limits = attrs.evolve(LIMITS, max_page_silence=4096)
    fields = b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n"
    origin = b"Origin: http://app-alice.test\r\n"
    async with open_engine(short_tmp, Application(OK), limits=limits) as engine:
        visitor = engine.connect()
        await visitor.send(
            request(b"GET /_conductor/live HTTP/1.1", fields % base64.b64encode(bytes(16)) + origin)
        )
        assert (await visitor.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        await visitor.send(b"\x01\x80\0\0\0\0" + frame * 1000)
        await visitor.receive_to_end()
        async with open_page(engine) as page:
            for _ in range(3):  # one that says something may go on
                await page.send_message("x" * 2000)
                await next_with(page, "error")
