"""The prober: finds out now and then whether a visitor would get to the application, when all looks well.

A socket that lost its name at the gateway, or an SSH server that forwards no more, breaks the way without closing
anything. So the server is asked to come the way of a visitor and to say something that only we know. It comes to
our own end of the way, not to the application, and the server counts no visitor.

What the server says over the control channel takes the same SSH connection, so a slow link delays both.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import attrs
import trio

from conductor_trio.client.session.channel import ControlChannel
from conductor_trio.client.transport.base import Transport
from conductor_trio.control.events import Probe, Probed
from conductor_trio.errors import TransportError
from conductor_trio.limits.client import ClientLimits

_NONCE_BYTES = 16


@attrs.define(eq=False)
class WayProber:
    """Probes the way of one control channel; `note_success` is called each time that it stands."""

    _channel: ControlChannel
    _transport: Transport
    _limits: ClientLimits
    _note_success: Callable[[], object]
    _answered: trio.Event = attrs.field(factory=trio.Event, init=False)
    _answer: Probed = attrs.field(factory=Probed, init=False)

    def hear(self, answer: Probed) -> None:
        """Take in the server's answer."""
        self._answer = answer
        self._answered.set()

    async def run(self) -> TransportError:
        """Probe until the way is broken, twice in a row, and return the error."""
        while True:
            await trio.sleep(self._limits.way_probe_interval)
            if await self._probe() is not None:
                # A gateway may be short of something for a moment, and what runs is cut by what we do.
                await trio.sleep(self._limits.way_probe_pause)
                if (failure := await self._probe()) is not None:
                    return TransportError(f"visitors do not get to this node, though the link stands: {failure}")

    async def _probe(self) -> str | None:
        """Return what is wrong with the way, or None."""
        nonce = secrets.token_hex(_NONCE_BYTES)
        self._answered = trio.Event()
        with self._transport.expecting(nonce.encode() + b"\n") as expected:
            await self._channel.send_event(Probe(nonce=nonce))
            with trio.move_on_after(self._limits.ping_timeout):
                await self._answered.wait()
            if not self._answered.is_set():
                return None  # it is busy, or the link is dead, which is noticed without us
            if self._answer.reason is not None:
                return f"at the gateway, {self._answer.reason}"
            with trio.move_on_after(self._limits.way_probe_timeout):
                await expected.arrived.wait()
            if expected.arrived.is_set():
                self._note_success()
            elif not expected.is_blind:
                return "what is said at the gateway's relay socket does not arrive"
        return None
