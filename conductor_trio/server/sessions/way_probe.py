"""The probe of a session's way: its client asks for it, and sees by it whether visitors would get there."""

from __future__ import annotations

import contextlib

import attrs
import trio

from conductor_trio.control.events import Probed
from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import STREAM_LOST
from conductor_trio.net.unix import connect_unix
from conductor_trio.server.sessions.channel import ControlChannel


@attrs.define(eq=False)
class WayProbe:
    """Carries out one probe after the other, and of those that are asked for meanwhile the last.

    No visitor is counted, and nothing makes the session look used.
    """

    _channel: ControlChannel
    _relay_path: str
    _limits: ServerLimits
    _nursery: trio.Nursery
    _is_running: bool = attrs.field(default=False, init=False)
    _next: str | None = attrs.field(default=None, init=False)

    def start(self, nonce: str) -> None:
        """Begin a probe, or have it begin after the one that is running."""
        self._next = nonce
        if not self._is_running:
            self._is_running = True
            self._nursery.start_soon(self._run, name="probe of the way")

    async def _run(self) -> None:
        while self._next is not None:
            nonce, self._next = self._next, None
            await self._probe(nonce)
            await trio.sleep(self._limits.probe_pause)
        self._is_running = False

    async def _probe(self, nonce: str) -> None:
        try:
            stream = await connect_unix(self._relay_path, connect_timeout=self._limits.connect_timeout)
        except UpstreamUnavailable as error:
            self._answer(f"the relay socket does not accept a connection ({error})")
        else:
            with contextlib.closing(stream), contextlib.suppress(*STREAM_LOST):
                stream.send_nowait(nonce.encode() + b"\n")
                self._answer(None)
                # Closed sooner, it might not get through: sshd has yet to accept it, and ssh to connect.
                with trio.move_on_after(self._limits.probe_timeout):
                    while await stream.receive_some(self._limits.read_size):
                        pass

    def _answer(self, reason: str | None) -> None:
        with contextlib.suppress(*STREAM_LOST):  # the session finds out by itself
            self._channel.send_event(Probed(reason=reason))
