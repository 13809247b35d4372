"""The user's program: started, listened to, watched until it accepts connections, ended with its group."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import AsyncIterator

import trio

from conductor_trio.client.guardian import Guardian
from conductor_trio.client.localsocket import remove_stale
from conductor_trio.client.output import Output
from conductor_trio.client.settings import ClientSettings
from conductor_trio.config import ClientLimits
from conductor_trio.errors import ApplicationError, StartError, UpstreamUnavailable
from conductor_trio.net.process import end_group, open_pipe
from conductor_trio.net.streams import connect_unix
from conductor_trio.wire import report

_log = logging.getLogger(__name__)

# As env(1) and timeout(1) do.
STATUS_NOT_EXECUTABLE = 126
STATUS_NOT_FOUND = 127
STATUS_SIGNAL = 128


class Application:
    """The running program. `ready` is set once it accepts connections."""

    def __init__(self, process: trio.Process, local_socket: str, limits: ClientLimits) -> None:
        self.process = process
        self.ready = trio.Event()
        self._local_socket = local_socket
        self._limits = limits

    async def wait_ended(self) -> int:
        """Wait for the program itself, whatever its children do, and return its status in a shell's terms."""
        returncode = await self.process.wait()
        return STATUS_SIGNAL - returncode if returncode < 0 else returncode

    async def watch_ready(self) -> None:
        """Set `ready` as soon as a connection is accepted."""
        pause = self._limits.probe_pause
        while True:
            try:
                stream = await connect_unix(self._local_socket, connect_timeout=0)
            except UpstreamUnavailable:
                await trio.sleep(pause)
                pause = min(pause * 1.5, self._limits.max_probe_pause)
            else:
                stream.close()
                self.ready.set()
                return


class _Pump:
    """One output of the program, on its way into `data` events."""

    def __init__(self, kind: str, descriptor: int, output: Output, read_size: int) -> None:
        self._kind = kind
        self._descriptor = descriptor
        self._output = output
        self._read_size = read_size
        self._decoder = report.TextDecoder()

    async def run(self) -> None:
        """Pass everything on until the end, as fast as our own output is read. Cancelled, it can run again."""
        while True:
            await self._output.wait_room()
            await trio.lowlevel.wait_readable(self._descriptor)
            if self._pass_on(self._read_size) == 0:
                return

    def drain(self) -> None:
        """Pass on what is in the pipe, which at the program's end is all that is still to come.

        No more than a pipe holds, because a grandchild may go on writing for ever.
        """
        left = fcntl.fcntl(self._descriptor, fcntl.F_GETPIPE_SZ)
        while left > 0 and (count := self._pass_on(left)):
            left -= count
        self._send(self._decoder.decode(b"", final=True))

    def _pass_on(self, size: int) -> int | None:
        """Pass at most `size` bytes on and return how many; 0 at the end, None where there is nothing."""
        try:
            chunk = os.read(self._descriptor, size)
        except BlockingIOError:
            return None
        self._send(self._decoder.decode(chunk))
        return len(chunk)

    def _send(self, text: str) -> None:
        if text:
            self._output.send(report.data(self._kind, text))


@contextlib.asynccontextmanager
async def open_application(
    settings: ClientSettings, output: Output, guardian: Guardian, hurry: trio.Event
) -> AsyncIterator[Application]:
    """Run the program; on leaving, its whole group is gone, all that it wrote is reported, and so is its exit.

    Raises `ApplicationError` where it does not start. `hurry` cuts the grace short in which it may end itself.
    """
    with contextlib.ExitStack() as stack:
        stdout, stdout_end = stack.enter_context(open_pipe())
        stderr, stderr_end = stack.enter_context(open_pipe())
        try:
            process = await _start(settings.command, stdout_end, stderr_end)
        finally:
            os.close(stdout_end)
            os.close(stderr_end)
        stack.enter_context(guardian.watching("app", process.pid))
        output.send(report.execute(list(settings.command), process.pid))
        read_size = settings.limits.read_size
        pumps = [_Pump("stdout", stdout, output, read_size), _Pump("stderr", stderr, output, read_size)]
        application = Application(process, settings.local_socket, settings.limits)
        try:
            async with trio.open_nursery() as nursery:
                for pump in pumps:
                    nursery.start_soon(pump.run)
                nursery.start_soon(application.watch_ready)
                yield application
                nursery.cancel_scope.cancel()
        finally:
            output.expect_end()
            await _end(process, pumps, settings.limits, hurry)  # noqa: ASYNC102
            with contextlib.suppress(StartError):  # what it left there tells the next start nothing new
                remove_stale(settings.local_socket)
            for pump in pumps:
                pump.drain()
            if process.returncode is not None:
                output.send(report.exit_(process.returncode))


async def _start(command: tuple[str, ...], stdout: int, stderr: int) -> trio.Process:
    try:
        return await trio.lowlevel.open_process(
            command, stdin=None, stdout=stdout, stderr=stderr, start_new_session=True
        )
    except OSError as error:
        status = STATUS_NOT_FOUND if isinstance(error, FileNotFoundError) else STATUS_NOT_EXECUTABLE
        raise ApplicationError(f"cannot start {command[0]}: {error.strerror}", status=status) from error


async def _end(process: trio.Process, pumps: list[_Pump], limits: ClientLimits, hurry: trio.Event) -> None:
    """End the program's group, passing on what it says meanwhile."""
    async with trio.open_nursery() as nursery:
        # Our end may be a cancellation; end_group() has a deadline whatever the program does.
        nursery.cancel_scope.shield = True
        for pump in pumps:
            nursery.start_soon(pump.run)
        await end_group(process, term_timeout=limits.term_timeout, hurry=hurry)
        nursery.cancel_scope.cancel()
