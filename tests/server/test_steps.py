"""No step of the event loop is long, whatever a visitor, an application or a client sends.

What a step does is counted, not timed: its calls, with those of functions written in C.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import STREAM_LOST
from conductor_trio.server.routing.states import Cause
from tests.doubles.origin import OriginConnection, OriginHandler
from tests.support.engine import Visitor, open_engine, request
from tests.support.routes import make_route
from tests.support.session_bench import USER, Client, open_bench
from tests.support.shares import make_share
from tests.support.work import MAX_STEP_CALLS, watch_steps

SIZE = 64 * 1024
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def application(response: bytes) -> OriginHandler:
    """Return one that answers each request with these bytes, whatever comes of that."""

    async def serve(connection: OriginConnection) -> None:
        try:
            while await connection.receive_until(b"\r\n\r\n"):
                await connection.stream.send_all(response)
        except STREAM_LOST:
            pass

    return serve


def fill(piece: bytes, size: int = 2 * SIZE) -> bytes:
    return piece * (size // len(piece))


RESPONSES = {
    "chunks": b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n" + fill(b"1\r\nx\r\n") + b"0\r\n\r\n",
    "interim": fill(b"HTTP/1.1 100 \r\n\r\n") + b"HTTP/1.1 204 No Content\r\n\r\n",
    "hints": fill(b"HTTP/1.1 103 \r\nLink: <a>\r\nLink: <b>\r\n\r\n") + b"HTTP/1.1 204 No Content\r\n\r\n",
    "fields": b"HTTP/1.1 200 OK\r\n" + fill(b"a:\r\n", SIZE - 1024) + b"\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n0\r\n" + fill(b"a:\r\n", SIZE - 1024) + b"\r\n",
}


@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES.keys())
async def test_what_an_application_answers(response: bytes, tmp_path: Path) -> None:
    async with open_engine(tmp_path, application(response)) as engine:
        with watch_steps("serve_visitor") as watch:
            visitor = engine.connect()
            await visitor.send(request(fields=b"Connection: close\r\n"))
            await visitor.receive_to_end()
        assert watch.steps > 1
        assert watch.longest < MAX_STEP_CALLS


UNKNOWN = b"GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n"
REQUESTS = {
    "chunks": request(b"POST / HTTP/1.1", CHUNKED, fill(b"1\r\nx\r\n") + b"0\r\n\r\n"),
    "unknown hosts": fill(UNKNOWN),
    "status": fill(b"GET /_conductor/status HTTP/1.1\r\nHost: x\r\n\r\n"),
    "login pages": fill(request(auth=b"")),
    "wrong cookies": fill(request(auth=b"Cookie: " + b";".join([b'authorization="%41"'] * 200) + b"\r\n")),
    "login form": request(b"POST /_conductor/login HTTP/1.1", CHUNKED, fill(b"1\r\nx\r\n") + b"0\r\n\r\n"),
    "pipelined": fill(request()),
    "empty lines": fill(b"\r\n"),
    "options": request(fields=b"Connection: " + fill(b"a,", SIZE - 1024) + b"\r\n"),
    "dots": request(b"GET /" + fill(b"%2f", 16000) + b" HTTP/1.1"),
    "own page": request(b"GET /_conductor" + fill(b"/", 16000) + b" HTTP/1.1"),
}


@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS.keys())
async def test_what_a_visitor_sends(requests: bytes, tmp_path: Path) -> None:
    limits = ServerLimits(max_token_failures=10**9, head_timeout=0.5)
    async with open_engine(tmp_path, application(b"HTTP/1.1 204 No Content\r\n\r\n"), limits=limits) as engine:
        shares = tuple(
            attrs.evolve(make_share(), id=f"s{number}", token_hash=hash_token(b"%d" % number))
            for number in range(100)
        )
        engine.routes.set_access(engine.route_id, attrs.evolve(engine.route.access, shares=shares))
        with watch_steps("serve_visitor", "request pump") as watch:
            visitor = engine.connect()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_send_all, visitor, requests)
                with trio.move_on_after(1):
                    await visitor.receive_to_end()
                nursery.cancel_scope.cancel()
        assert watch.steps > 1
        assert watch.longest < MAX_STEP_CALLS


async def _send_all(visitor: Visitor, data: bytes) -> None:
    try:
        await visitor.send(data)
        await visitor.stream.send_eof()
    except STREAM_LOST:
        pass


LINES = {
    "pongs": fill(b'{"event":"pong"}\n'),
    "pongs that say when": fill(b'{"event":"pong","ends":1800000000}\n{"event":"pong"}\n'),
    "ready": fill(b'{"event":"ready"}\n'),
    "lists": fill(b'{"event":["a"]}\n', SIZE),
    "long": b'{"event":"pong","a":[' + fill(b"[],", SIZE - 1024) + b"1]}\n",
}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES.keys())
async def test_what_a_registered_client_sends(lines: bytes, runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        with bench.connect() as client:
            await client.go_live(key="app", extensions=["resume", "owner", "starting"])
            with watch_steps("channel of") as watch:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_say_all, client, lines)
                    while await client.receive() is not None:
                        pass
                    nursery.cancel_scope.cancel()
            assert watch.longest < MAX_STEP_CALLS


async def _say_all(client: Client, lines: bytes) -> None:
    with contextlib.suppress(trio.BrokenResourceError):
        await client.send(lines)
        await client.say("leave")


async def test_what_an_owner_lists(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        shares = tuple(attrs.evolve(make_share(), id=f"s{number}") for number in range(20))
        with bench.connect() as client:
            await client.go_live(key="app")
            for number in range(400):
                bench.routes.register(
                    make_route(host=f"{number}.test", user=USER, key=f"k{number}", shares=shares)
                )
            with bench.connect() as owner:
                await owner.greet()
                with watch_steps("connection") as watch:
                    await owner.send(b'{"command":"list"}\n' * 5)
                    for _ in range(5):
                        answer = await owner.receive()
                        assert answer is not None and len(answer["sessions"]) == 401
            assert watch.steps > 5 * 400 / 8
            assert watch.longest < MAX_STEP_CALLS
        for route in bench.routes.attached():
            bench.routes.change(route.id, Cause.LEFT)
