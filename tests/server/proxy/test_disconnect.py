"""A visitor who aborts is noticed, one who sends more is not lost a byte, and a quick exchange costs no task."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.http1.reader import RequestReader
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import SocketStream
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope
from conductor_trio.server.proxy.disconnect import DisconnectListener, DisconnectMonitor
from tests.doubles.streams import MemoryStream, memory_stream_pair
from tests.support.engine import request
from tests.support.runtimes import reason_of
from tests.support.sockets import tcp_sockets

LIMITS = ServerLimits()
#: Whatever is still noted after it has a task.
LONG = 2 * LIMITS.watch_delay + 0.01


@attrs.frozen(kw_only=True)
class Stage:
    """A visitor whose exchange goes on while the listener is entered."""

    listener: DisconnectListener
    scope: ConnectionScope
    requests: RequestReader
    visitor: MemoryStream  #: the visitor's end
    ours: MemoryStream


@asynccontextmanager
async def open_stage(monitor: DisconnectMonitor) -> AsyncIterator[Stage]:
    visitor, ours = memory_stream_pair()
    requests, scope = RequestReader(LIMITS), ConnectionScope()
    yield Stage(
        listener=monitor.listener(ours, requests, scope),
        scope=scope,
        requests=requests,
        visitor=visitor,
        ours=ours,
    )


@asynccontextmanager
async def open_monitor() -> AsyncIterator[DisconnectMonitor]:
    monitor = DisconnectMonitor(LIMITS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor.run)
        yield monitor
        nursery.cancel_scope.cancel()


async def test_a_visitor_who_breaks_off_has_the_connection_cancelled(autojump_clock: MockClock) -> None:
    async with open_monitor() as monitor, open_stage(monitor) as stage:
        with stage.scope.scope:
            async with stage.listener:
                stage.visitor.reset()
                await trio.sleep_forever()
        assert stage.scope.scope.cancelled_caught
        assert stage.scope.reason is CancelReason.VISITOR_GONE
        assert trio.current_time() <= LONG


async def test_so_has_one_who_closes(autojump_clock: MockClock) -> None:
    async with open_monitor() as monitor, open_stage(monitor) as stage:
        with stage.scope.scope:
            async with stage.listener:
                await trio.sleep(LONG)  # it has its task
                stage.visitor.close()
                await trio.sleep_forever()
        assert stage.scope.reason is CancelReason.VISITOR_GONE


async def test_one_who_has_said_all_still_wants_the_answer(autojump_clock: MockClock) -> None:
    async with open_monitor() as monitor, open_stage(monitor) as stage:
        async with stage.listener:
            await stage.visitor.send_eof()
            await trio.sleep(LONG)
        assert reason_of(stage.scope) is None


async def test_one_who_has_said_all_and_then_goes_is_noticed(autojump_clock: MockClock) -> None:
    async with open_monitor() as monitor, open_stage(monitor) as stage:
        with stage.scope.scope:
            async with stage.listener:
                await stage.visitor.send_eof()
                await trio.sleep(LONG)
                assert reason_of(stage.scope) is None
                stage.visitor.reset()
                await trio.sleep_forever()
        assert stage.scope.reason is CancelReason.VISITOR_GONE


async def test_what_comes_meanwhile_goes_to_the_reader(autojump_clock: MockClock) -> None:
    async with open_monitor() as monitor, open_stage(monitor) as stage:
        async with stage.listener:
            await stage.visitor.send_all(request())
            await trio.sleep(LONG)
        assert reason_of(stage.scope) is None
        assert stage.requests.trailing_data == request()


async def test_of_what_nobody_wants_yet_little_is_received_however_many_exchanges_there_are(
    autojump_clock: MockClock,
) -> None:
    async with open_monitor() as monitor, open_stage(monitor) as stage:
        sent = request() * 1000
        await stage.visitor.send_all(sent)
        for _ in range(20):
            async with stage.listener:
                await trio.sleep(LONG)
        assert reason_of(stage.scope) is None
        assert stage.requests.trailing_data == sent[: LIMITS.watch_read_size]
        assert await stage.ours.receive_some(len(sent)) == sent[LIMITS.watch_read_size :]


async def test_one_who_aborts_having_sent_more_is_noticed(autojump_clock: MockClock) -> None:
    ours, theirs = map(SocketStream, tcp_sockets())
    requests, scope = RequestReader(LIMITS), ConnectionScope()
    with contextlib.closing(ours), contextlib.closing(theirs):
        async with open_monitor() as monitor:
            await theirs.send_all(request() * 1000)
            with scope.scope:
                async with monitor.listener(ours, requests, scope):
                    await trio.sleep(LONG)
                    theirs.reset()
                    await trio.sleep_forever()
            assert scope.reason is CancelReason.VISITOR_GONE
            assert trio.current_time() <= LONG + LIMITS.abort_interval


async def test_what_a_request_that_takes_long_has_in_memory_is_known_meanwhile(autojump_clock: MockClock) -> None:
    held: list[str] = []

    @contextlib.contextmanager
    def holding() -> Iterator[None]:
        held.append("begin")
        try:
            yield
        finally:
            held.append("end")

    visitor, ours = memory_stream_pair()
    async with open_monitor() as monitor:
        listener = monitor.listener(ours, RequestReader(LIMITS), ConnectionScope(), holding)
        async with listener:
            await trio.sleep(LIMITS.watch_delay / 2)
        assert held == []
        async with listener:
            await trio.sleep(LONG)
            assert held == ["begin"]
        assert held == ["begin", "end"]
        visitor.close()


@pytest.mark.parametrize("exchanges", [1, 3])
async def test_an_exchange_that_is_soon_over_is_not_listened_to(exchanges: int, autojump_clock: MockClock) -> None:
    async with open_monitor() as monitor, open_stage(monitor) as stage:
        await stage.visitor.send_all(b"next")
        for _ in range(exchanges):
            async with stage.listener:
                await trio.sleep(LIMITS.watch_delay / 2)
        await trio.sleep(LONG)  # nor afterwards
        assert stage.requests.trailing_data == b""
        assert await stage.ours.receive_some(100) == b"next"


async def test_nobody_else_reads_once_it_is_left(autojump_clock: MockClock) -> None:
    async with open_monitor() as monitor, open_stage(monitor) as stage:
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with stage.listener:
            await trio.sleep(LONG)
            assert trio.lowlevel.current_statistics().tasks_living == tasks + 1
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        await stage.visitor.send_all(b"next")
        await wait_all_tasks_blocked()
        assert await stage.ours.receive_some(100) == b"next"
        async with stage.listener:  # and again, for the next exchange
            await trio.sleep(LONG)
            stage.visitor.reset()
            await wait_all_tasks_blocked()
        assert stage.scope.reason is CancelReason.VISITOR_GONE


async def test_each_visitor_is_on_its_own(autojump_clock: MockClock) -> None:
    async with open_monitor() as monitor, open_stage(monitor) as one, open_stage(monitor) as other:
        async with one.listener:
            await trio.sleep(LIMITS.watch_delay / 2)
            async with other.listener:
                await trio.sleep(LONG)
                one.visitor.reset()
                await wait_all_tasks_blocked()
        assert reason_of(one.scope) is CancelReason.VISITOR_GONE
        assert reason_of(other.scope) is None


async def test_the_monitors_end_ends_every_listener(autojump_clock: MockClock) -> None:
    monitor = DisconnectMonitor(LIMITS)
    async with trio.open_nursery() as nursery, open_stage(monitor) as stage:
        nursery.start_soon(monitor.run)
        async with stage.listener:
            await trio.sleep(LONG)
            nursery.cancel_scope.cancel()
    assert reason_of(stage.scope) is None
