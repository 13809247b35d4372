"""What visitors meet when a session's link is lost: requests wait, go on, go on elsewhere, or hear why not."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from conductor_trio.control.messages import Takeover
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.snapshot import Snapshot
from conductor_trio.server.routing.states import Cause, Detached, Ended, SessionState, Starting
from tests.doubles.origin import OriginConnection, OriginHandler, answering, open_origin
from tests.support.engine import (
    IMPATIENT,
    OK,
    Application,
    Engine,
    Visitor,
    open_engine,
    request,
)
from tests.support.routes import make_route

HOST = "lab-bob.test"
TOKEN = b"battery-staple"
AUTH = b"Cookie: authorization=" + TOKEN + b"\r\n"
PATIENCE = 10.0


def ask(line: bytes = b"GET / HTTP/1.1", fields: bytes = b"", body: bytes = b"") -> bytes:
    """Write a request for the route that comes and goes here."""
    return request(line, fields, body, host=HOST.encode(), auth=AUTH)


@attrs.define(eq=False)
class Stage:
    """A gateway, and a session on it that comes and goes."""

    engine: Engine
    path: str

    @contextlib.contextmanager
    def session(self, *, is_lost: bool = True, state: SessionState | None = None) -> Iterator[Route]:
        """Hold the session; at the end its link is lost, or it has ended on purpose."""
        with self.engine.another_route(HOST, self.path, TOKEN, is_resumable=is_lost, state=state) as route:
            yield route

    def lose(self) -> Detached:
        """Have a session lost."""
        with self.session():
            pass
        found = self.engine.routes.find(HOST)
        assert found is not None and isinstance(found.state, Detached)
        return found.state

    def count_connections(self, route: Route) -> int:
        """Return how many exchanges and tunnels run for a route."""
        return len(self.engine.planes.ledger.session(route.id, route.user).connections)

    async def wait_held(self, count: int) -> None:
        """Wait until that many requests wait."""
        with trio.fail_after(PATIENCE):
            while self.engine.control.parked.total != count:  # noqa: ASYNC110
                await trio.lowlevel.checkpoint()

    async def ask(self, data: bytes) -> Visitor:
        """Send a request that will have to wait, and return once it does."""
        before = self.engine.control.parked.total
        visitor = self.engine.connect()
        await visitor.send(data)
        await self.wait_held(before + 1)
        return visitor


@asynccontextmanager
async def open_stage(
    directory: Path, handler: OriginHandler, *, limits: ServerLimits | None = None
) -> AsyncIterator[Stage]:
    """Run a gateway in front of `handler`."""
    # What is idle need not be waited for at the end.
    limits = attrs.evolve(limits or ServerLimits(), drain_idle_timeout=0)
    async with open_engine(directory, answering(OK), limits=limits) as engine:
        path = str(directory / "lab")
        async with open_origin(path, handler):
            yield Stage(engine, path)


# Requests that come while the link is down.


async def test_a_request_waits_for_the_session_and_goes_on(short_tmp: Path) -> None:
    application = Application(OK)
    async with open_stage(short_tmp, application) as stage:
        stage.lose()
        visitor = await stage.ask(ask())
        with stage.session():
            assert (await visitor.receive_response()).body == b"ok"
            await visitor.send(ask(b"GET /next HTTP/1.1"))
            assert (await visitor.receive_response()).body == b"ok"
    assert [message.line for message in application.messages] == [b"GET / HTTP/1.1", b"GET /next HTTP/1.1"]


async def test_so_does_one_that_finds_nobody_there_before_the_loss_is_known(short_tmp: Path) -> None:
    """A dying sshd on a busy host: its relay socket is closed, and the control channel not yet."""
    async with open_stage(short_tmp, Application(OK), limits=ServerLimits(refused_relay_delay=60)) as stage:
        there = stage.path
        stage.path = f"{there}-gone"
        with stage.session():
            visitor = stage.engine.connect()
            await visitor.send(ask())
            await trio.testing.wait_all_tasks_blocked(0.05)
        await stage.wait_held(1)
        stage.path = there
        with stage.session():
            assert (await visitor.receive_response()).body == b"ok"


async def test_so_does_one_with_a_body_of_any_size(short_tmp: Path) -> None:
    application = Application(OK)
    body = b"x" * 300_000
    async with open_stage(short_tmp, application) as stage:
        stage.lose()
        visitor = await stage.ask(ask(b"POST /up HTTP/1.1", b"Content-Length: 300000\r\n", body[:10]))
        with stage.session():
            await visitor.send(body[10:])
            assert (await visitor.receive_response(b"POST")).status == 200
    assert [message.body for message in application.messages] == [body]


async def test_pipelined_requests_wait_in_their_order(short_tmp: Path) -> None:
    application = Application(OK)
    async with open_stage(short_tmp, application) as stage:
        stage.lose()
        visitor = await stage.ask(ask(b"GET /1 HTTP/1.1") + ask(b"GET /2 HTTP/1.1"))
        await visitor.send(ask(b"GET /3 HTTP/1.1"))
        with stage.session():
            for _ in range(3):
                assert (await visitor.receive_response()).status == 200
    assert [message.line[:6] for message in application.messages] == [b"GET /1", b"GET /2", b"GET /3"]


async def test_an_upgrade_waits_too(short_tmp: Path) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello"
    async with open_stage(short_tmp, answering(switch, close=False)) as stage:
        stage.lose()
        visitor = await stage.ask(ask(fields=b"Connection: upgrade\r\nUpgrade: x\r\n"))
        with stage.session():
            assert (await visitor.receive_response(upgrade=True)).status == 101
            assert await visitor.receive_exactly(5) == b"hello"


async def test_without_the_token_nobody_waits(short_tmp: Path) -> None:
    async with open_stage(short_tmp, Application(OK)) as stage:
        stage.lose()
        for auth in (b"", b"Cookie: authorization=wrong\r\n"):
            visitor = stage.engine.connect()
            await visitor.send(request(host=HOST.encode(), auth=auth))
            assert (await visitor.receive_response()).status == 403


async def test_the_login_link_works_meanwhile(short_tmp: Path) -> None:
    async with open_stage(short_tmp, Application(OK)) as stage:
        stage.lose()
        visitor = stage.engine.connect()
        await visitor.send(request(b"GET /_conductor/auth/%b HTTP/1.1" % TOKEN, host=HOST.encode(), auth=b""))
        assert (await visitor.receive_response()).status == 302


async def test_who_waits_is_asked_again_for_the_token(short_tmp: Path) -> None:
    application = Application(OK)
    async with open_stage(short_tmp, application) as stage:
        stage.lose()
        visitor = await stage.ask(ask())
        route = make_route(host=HOST, user="bob", key="lab", token=b"another", relay_path=stage.engine.origin.path)
        stage.engine.routes.register(route, Takeover.ANY)
        assert (await visitor.receive_response()).status == 403
    assert application.messages == []


async def test_after_ten_seconds_a_page_says_so_and_asks_again_by_itself(
    short_tmp: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_stage(short_tmp, Application(OK)) as stage:
        stage.lose()
        start = trio.current_time()
        visitor = stage.engine.connect_memory()
        await visitor.send(ask(fields=b"Accept: text/html\r\n"))
        response = await visitor.receive_response()
        assert response.status == 503
        assert trio.current_time() - start == stage.engine.context.limits.park_timeout
        assert response.values(b"retry-after") == [b"3"]
        assert b'<meta http-equiv="refresh" content="3">' in response.body
        assert b"link" in response.body and b"UTC" in response.body
        # The connection is as good as before.
        with stage.session():
            await visitor.send(ask())
            assert (await visitor.receive_response()).status == 200


async def test_after_the_grace_the_session_has_ended(
    short_tmp: Path, autojump_clock: trio.testing.MockClock
) -> None:
    limits = ServerLimits(detached_timeout=5, tombstone_timeout=5)
    async with open_stage(short_tmp, Application(OK), limits=limits) as stage:
        since = stage.lose().since
        visitor = stage.engine.connect_memory()
        await visitor.send(ask())
        response = await visitor.receive_response()  # waited, and was settled so
        assert response.status == 410
        assert trio.current_time() >= 5
        ended = stage.engine.routes.find(HOST)
        assert ended is not None and isinstance(ended.state, Ended) and ended.state.since == since
        await trio.sleep(7)
        assert stage.engine.routes.find(HOST) is None
        await visitor.send(ask())
        assert (await visitor.receive_response()).status == 404


@pytest.mark.parametrize("auth", [AUTH, b"", b"Cookie: authorization=wrong\r\n"])
async def test_a_session_that_ended_on_purpose_is_gone_at_once(short_tmp: Path, auth: bytes) -> None:
    async with open_stage(short_tmp, Application(OK)) as stage:
        with stage.session(is_lost=False):
            pass
        visitor = stage.engine.connect()
        await visitor.send(request(fields=b"Accept: text/html\r\n", host=HOST.encode(), auth=auth))
        response = await visitor.receive_response()
        assert response.status == 410
        assert b"UTC" in response.body and TOKEN not in response.body
        assert stage.engine.control.counters.no_route == 1
        with stage.session():
            await visitor.send(ask())
            assert (await visitor.receive_response()).status == 200


# Who waits is bounded, and may go.


@pytest.mark.parametrize(
    "limits",
    [
        ServerLimits(max_route_parked=2),
        ServerLimits(max_user_parked=2),
        ServerLimits(max_parked=2),
        ServerLimits(max_parked_bytes=2500),
    ],
    ids=str,
)
async def test_only_so_many_wait(short_tmp: Path, limits: ServerLimits) -> None:
    async with open_stage(short_tmp, Application(OK), limits=limits) as stage:
        stage.lose()
        waiting = [await stage.ask(ask(fields=b"X: %b\r\n" % (b"x" * 1000))) for _ in range(2)]
        visitor = stage.engine.connect()
        await visitor.send(ask(fields=b"X: %b\r\n" % (b"x" * 1000)))
        assert (await visitor.receive_response()).status == 503
        with stage.session():
            for one in waiting:
                assert (await one.receive_response()).status == 200
        assert stage.engine.control.parked.total == 0


async def test_who_aborts_does_not_wait_on(short_tmp: Path) -> None:
    application = Application(OK)
    async with open_stage(short_tmp, application) as stage:
        stage.lose()
        visitor = await stage.ask(ask())
        visitor.reset()
        await stage.wait_held(0)
    assert application.messages == []


# Requests under way when the link goes.


class LosesLink:
    """An application whose link is lost by the first request, and which answers the next."""

    def __init__(self, *before: bytes) -> None:
        self.before = before
        self.lines: list[bytes] = []
        self.was_asked = trio.Event()

    async def __call__(self, connection: OriginConnection) -> None:
        """Serve one connection."""
        while head := await connection.receive_head():
            self.lines.append(head.partition(b"\r\n")[0])
            if len(self.lines) > 1:
                await connection.send_all(OK)
                continue
            for part in self.before:
                await connection.send_all(part)
            self.was_asked.set()
            await connection.receive_to_end()
            return


async def test_a_safe_request_goes_on_over_the_next_link(short_tmp: Path) -> None:
    application = LosesLink()
    async with open_stage(short_tmp, application) as stage:
        visitor = stage.engine.connect()
        with stage.session():
            await visitor.send(ask() + ask(b"GET /pipelined HTTP/1.1"))
            await application.was_asked.wait()
        await stage.wait_held(1)
        with stage.session():
            for _ in range(2):
                assert (await visitor.receive_response()).status == 200
    assert application.lines == [b"GET / HTTP/1.1", b"GET / HTTP/1.1", b"GET /pipelined HTTP/1.1"]


async def test_so_it_does_when_another_session_takes_over(short_tmp: Path) -> None:
    application = LosesLink()
    async with open_stage(short_tmp, application) as stage:
        visitor = stage.engine.connect()
        with stage.session() as ghost:
            await visitor.send(ask())
            await application.was_asked.wait()
            with stage.session():
                assert stage.engine.routes.get(ghost.id) is None
                assert (await visitor.receive_response()).status == 200


async def test_an_unsafe_request_is_not_sent_twice(short_tmp: Path) -> None:
    application = LosesLink()
    async with open_stage(short_tmp, application, limits=IMPATIENT) as stage:
        visitor = stage.engine.connect()
        with stage.session():
            await visitor.send(ask(b"POST / HTTP/1.1", b"Content-Length: 0\r\n"))
            await application.was_asked.wait()
        assert (await visitor.receive_response(b"POST")).status == 502
    assert application.lines == [b"POST / HTTP/1.1"]


async def test_nor_is_one_whose_answer_has_begun(short_tmp: Path) -> None:
    application = LosesLink(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    async with open_stage(short_tmp, application, limits=IMPATIENT) as stage:
        visitor = stage.engine.connect()
        with stage.session():
            await visitor.send(ask())
            assert (await visitor.receive_until(b"half")).endswith(b"half")
        assert await visitor.receive_to_end() == b""
    assert len(application.lines) == 1


async def test_nor_one_whose_session_ended_on_purpose(short_tmp: Path) -> None:
    application = LosesLink()
    async with open_stage(short_tmp, application) as stage:
        visitor = stage.engine.connect()
        with stage.session(is_lost=False):
            await visitor.send(ask())
            await application.was_asked.wait()
        assert (await visitor.receive_response()).status == 502
    assert len(application.lines) == 1


async def test_a_link_that_is_lost_again_and_again_keeps_nobody_for_ever(short_tmp: Path) -> None:
    async def never_answer(connection: OriginConnection) -> None:
        await connection.receive_to_end()

    async with open_stage(short_tmp, never_answer) as stage:
        visitor = stage.engine.connect()
        await visitor.send(ask())
        for count in range(4):
            with stage.session() as route, trio.fail_after(PATIENCE):
                if not count:
                    await visitor.send(ask(b"GET /again HTTP/1.1"))
                while not stage.count_connections(route):  # noqa: ASYNC110
                    await trio.lowlevel.checkpoint()
            if count < 3:
                await stage.wait_held(1)
        assert (await visitor.receive_response()).status == 502


async def test_a_request_that_finds_nobody_at_the_relay_socket_waits_for_the_session(short_tmp: Path) -> None:
    application = Application(OK)
    async with open_stage(short_tmp, application) as stage:
        visitor = stage.engine.connect()
        # The SSH server is gone, and the session hears of it a moment later.
        with stage.engine.another_route(HOST, str(short_tmp / "nobody"), TOKEN, is_resumable=True) as route:
            await visitor.send(ask(b"POST / HTTP/1.1", b"Content-Length: 0\r\n"))
            with trio.fail_after(PATIENCE):
                while not stage.count_connections(route):  # noqa: ASYNC110
                    await trio.lowlevel.checkpoint()
        await stage.wait_held(1)
        with stage.session():
            assert (await visitor.receive_response(b"POST")).status == 200
    assert len(application.messages) == 1


# An application that is not there yet.


async def test_a_page_says_that_the_application_is_starting_and_becomes_it(short_tmp: Path) -> None:
    application = Application(OK)
    async with open_stage(short_tmp, application) as stage:
        visitor = stage.engine.connect()
        with stage.session(state=Starting(since=0.0)) as route:
            await visitor.send(ask(fields=b"Accept: text/html\r\n"))
            response = await visitor.receive_response()
            assert response.status == 503 and response.values(b"retry-after") == [b"2"]
            assert b"starting" in response.body and b"00:00:00 UTC" in response.body
            assert b'<meta http-equiv="refresh" content="2">' in response.body
            await visitor.send(ask(b"POST / HTTP/1.1", b"Content-Length: 0\r\n"))
            assert (await visitor.receive_response(b"POST")).status == 503
            stage.engine.routes.change(route.id, Cause.READY)
            await visitor.send(ask())
            assert (await visitor.receive_response()).body == b"ok"
    assert len(application.messages) == 1


# A gateway that was started again.


async def test_the_routes_of_an_earlier_server_are_expected_back(short_tmp: Path) -> None:
    application = Application(OK)
    async with open_stage(short_tmp, application) as stage:
        routes = stage.engine.routes
        expected = make_route(host=HOST, user="bob", token=TOKEN)
        routes.restore(Snapshot(since=1.0, routes=(expected,)))
        assert expected.id in [route.id for route in routes.snapshot().routes]
        visitor = await stage.ask(ask())
        with stage.session():
            assert (await visitor.receive_response()).status == 200


async def test_one_user_s_sessions_do_not_take_the_room_of_another_s(short_tmp: Path) -> None:
    limits = ServerLimits(max_user_parked=2)
    async with open_stage(short_tmp, Application(OK), limits=limits) as stage:
        stage.lose()
        waiting = [await stage.ask(ask()) for _ in range(2)]
        carol = stage.engine.routes.register(make_route(host="lab-carol.test", user="carol", token=TOKEN))
        stage.engine.routes.change(carol.id, Cause.LINK_LOST)
        visitor = await stage.ask(request(host=b"lab-carol.test", auth=AUTH))
        assert stage.engine.control.parked.total == 3
        for one in (*waiting, visitor):
            one.reset()


# Too many.


async def test_an_application_has_so_many_connections_and_no_more(short_tmp: Path) -> None:
    application = LosesLink()
    async with open_stage(short_tmp, application, limits=ServerLimits(max_route_connections=1)) as stage:
        one, two = stage.engine.connect(), stage.engine.connect()
        with stage.session(is_lost=False):
            await one.send(ask())
            await application.was_asked.wait()
            await two.send(ask())
            assert (await two.receive_response()).status == 503
            assert stage.engine.control.counters.limited == 1
            await two.send(request())  # another application's visitors notice nothing
            assert (await two.receive_response()).status == 200


async def test_so_have_all_applications_of_a_user(short_tmp: Path) -> None:
    application = LosesLink()
    async with open_stage(short_tmp, application, limits=ServerLimits(max_user_connections=1)) as stage:
        one, two = stage.engine.connect(), stage.engine.connect()
        with (
            stage.session(is_lost=False),
            stage.engine.another_route("more-bob.test", stage.path, TOKEN),
        ):
            await one.send(ask())
            await application.was_asked.wait()
            await two.send(request(host=b"more-bob.test", auth=AUTH))
            assert (await two.receive_response()).status == 503
            await two.send(request())  # another user's visitors notice nothing
            assert (await two.receive_response()).status == 200
