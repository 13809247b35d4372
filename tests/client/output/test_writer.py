"""The writer of events: slow readers, readers that have gone, and nothing lost."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator

import attrs
import pytest
import trio
import trio.testing

from conductor_trio.client.output.writer import Output, open_output
from conductor_trio.limits.client import ClientLimits

LIMITS = ClientLimits(max_output_backlog=1000, output_stall_timeout=10)


@attrs.define
class Pipe:
    """A pipe that holds one page, and its reader."""

    reading: int
    writing: int
    received: bytearray = attrs.field(factory=bytearray)

    async def read_all(self) -> None:
        while chunk := await trio.to_thread.run_sync(os.read, self.reading, 65536):
            self.received += chunk

    def close(self, descriptor: str) -> None:
        os.close(getattr(self, descriptor))
        setattr(self, descriptor, -1)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(*os.pipe())
    fcntl.fcntl(pipe.writing, fcntl.F_SETPIPE_SZ, 4096)
    yield pipe
    for descriptor in (pipe.reading, pipe.writing):
        if descriptor >= 0:
            os.close(descriptor)


async def wait_no_thread() -> None:
    """Wait until a thread that was abandoned in write() has come back, and no longer holds the descriptor."""
    limiter = trio.to_thread.current_default_thread_limiter()
    with trio.fail_after(10):
        while limiter.borrowed_tokens:  # noqa: ASYNC110
            await trio.sleep(0.001)


async def test_everything_arrives_in_order(pipe: Pipe) -> None:
    expected = b"".join(b"%d\n" % number for number in range(20000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipe.read_all)
        async with open_output(pipe.writing, LIMITS) as output:
            for number in range(20000):
                output.write(b"%d\n" % number)
        pipe.close("writing")
    assert pipe.received == expected


async def test_an_event_is_flushed_at_once(pipe: Pipe) -> None:
    async with open_output(pipe.writing, LIMITS) as output:
        output.write(b"one\n")
        assert await trio.to_thread.run_sync(os.read, pipe.reading, 100) == b"one\n"
        output.write(b"two\n")
        assert await trio.to_thread.run_sync(os.read, pipe.reading, 100) == b"two\n"


async def test_a_slow_reader_makes_its_writer_wait_but_no_event(pipe: Pipe) -> None:
    has_room = trio.Event()

    async def wait_room(output: Output) -> None:
        await output.wait_room()
        has_room.set()

    async with trio.open_nursery() as nursery:
        async with open_output(pipe.writing, LIMITS) as output:
            await output.wait_room()
            output.write(b"x" * 10000)
            nursery.start_soon(wait_room, output)  # noqa: ASYNC111
            await trio.testing.wait_all_tasks_blocked()
            assert not has_room.is_set()
            output.write(b"at once")
            nursery.start_soon(pipe.read_all)
            with trio.fail_after(10):
                await has_room.wait()
        pipe.close("writing")
    assert pipe.received == b"x" * 10000 + b"at once"


async def test_a_reader_that_has_gone_is_told_once_and_costs_nothing(
    pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    pipe.close("reading")
    async with open_output(pipe.writing, LIMITS) as output:
        for _ in range(3):
            output.write(b"x" * 5000)
            with trio.fail_after(10):
                await output.wait_room()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "Broken pipe" in caplog.text


async def test_at_the_end_a_reader_that_does_not_read_is_given_up(
    pipe: Pipe, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    started = trio.current_time()
    async with open_output(pipe.writing, LIMITS) as output:
        output.write(b"x" * 10000)
        await trio.sleep(1000)  # while the application lives there is no deadline
        output.expect_end()
        with trio.move_on_after(5) as scope:
            await output.wait_room()
        assert scope.cancelled_caught
        await output.wait_room()
    assert trio.current_time() - started == pytest.approx(1020, abs=10)
    assert "nobody has read" in caplog.text
    pipe.close("reading")
    await wait_no_thread()


async def test_a_shared_open_file_that_does_not_block(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    async with trio.open_nursery() as nursery:
        async with open_output(pipe.writing, LIMITS) as output:
            output.write(b"x" * 100_000)
            nursery.start_soon(pipe.read_all)
        pipe.close("writing")
    assert pipe.received == b"x" * 100_000


async def test_cancelled_it_is_gone_at_once(pipe: Pipe) -> None:
    with trio.CancelScope() as scope:
        async with open_output(pipe.writing, LIMITS) as output:
            output.write(b"x" * 10000)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            await trio.sleep_forever()
    pipe.close("reading")
    await wait_no_thread()
