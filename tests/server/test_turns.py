"""No turn of the event loop is long, whatever happens to hundreds of connections at the same moment.

Each of them has a step of its own then, of 50 to 300 µs, and whoever comes meanwhile waits for all of a turn.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
import trio

from conductor_trio.access.grants import Access
from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.constants import MAX_CANCELLED_AT_ONCE, MAX_PASSING
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import STREAM_LOST
from conductor_trio.server.lifecycle.paced_clock import run_paced
from conductor_trio.server.routing.states import Cause
from tests.doubles.origin import OriginConnection
from tests.support.engine import OK, Application, Engine, Visitor, open_engine, request
from tests.support.session_bench import open_bench
from tests.support.work import watch_turns

COUNT = 250
#: A task takes some steps, in turns that follow, while the next ones begin.
MOST = 8 * MAX_CANCELLED_AT_ONCE
LIMITS = ServerLimits(lost_link_delay=0.001, park_timeout=0.5)


async def wait_for_ever(connection: OriginConnection) -> None:
    """Answer nothing."""
    with contextlib.suppress(*STREAM_LOST):
        while await connection.receive_more():
            pass


async def connect_many(engine: Engine, data: bytes, count: int = COUNT) -> list[Visitor]:
    """Return visitors who have sent that, once the engine has taken note of it."""
    visitors = []
    for _ in range(count):
        visitors.append(engine.connect())
        await visitors[-1].send(data)
        await trio.testing.wait_all_tasks_blocked()
    return visitors


async def test_hundreds_end_their_connections(tmp_path: Path) -> None:
    async with open_engine(tmp_path, wait_for_ever) as engine:
        visitors = await connect_many(engine, b"GET /")
        with watch_turns("serve_visitor") as watch:
            for visitor in visitors:
                visitor.close()
            while engine.context.visitors:  # noqa: ASYNC110
                await trio.sleep(0.001)
        assert watch.most <= MOST


async def test_hundreds_end_their_requests(tmp_path: Path) -> None:
    application = Application()
    async with open_engine(tmp_path, application) as engine:
        visitors = await connect_many(engine, request()[:-2])
        with watch_turns("serve_visitor") as watch:
            for visitor in visitors:
                visitor.send_at_once(b"\r\n")
            for visitor in visitors:
                assert (await visitor.receive_response()).status == 200
        assert watch.most <= 2 * MOST  # the application's answers among them


@pytest.mark.parametrize("cause", [Cause.LEFT, Cause.LINK_LOST])
async def test_the_session_of_hundreds_ends(tmp_path: Path, cause: Cause) -> None:
    async with open_engine(tmp_path, wait_for_ever, limits=LIMITS) as engine:
        visitors = await connect_many(engine, request())
        with watch_turns("serve_visitor", "disconnect listener") as watch:
            engine.routes.change(engine.route_id, cause)
            for visitor in visitors:
                await visitor.receive_response()
        assert watch.turns and watch.most <= 2 * MOST


async def test_the_token_of_hundreds_opens_nothing_any_more(tmp_path: Path) -> None:
    async with open_engine(tmp_path, wait_for_ever, limits=LIMITS) as engine:
        visitors = await connect_many(engine, request())
        with watch_turns("serve_visitor", "disconnect listener") as watch:
            engine.routes.set_access(engine.route_id, Access(owner_hash=hash_token(b"another")))
            for visitor in visitors:
                await visitor.receive_response()
        assert watch.turns and watch.most <= 2 * MOST


async def test_the_link_that_hundreds_wait_for_is_back(tmp_path: Path) -> None:
    async with open_engine(tmp_path, Application()) as engine:
        with engine.another_route("lab.test", engine.origin.path, b"token", is_resumable=True):
            pass
        auth = b"Cookie: authorization=token\r\n"
        visitors = await connect_many(engine, request(host=b"lab.test", auth=auth))
        with (
            watch_turns("serve_visitor") as watch,
            engine.another_route("lab.test", engine.origin.path, b"token", is_resumable=True),
        ):
            for visitor in visitors:
                assert (await visitor.receive_response()).status == 200
        assert watch.turns and watch.most <= 2 * MOST


async def test_hundreds_of_clients_end(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(bench.connect()) for _ in range(COUNT)]
            for number, client in enumerate(clients):
                await client.go_live(key=f"app{number}")
            with watch_turns("serve_connections", "connection", "channel of") as watch:
                for client in clients:
                    client.close()
                while bench.host.sessions:  # noqa: ASYNC110
                    await trio.sleep(0.001)
            assert watch.turns and watch.most <= MOST


class QuietWatch(trio.abc.Instrument):
    """Counts the turns, and the steps for visitors of all, for as long as a quiet one waits."""

    def __init__(self) -> None:
        self.is_waiting = False
        self.steps = self.most = self._count = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count it (called by Trio)."""
        if self.is_waiting and any(name in task.name for name in ("serve_visitor", "request pump")):
            self.steps += 1
            self._count += 1

    def before_io_wait(self, timeout: float) -> None:
        """Make an end of a turn (called by Trio)."""
        self.most, self._count = max(self.most, self._count), 0


