"""The writer of standard output, the only one: one whole event after the other."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
from collections.abc import AsyncIterator
from functools import partial

import trio

from conductor_trio.client.output import events
from conductor_trio.client.output.reporter import LogReporter, Reporter
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import SHORTAGE_PAUSE
from conductor_trio.thread import run_in_thread

_log = logging.getLogger(__name__)


class Output:
    """The reporter of a running client: a bounded backlog of events on their way to a descriptor that blocks.

    A reader that has closed its end costs the events and nothing else: the application may be hours into its work.
    `log` gets all reports, too; None where that is the same terminal.
    """

    #: Whether the application's text is to come in whole lines, as far as it does not keep them waiting.
    wants_lines = True

    def __init__(self, descriptor: int, limits: ClientLimits, log: Reporter | None = None) -> None:
        self._descriptor = descriptor
        self._limits = limits
        self._log_reporter = log
        self._backlog = bytearray()
        self._changed = trio.lowlevel.ParkingLot()
        self._closing = False
        self._discarding = False
        self._stall_timeout = float("inf")
        self._write_scope = trio.CancelScope()

    def send(self, report: events.Report) -> None:
        """Log a report, and queue it as an event, without waiting for the reader."""
        if self._log_reporter is not None:
            self._log_reporter.send(report)
        if not isinstance(report, events.SshLine | events.LoginShell):
            self.write(events.format_event(report))

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        if not self._discarding:
            self._backlog += data
            self._changed.unpark_all()

    async def wait_room(self) -> None:
        """Wait until the reader has taken so much that the backlog is within `max_output_backlog`."""
        await trio.lowlevel.checkpoint()
        while len(self._backlog) > self._limits.max_output_backlog:
            await self._changed.park()

    async def wait_written(self) -> None:
        """Wait until all is written."""
        while self._backlog and not self._discarding:
            await self._changed.park()

    def expect_end(self) -> None:
        """Give up, from now on, a reader that takes nothing for `output_stall_timeout` seconds."""
        self._stall_timeout = self._limits.output_stall_timeout
        self._write_scope.deadline = trio.current_time() + self._stall_timeout

    def close(self) -> None:
        """Have `run` return once everything queued is written."""
        self.expect_end()
        self._closing = True
        self._changed.unpark_all()

    async def run(self) -> None:
        """Write until closed."""
        while self._backlog or not self._closing:
            if self._backlog:
                await self._write()
            else:
                await self._changed.park()

    async def _write(self) -> None:
        chunk = bytes(self._backlog[: self._limits.max_output_write])
        written = 0
        with trio.CancelScope(deadline=trio.current_time() + self._stall_timeout) as self._write_scope:
            try:
                # In a thread, because O_NONBLOCK belongs to the open file, which others may share. An abandoned
                # thread waits on in the kernel, and ends with the process.
                written = await run_in_thread(
                    partial(_write_some, self._descriptor, chunk), abandon_on_cancel=True
                )
            except OSError as error:
                if error.errno == errno.EAGAIN:  # no thread is left
                    await trio.sleep(SHORTAGE_PAUSE)
                else:
                    self._discard(f"cannot write to standard output: {error.strerror}")
        if self._write_scope.cancelled_caught:
            self._discard(f"nobody has read standard output for {self._stall_timeout:g} seconds")
        del self._backlog[:written]
        self._changed.unpark_all()

    def _discard(self, why: str) -> None:
        _log.warning("%s; further events are discarded", why)
        self._discarding = True
        self._backlog.clear()


def _write_some(descriptor: int, chunk: bytes) -> int:
    while True:
        try:
            return os.write(descriptor, chunk)
        except BlockingIOError:  # someone who shares the open file has made it non-blocking
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()


@contextlib.asynccontextmanager
async def open_output(descriptor: int, limits: ClientLimits) -> AsyncIterator[Output]:
    """Give the output; on leaving, everything queued is written, unless nobody reads it."""
    output = Output(descriptor, limits, LogReporter())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(output.run, name="output: standard output")
        yield output
        output.close()
