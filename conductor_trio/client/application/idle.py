"""The idle time-out: ends an application that nobody visits any more, after a warning, unless it is vetoed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable

import trio

from conductor_trio import exit_status
from conductor_trio.client.host.held_socket import HeldSocket
from conductor_trio.client.output import events
from conductor_trio.client.output.writer import Output
from conductor_trio.commandline.quantities import format_duration
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import PING_JITTER, PING_RESOLUTION
from conductor_trio.net.process import end_group

_CANNOT_ASK = {exit_status.NOT_EXECUTABLE, exit_status.NOT_FOUND}  # a shell that could not start the command


class IdleClock:
    """The idle time: for how many seconds nothing has gone through, as the server's pings tell.

    Time without a link does not count, because nobody could have come then.
    """

    def __init__(self) -> None:
        self.idle = 0.0
        self._mark = 0.0

    def begin(self, now: float) -> None:
        """Count from here on: there is a link again."""
        self._mark = now

    def hear(self, told: float, now: float) -> bool:
        """Take in what a ping has told, and return whether something has gone through since the last one."""
        passed, self._mark = now - self._mark, now
        if told < max(passed - PING_JITTER, PING_RESOLUTION):
            self.idle = told
            return True
        self.idle += passed
        return False


class IdleWatch:
    """The idle time-out of an application that nobody has visited for so long, unless it is busy.

    `busy` is a shell's command that finds the application at `socket`. `is_ready` is asked whether visitors
    can come at all; `stop` is told why it is to end.
    """

    def __init__(
        self,
        idle_timeout: float,
        output: Output,
        *,
        limits: ClientLimits,
        busy: str | None,
        socket: HeldSocket,
        is_ready: Callable[[], bool],
        stop: Callable[[str], None],
    ) -> None:
        self._idle_timeout = idle_timeout
        self._output = output
        self._limits = limits
        self._busy = busy
        self._socket = socket
        self._is_ready = is_ready
        self._stop = stop
        self._clock = IdleClock()
        self._due = idle_timeout
        self._has_warned = False
        self._is_vetoed = False
        self._is_ending = False  # a warning stands
        self._heard = trio.Event()

    @property
    def _warning_time(self) -> float:
        """How long before the end there is a warning, and how long a veto holds."""
        return min(max(self._idle_timeout / 10, self._limits.min_idle_warning), self._idle_timeout / 2)

    def begin(self) -> None:
        """Begin to count idle time on a new link."""
        self._clock.begin(trio.current_time())

    def hear(self, told: float) -> float | None:
        """Take in what a ping has told: for how many seconds nothing has gone through.

        Returns when (Unix time) the application ends for that, where there has been a warning.
        """
        now = trio.current_time()
        if not self._is_ready():
            self._clock.begin(now)
        elif self._clock.hear(told, now):
            self._start_again()
        self._heard.set()
        # From the clock as it is now: it may have been set since the warning.
        return time.time() + max(0.0, self._due - self._clock.idle) if self._is_ending else None

    async def run(self) -> None:
        """Warn, ask, and have the application ended when its time has come."""
        while True:
            await self._heard.wait()
            self._heard = trio.Event()
            if not self._has_warned:
                if self._clock.idle >= self._due - self._warning_time:
                    self._warn_of_end()
            elif self._clock.idle >= self._due:
                is_busy = await self._is_busy()
                if self._clock.idle >= self._due:  # nobody has come meanwhile
                    self._act(is_busy=is_busy)

    def _warn_of_end(self) -> None:
        """Report the warning, and give the application the whole time that it promises."""
        self._has_warned = True
        self._due = self._clock.idle + self._warning_time
        self._is_ending = True
        ends = time.time() + self._warning_time
        self._output.send(events.IdleWarned(idle=self._clock.idle, left=self._warning_time, ends=ends))

    def _act(self, *, is_busy: bool) -> None:
        """Stop the application, or after a veto put that off and warn anew."""
        if not is_busy and not self._is_vetoed:
            self._stop(f"nobody has used it for {format_duration(self._clock.idle)}")
            return
        self._is_ending = False
        if is_busy and not self._is_vetoed:
            self._output.send(events.IdleVetoed(idle=self._clock.idle))
        self._due = self._clock.idle + self._warning_time
        self._is_vetoed = is_busy
        self._has_warned = is_busy

    def _start_again(self) -> None:
        self._due = self._idle_timeout
        self._is_vetoed = False
        self._is_ending = False
        if self._has_warned:
            self._has_warned = False
            self._output.send(events.IdleOver(idle=self._clock.idle))

    async def _is_busy(self) -> bool:
        """Whether the user's command says so; one that says nothing in time, or cannot, counts as a yes."""
        if self._busy is None:
            return False
        status = await _run_shell(self._busy, self._socket, self._limits)
        if status is None:
            waited = f"{self._limits.busy_timeout:g} s"
            self._warn(f"--busy has not answered within {waited}, so the application counts as busy")
        elif status in _CANNOT_ASK:
            self._warn(f"--busy cannot be asked (status {status}), so the application counts as busy")
        return status is None or status == 0 or status in _CANNOT_ASK

    def _warn(self, reason: str) -> None:
        self._output.send(events.Warned(text=reason))


async def _run_shell(command: str, socket: HeldSocket, limits: ClientLimits) -> int | None:
    """Return the status of a command of the user's, None where it takes too long; its group is gone then."""
    path, descriptors = socket.for_child()
    try:
        process = await trio.lowlevel.open_process(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "CONDUCTOR_SOCKET": path},
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError:  # this host is short of something, which is no reason to end anything
        return exit_status.NOT_EXECUTABLE
    try:
        with trio.move_on_after(limits.busy_timeout):
            return await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            await end_group(process, term_timeout=limits.busy_term_timeout, force_exit=trio.Event())  # noqa: ASYNC102
    return None
