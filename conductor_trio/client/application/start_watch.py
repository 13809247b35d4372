"""What keeps an application from being ready, or from being private once it is, and what to do about it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from conductor_trio.client.application.application import Application
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.output import events
from conductor_trio.client.output.reporter import Reporter, warn
from conductor_trio.net.procfs import TcpListener, held_tcp_listeners, session_members
from conductor_trio.shared_directory import lets_others_connect
from conductor_trio.thread import run_in_thread

if TYPE_CHECKING:
    from conductor_trio.client.isolation.plan import PortPlan

_EPHEMERAL = 32768  # from here on ports are most often of the kernel's choice (ip_local_port_range)


@attrs.frozen(kw_only=True)
class StartWatch:
    """Watches an application that does not become ready, and warns once of each thing that it finds."""

    settings: ClientSettings
    plan: PortPlan | None
    application: Application
    output: Reporter
    local_socket: str

    async def run(self) -> None:
        """Return once the application is ready, or has been found at a TCP port; cancelled at its end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look, nursery.cancel_scope, name="client: look where it listens")
            await self.application.ready.wait()
            nursery.cancel_scope.cancel()
        if self.application.ready.is_set() and lets_others_connect(self.local_socket):
            text = (
                f"every user of this host can connect to {self.local_socket}: have the application make it of "
                "mode 0600 (umask 077), or choose a directory that only you can enter"
            )
            warn(self.output, text, is_event=self.settings.registers_early)

    async def _look(self, until_found: trio.CancelScope) -> None:
        limits = self.settings.limits
        await trio.sleep(limits.hint_pause)
        found = await self._find_port()
        if found is None and not self.settings.says_where:
            self.output.send(events.Warned(text=self._hint()))
        while found is None:
            await trio.sleep(limits.port_look_interval)
            found = await self._find_port()
        self.output.send(events.Warned(text=self._tell_port(found), port=found.port))
        until_found.cancel()

    async def _find_port(self) -> TcpListener | None:
        process = self.application.process
        if process is None:
            return None
        try:
            return await run_in_thread(partial(find_port, process.pid))
        except OSError:  # this host is short of something: another time
            return None

    def _hint(self) -> str:
        return (
            f"{self.settings.launch.command[0]} does not listen yet; no recipe knows it, so tell it where to "
            "listen: write {socket} in its command for a UNIX socket, {port} for a TCP port, or give --tcp PORT"
        )

    def _tell_port(self, found: TcpListener) -> str:
        expected = f"port {self.plan.port}" if self.plan else "the UNIX socket that the gateway connects to"
        host = f"[{found.host}]" if ":" in found.host else found.host
        return (
            f"{self.settings.launch.command[0]} listens on TCP port {found.port} ({host}), and not on {expected}, "
            f"so nobody can reach it; start it with --tcp {found.port}, or tell it to listen there"
        )


def find_port(session: int) -> TcpListener | None:
    """Return where a process of a session listens on TCP, the likeliest of several places; None is nowhere."""
    found = [listener for pid in session_members(session) for listener in held_tcp_listeners(pid)]
    return min(found, key=lambda listener: (listener.port >= _EPHEMERAL, listener.port), default=None)
