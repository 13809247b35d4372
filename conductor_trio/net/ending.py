"""The end of a connection, so that whatever was said before it is delivered: our end first, then reading away.

A TCP socket that is closed with unread bytes, or gets some when it is closed, resets the connection: what its
queue holds for the peer is lost, and the reset may overtake what has arrived (RFC 9112 section 9.6). The peer of
such a UNIX socket hears of a broken connection instead of an end. So we end our direction (of TLS with
close_notify, then FIN), and read away what comes until the peer has ended its own, or all is delivered and the
peer is quiet.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from conductor_trio.limits.constants import DELIVERY_INTERVAL, MAX_DELIVERY_INTERVAL, READ_AWAY_SIZE
from conductor_trio.limits.linger import LingerLimits
from conductor_trio.net.stream import STREAM_LOST, SocketStream


async def end_gently(
    sock: SocketStream,
    limits: LingerLimits,
    *,
    send_eof_nowait: Callable[[], bool] | None = None,
    peer_waits: bool = False,
) -> None:
    """End our direction of a connection, and return once it may be closed; no error of the peer's gets out.

    `send_eof_nowait` is that of the stream over this socket, if there is one. A peer that waits for a word of ours
    (`peer_waits`) sends nothing by itself, so that there is nothing to wait for once all is delivered.
    """
    send_eof = send_eof_nowait or sock.send_eof_nowait
    if (peer_waits or sock.has_peer_ended()) and not sock.has_unread():
        if not sock.undelivered():
            if send_eof_nowait is not None:  # or else FIN comes with the close
                send_eof_nowait()
            return
        if send_eof() and not sock.undelivered():  # as always where the peer is near
            return
    ending = _Ending(sock, limits, send_eof)
    try:
        while not ending.is_over(peer_waits=peer_waits):
            await ending.wait()
    except STREAM_LOST:
        pass


class _Ending:
    """How far one end has come."""

    def __init__(self, sock: SocketStream, limits: LingerLimits, send_eof: Callable[[], bool]) -> None:
        self._sock = sock
        self._limits = limits
        self._send_eof = send_eof
        self._left = limits.max_linger  # bytes that may still be read away
        self._pause = DELIVERY_INTERVAL
        self._has_peer_ended = False
        self._has_said_end = False
        self._undelivered: int | None = None
        self._total_deadline = trio.current_time() + limits.linger_total_timeout
        self._delivered_deadline: float | None = None  # once all is delivered
        self._deadline = 0.0

    def is_over(self, *, peer_waits: bool) -> bool:
        """Look at what has been delivered, and set the next deadline; whether there is nothing to wait for."""
        limits, now = self._limits, trio.current_time()
        had_said_end, before = self._has_said_end, self._undelivered
        self._has_said_end = had_said_end or self._send_eof()
        self._undelivered = self._sock.undelivered()
        if self._undelivered or not self._has_said_end:
            has_moved = before is None or self._undelivered < before or self._has_said_end is not had_said_end
            if has_moved:
                self._deadline = now + limits.send_stall_timeout
        else:
            if self._has_peer_ended or self._left <= 0 or (peer_waits and not self._sock.has_unread()):
                return True
            if self._delivered_deadline is None:
                self._delivered_deadline = now + limits.linger_timeout
                self._note_peer()
        return now >= min(self._deadline, self._total_deadline)

    def _note_peer(self) -> None:
        """The peer was heard, or has just got our last words: it may be quiet for so long."""
        if self._delivered_deadline is not None:
            quiet = trio.current_time() + self._limits.linger_quiet_timeout
            self._deadline = min(self._delivered_deadline, quiet)

    async def wait(self) -> None:
        """Read away what comes, for as long as there is nothing else to look at."""
        now, pause = trio.current_time(), self._pause
        deadline = min(self._deadline, self._total_deadline)
        if self._delivered_deadline is None:
            deadline = min(deadline, now + pause)
            self._pause = min(2 * pause, MAX_DELIVERY_INTERVAL)
        if self._has_peer_ended or self._left <= 0:
            await trio.sleep_until(deadline)
            return
        with trio.move_on_at(deadline):
            data = await self._sock.receive_some(min(self._left, READ_AWAY_SIZE))
            self._left -= len(data)
            self._has_peer_ended = not data
            self._note_peer()