async def read_or_answer(connection: OriginConnection) -> None:
    """Answer requests for something, and read away uploads without end."""
    while (await connection.receive_head()).startswith(b"GET "):
        await connection.send_all(OK)
    while await connection.receive_more():
        connection.unread.clear()
        connection.received.clear()


async def test_a_request_among_the_uploads_of_many_users_waits_for_few_steps(tmp_path: Path) -> None:
    """Each of them has used more than the one who asks, however little of it in the last moments."""
    users, each = 10, 8
    auth = b"Cookie: authorization=token\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n"
    async with open_engine(tmp_path, read_or_answer) as engine:
        with contextlib.ExitStack() as stack:
            uploads = []
            for number in range(users):
                host = f"app-user{number}.test"
                path = engine.origin.path
                stack.enter_context(engine.another_route(host, path, b"token", user=f"user{number}"))
                for _ in range(each):
                    uploads.append(engine.connect())
                    head = request(b"POST / HTTP/1.1", chunked, host=host.encode(), auth=auth)
                    await uploads[-1].send(head)
            async with trio.open_nursery() as nursery:

                async def upload(visitor: Visitor) -> None:
                    with contextlib.suppress(*STREAM_LOST):
                        while True:
                            await visitor.stream.send_all(b"1\r\nx\r\n" * 2000)

                for visitor in uploads:
                    nursery.start_soon(upload, visitor)
                quiet = engine.connect()
                await quiet.send(request())
                await quiet.receive_response()
                await trio.sleep(0.5)  # by then it is known who is busy
                trio.lowlevel.add_instrument(watch := QuietWatch())
                for _ in range(10):
                    watch.is_waiting = True
                    await quiet.send(request())
                    assert (await quiet.receive_response()).status == 200
                    watch.is_waiting = False
                    await trio.sleep(0.02)
                trio.lowlevel.remove_instrument(watch)
                nursery.cancel_scope.cancel()
            assert watch.most <= 3 * MAX_PASSING
            assert watch.steps / 10 <= 6 * MAX_PASSING
            for visitor in uploads:
                visitor.close()


async def switch_and_wait(connection: OriginConnection) -> None:
    """Switch protocols, and then say nothing."""
    await connection.receive_head()
    await connection.send_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    await wait_for_ever(connection)


def test_the_session_of_hundreds_of_tunnels_ends_while_the_process_stands_still(tmp_path: Path) -> None:
    """Their deadlines are some milliseconds apart, all of which are over when it goes on."""
    limits = ServerLimits(ended_session_silence=0.05)

    async def end_session() -> int:
        async with open_engine(tmp_path, switch_and_wait, limits=limits) as engine:
            upgrade = b"Connection: Upgrade\r\nUpgrade: x\r\n"
            visitors = await connect_many(engine, request(fields=upgrade))
            for visitor in visitors:
                assert (await visitor.receive_response(upgrade=True)).status == 101
            engine.routes.change(engine.route_id, Cause.LEFT)
            await trio.sleep(0.05)
            with watch_turns("serve_visitor", "splice") as watch:
                time.sleep(0.3)  # noqa: ASYNC251 - it is what others have the processor for
                for visitor in visitors:
                    while await visitor.stream.receive_some(100):
                        pass
            return watch.most

    assert run_paced(end_session) <= 2 * MOST
