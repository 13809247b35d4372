"""Reloads: one after the other, each a successor that takes our place, or tells why it does not.

Whoever has wished for one hears what came of the next that began after the wish, so that what is in the file by
then was read; so do the log and the service manager.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import attrs
import trio

from conductor_trio.configuration.configured import Configuration
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.printable import escape
from conductor_trio.server.lifecycle.listeners import Listeners
from conductor_trio.server.lifecycle.service_manager import notify
from conductor_trio.server.operation.succession import SOCKET, Report, open_report
from conductor_trio.server.operation.successor import run_successor


@attrs.define(eq=False)
class _Attempt:
    wished: trio.Event = attrs.field(factory=trio.Event)
    done: trio.Event = attrs.field(factory=trio.Event)
    report: Report | None = None  # None once it is done: it was up to a successor


@attrs.define(eq=False, kw_only=True)
class Reloads:
    """One server's. `in_force` are the settings that no reload changes, by field."""

    limits: ServerLimits
    log: Logger
    in_force: Mapping[str, object]
    is_handed: bool = attrs.field(default=False, init=False)  #: a successor accepts
    _next: _Attempt = attrs.field(factory=_Attempt, init=False)
    _running: trio.CancelScope | None = attrs.field(default=None, init=False)

    def request(self) -> None:
        """Have a reload begin, at once or after the one that runs."""
        self._next.wished.set()

    async def ask(self) -> Report | None:
        """Have a reload begin, and return what came of it; None where our successor has to be asked."""
        attempt = self._next
        attempt.wished.set()
        await attempt.done.wait()
        return attempt.report

    async def run(self) -> None:
        """Carry out what is wished for, until a successor accepts."""
        while not self.is_handed:
            await self._next.wished.wait()
            attempt, self._next = self._next, _Attempt()
            attempt.report = await self._try()
            attempt.done.set()
        self._next.done.set()

    def end(self) -> None:
        """End what runs: a successor accepts, or none is wanted any more."""
        if self._running is not None:
            self._running.cancel()

    async def _try(self) -> Report:
        notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        failure = None
        with open_report() as said:
            with trio.CancelScope() as self._running:
                failure = await run_successor(self.limits, said.writing, self.in_force, lambda: self.is_handed)
            self._running = None
            report = said.read()
        if self.is_handed:
            return report
        report = attrs.evolve(report, failure=report.failure or failure or "the server was told to end")
        if failure is not None:
            self.log.error("upgrade_failed", error=report.failure)
        notify("READY=1", escape(f"STATUS=Reload failed, and what was in force stays: {report.failure}"))
        return report


def lasting_settings(said: Configuration, listeners: Listeners) -> dict[str, object]:
    """Return the settings that no reload changes, by field: where sessions are, and what was given to us.

    Whose visitors' sockets were given to it has a `socket` among them: where the first of these is.
    """
    fields = ["runtime_dir"]
    given = [listener for listener in listeners.public if listener.is_inherited]
    if not given:
        return {field: said.value(field) for field in fields}
    in_force = {field: said.value(field) for field in (*fields, "port", "host")}
    return in_force | {SOCKET: given[0].path or said.value(SOCKET)}
