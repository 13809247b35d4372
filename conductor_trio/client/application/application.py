"""The application process: started in a process group, its output passed on, awaited until ready, and ended."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import Literal

import trio

from conductor_trio import exit_status
from conductor_trio.client.application.launch import LaunchSpec
from conductor_trio.client.application.output_tail import OutputTail
from conductor_trio.client.application.readiness import wait_ready
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.host.cleanup import Cleanup
from conductor_trio.client.host.local_socket import remove_stale
from conductor_trio.client.output import events
from conductor_trio.client.output.lines import LineKeeper
from conductor_trio.client.output.writer import Output
from conductor_trio.errors import ApplicationError, StartError
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.process import end_group, open_pipe


class Application:
    """The user's program: to be started, running, or ended. `ready` is set once it can be used."""

    def __init__(
        self,
        output: Output,
        cleanup: Cleanup,
        limits: ClientLimits,
        stack: contextlib.ExitStack,
        force_exit: trio.Event,
    ) -> None:
        self.process: trio.Process | None = None
        self.ready = trio.Event()
        self.tail = OutputTail()
        self._output = output
        self._cleanup = cleanup
        self._limits = limits
        self._stack = stack  # closed when the program and its group are gone
        self._force_exit = force_exit
        self._running = trio.CancelScope()
        self._is_stopped = trio.Event()  # nothing reads its output any more
        self._has_ended = False
        self._pumps: list[_OutputPump] = []
        self._has_failed = False
        self._started = trio.Event()
        self._socket: ApplicationSocket | None = None
        self._ready_path: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it could not be started, or has ended, whatever its children do."""
        return self._has_failed or (self.process is not None and self.process.returncode is not None)

    async def start(self, spec: LaunchSpec, socket: ApplicationSocket, ready_path: str | None = None) -> None:
        """Start the program, once only; raises `ApplicationError`. Once ready it answers at `ready_path`."""
        self._socket, self._ready_path = socket, ready_path
        stdout, stdout_end = self._stack.enter_context(open_pipe())
        stderr, stderr_end = self._stack.enter_context(open_pipe())
        try:
            self.process = await _execute(spec, stdout_end, stderr_end)
        except ApplicationError:
            self._has_failed = True
            raise
        finally:
            os.close(stdout_end)
            os.close(stderr_end)
        self._stack.enter_context(self._cleanup.covering("app", self.process.pid))
        self._output.send(events.Execute(command=spec.command, pid=self.process.pid, recipe=spec.recipe))
        self._pumps = [
            _OutputPump("stdout", stdout, self._output, self._limits, self._note_output),
            _OutputPump("stderr", stderr, self._output, self._limits, self._note_output),
        ]
        self._started.set()

    async def wait_ended(self) -> int:
        """Wait for the program itself, whatever its children do, and return its status in a shell's terms."""
        assert self.process is not None
        returncode = await self.process.wait()
        return exit_status.SIGNAL - returncode if returncode < 0 else returncode

    async def run(self) -> None:
        """Wait for the start, then pass the output on, and set `ready` once the program can be used."""
        try:
            with self._running:
                await self._run()
        finally:
            self._is_stopped.set()

    async def _run(self) -> None:
        await self._started.wait()
        async with trio.open_nursery() as nursery:
            for pump in self._pumps:
                nursery.start_soon(pump.run, name=f"pass {pump.kind} on")
            assert self._socket is not None
            await wait_ready(self._socket, self._ready_path, self._limits)
            if not self.is_over:  # what it has left in the background is none of ours
                self.ready.set()

    def _note_output(self, kind: str, text: str) -> None:
        if not self.ready.is_set():
            self.tail.add(kind, text)

    async def end(self) -> None:
        """End the process group, pass on the rest of its output, and send the `exit` event. Cancelled or not.

        The group has the time that it is given, unless `force_exit` cuts it short. Another time does nothing.
        """
        self._running.cancel()
        self._output.expect_end()
        if self.process is None or self._has_ended:
            return
        self._has_ended = True
        async with trio.open_nursery() as nursery:
            # Our end may be a cancellation; end_group() has a deadline whatever the program does.
            nursery.cancel_scope.shield = True
            await self._is_stopped.wait()
            for pump in self._pumps:
                nursery.start_soon(pump.run, name=f"pass {pump.kind} on")
            await end_group(self.process, term_timeout=self._limits.term_timeout, force_exit=self._force_exit)
            nursery.cancel_scope.cancel()
        assert self._socket is not None
        with contextlib.suppress(StartError):  # what it left there tells the next start nothing new
            remove_stale(self._socket.path)
        for pump in self._pumps:
            pump.drain()
        if self.process.returncode is not None:
            self._output.send(events.Exit(status=self.process.returncode))


