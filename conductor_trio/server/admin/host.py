"""The host of the operators' connections: says who may, reads commands, and sends answers in steps."""

from __future__ import annotations

import contextlib
import pwd
import socket

import trio

from conductor_trio.control.lines import LineReader
from conductor_trio.errors import CommandRefused, RemoteProtocolError
from conductor_trio.limits.constants import CONTROL_READ_SIZE, MAX_CONTROL_LINE, MAX_DESCRIBED_AT_ONCE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.ending import end_gently
from conductor_trio.net.peer_credentials import peer_credentials
from conductor_trio.net.stream import STREAM_LOST, SocketStream
from conductor_trio.server.accounts.fairness import open_payer, take_turn, wait_turn
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.admin.messages import (
    ShowUsage,
    format_end,
    format_item,
    format_refusal,
    parse_command,
)
from conductor_trio.server.admin.peers import Operators
from conductor_trio.server.admin.service import AdminService, Answer, Operator


class AdminHost:
    """Serves every operator's connection."""

    def __init__(
        self, service: AdminService, operators: Operators, ledger: Ledger, limits: ServerLimits, log: Logger
    ) -> None:
        self._service = service
        self._operators = operators
        self._ledger = ledger
        self._limits = limits
        self._log = log
        self._lookups = trio.CapacityLimiter(2)

    async def serve(self, sock: socket.socket) -> None:
        """Serve a connection to its end; nothing that happens in it gets out."""
        stream = SocketStream(sock, send_timeout=self._limits.control_send_timeout)
        try:
            # A user's like any other: a list of thousands is no reason for the others to wait.
            open_payer(self._ledger.channel(peer_credentials(sock).uid))
            try:
                uid = self._operators.check(sock)
            except CommandRefused as error:
                self._log.info("admin_refused", uid=peer_credentials(sock).uid)
                await stream.send_all(format_refusal(error))
                await end_gently(stream, self._limits)
                return
            await self._serve_operator(stream, Operator(uid=uid, user=await self._look_up(uid)))
        except (*STREAM_LOST, RemoteProtocolError, OSError):
            pass
        except Exception:  # as in `server.sessions.host`
            self._log.exception("admin_failed")
        finally:
            stream.close()

    async def _look_up(self, uid: int) -> str:
        """Return a user's name for the log, or the id where it is not known in time."""
        with trio.move_on_after(self._limits.user_lookup_timeout), contextlib.suppress(KeyError):
            entry = await trio.to_thread.run_sync(pwd.getpwuid, uid, abandon_on_cancel=True, limiter=self._lookups)
            return entry.pw_name
        return str(uid)

    async def _serve_operator(self, stream: SocketStream, operator: Operator) -> None:
        lines = LineReader(MAX_CONTROL_LINE)
        with contextlib.ExitStack() as stack:
            is_measuring = False
            while (line := await self._receive_line(stream, lines)) is not None:
                try:
                    command = parse_command(line)
                    if isinstance(command, ShowUsage) and not is_measuring:
                        stack.enter_context(self._ledger.fairness.watching())
                        is_measuring = True
                    await self._send(stream, self._service.execute(command, operator))
                except CommandRefused as error:
                    await stream.send_all(format_refusal(error))

    async def _receive_line(self, stream: SocketStream, lines: LineReader) -> bytes | None:
        while (line := lines.next_event()) is None:
            await wait_turn()
            # No deadline: whoever may do this may also wait.
            if not (data := await stream.receive_some(CONTROL_READ_SIZE)):
                return None
            lines.receive_data(data)
        return line

    async def _send(self, stream: SocketStream, answer: Answer) -> None:
        """Send an answer a few items at a time; an act is carried out to its end though nobody reads."""
        count, piece, is_lost = 0, b"", False
        for step, item in enumerate(answer.items, start=1):
            if item is not None:
                count += 1
                piece += format_item(item)
            if step % MAX_DESCRIBED_AT_ONCE:
                continue
            if piece and not is_lost:
                try:
                    await stream.send_all(piece)
                except STREAM_LOST:
                    if not answer.is_act:
                        raise
                    is_lost = True
            piece = b""
            await take_turn()
        if not is_lost:
            await stream.send_all(piece + format_end(count, answer.fields()))