class _OutputPump:
    """Standard output or error of the program, passed on as `data` events."""

    def __init__(
        self,
        kind: Literal["stdout", "stderr"],
        descriptor: int,
        output: Output,
        limits: ClientLimits,
        note: Callable[[str, str], None],
    ) -> None:
        self.kind = kind
        self._descriptor = descriptor
        self._output = output
        self._read_size = limits.read_size
        self._pause = limits.line_pause
        self._note = note
        self._decoder = events.TextDecoder()
        self._lines = LineKeeper(limits.max_kept_line if output.wants_lines else 0)
        self._deadline = math.inf  # of the line that has begun

    async def run(self) -> None:
        """Pass everything on until the end, as fast as our own output is read. Cancelled, it can run again."""
        while True:
            await self._output.wait_room()
            with trio.move_on_at(self._deadline) as waiting:
                await trio.lowlevel.wait_readable(self._descriptor)
            is_over = not waiting.cancelled_caught and self._pass_on(self._read_size) == 0
            if is_over or waiting.cancelled_caught:
                self._deadline = math.inf
                self._send(self._lines.take())
            if is_over:
                return

    def drain(self) -> None:
        """Pass on what is in the pipe, which at the program's end is all that is still to come.

        No more than a pipe holds, because a grandchild may go on writing for ever.
        """
        left = fcntl.fcntl(self._descriptor, fcntl.F_GETPIPE_SZ)
        while left > 0 and (count := self._pass_on(left)):
            left -= count
        self._add(self._decoder.decode(b"", final=True))
        self._send(self._lines.take())

    def _pass_on(self, size: int) -> int | None:
        """Pass at most `size` bytes on and return how many; 0 at the end, None where there is nothing."""
        try:
            chunk = os.read(self._descriptor, size)
        except BlockingIOError:
            return None
        self._add(self._decoder.decode(chunk))
        return len(chunk)

    def _add(self, text: str) -> None:
        whole = self._lines.add(text)
        self._send(whole)
        if not self._lines.keeps_something:
            self._deadline = math.inf
        elif whole or self._deadline == math.inf:
            self._deadline = trio.current_time() + self._pause

    def _send(self, text: str) -> None:
        if text:
            self._output.send(events.Data(kind=self.kind, text=text))
            self._note(self.kind, text)


@contextlib.asynccontextmanager
async def open_application(
    output: Output, cleanup: Cleanup, limits: ClientLimits, force_exit: trio.Event
) -> AsyncIterator[Application]:
    """Give an application that is to be started; on leaving, its process group has ended.

    `force_exit` cuts the grace short in which it may end itself.
    """
    with contextlib.ExitStack() as stack:
        application = Application(output, cleanup, limits, stack, force_exit)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(application.run, name="application")
                yield application
                nursery.cancel_scope.cancel()
        finally:
            await application.end()  # noqa: ASYNC102


async def _execute(spec: LaunchSpec, stdout: int, stderr: int) -> trio.Process:
    try:
        return await trio.lowlevel.open_process(
            spec.executed,
            stdin=None if spec.has_input else subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=spec.environment,
            start_new_session=True,
        )
    except OSError as error:
        status = exit_status.NOT_FOUND if isinstance(error, FileNotFoundError) else exit_status.NOT_EXECUTABLE
        raise ApplicationError(f"cannot start {spec.command[0]}: {error.strerror}", status=status) from error
