"""The host of the operators' connections: says who may, reads commands, and sends answers in steps."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator

import trio

from conductor_trio.control.lines import LineReader
from conductor_trio.errors import CommandRefused, RegistrationRefused, RemoteProtocolError
from conductor_trio.limits.constants import CONTROL_READ_SIZE, MAX_CONTROL_LINE, MAX_DESCRIBED_AT_ONCE
from conductor_trio.limits.linger import BRIEF_LINGER
from conductor_trio.net.ending import end_gently
from conductor_trio.net.stream import STREAM_LOST, SocketStream
from conductor_trio.server.accounts.fairness import open_payer, take_turn, wait_turn
from conductor_trio.server.admin.messages import (
    Reload,
    ShowUsage,
    format_end,
    format_item,
    format_refusal,
    parse_command,
)
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.admin.peers import Operators
from conductor_trio.server.admin.service import AdminService, Answer
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.sessions.user_directory import UserDirectory


class AdminHost:
    """Serves every operator's connection."""

    def __init__(self, service: AdminService, operators: Operators, context: SessionContext) -> None:
        self._service = service
        self._operators = operators
        self._ledger = context.ledger
        self._limits = context.limits
        self._wait_known = context.wait_known
        self._log = context.log
        self._users = UserDirectory(frozenset(), context.limits)
        self._refused: Counter[int] = Counter()  # by the user's id
        self._waiting: trio.Nursery

    async def run(self) -> None:
        """Wait for what comes of reloads, through a hand-over, for ever; the server's nursery cancels it."""
        async with trio.open_nursery() as self._waiting:
            await trio.sleep_forever()

    async def serve(self, sock: socket.socket, _: str) -> None:
        """Serve a connection to its end; nothing that happens in it gets out."""
        stream = SocketStream(sock, send_timeout=self._limits.control_send_timeout)
        is_kept = False
        try:
            with self._contained():
                try:
                    uid = self._operators.check(sock)
                except CommandRefused as error:
                    await self._refuse(stream, error)
                    return
                # A user's like any other: a list of thousands is no reason for the others to wait.
                open_payer(self._ledger.channel(uid))
                operator = Operator(uid=uid, user=await self._look_up(uid, sock))
                if await self._serve_operator(stream, operator):
                    self._waiting.start_soon(self._reload, stream, operator, name="operator waits for a reload")
                    is_kept = True
        finally:
            if not is_kept:
                stream.close()

    async def _refuse(self, stream: SocketStream, error: CommandRefused) -> None:
        """Tell one who is no operator, unless many of the same user are being told.

        That is charged to those who are not let in, which accepting goes by.
        """
        uid = stream.peer_credentials().uid
        self._ledger.arrivals.note_wish()
        self._log.info("admin_refused", uid=uid)
        self._refused[uid] += 1
        try:
            if self._refused[uid] <= self._limits.max_user_refused:
                await stream.send_all(format_refusal(error))
                await end_gently(stream, BRIEF_LINGER)
        finally:
            self._refused[uid] -= 1
            if not self._refused[uid]:
                del self._refused[uid]

    @contextlib.contextmanager
    def _contained(self) -> Iterator[None]:
        """Let no failure out of a connection."""
        try:
            yield
        except (*STREAM_LOST, RemoteProtocolError, OSError):
            pass
        except Exception:  # as in `server.sessions.host`
            self._log.exception("admin_failed")

    async def _reload(self, stream: SocketStream, operator: Operator) -> None:
        with contextlib.closing(stream), self._contained():
            try:
                answer = await self._service.reload(operator)
            except CommandRefused as error:
                await stream.send_all(format_refusal(error))
            else:
                if answer is not None:
                    await stream.send_all(format_end(0, answer))

    async def _look_up(self, uid: int, sock: socket.socket) -> str:
        """Return a user's name for the log, or the id where it is not known in time."""
        try:
            return (await self._users.look_up(uid, sock)).name
        except RegistrationRefused:
            return str(uid)

    async def _serve_operator(self, stream: SocketStream, operator: Operator) -> bool:
        """Carry out one command after the other; returns whether the last is a reload, which is to begin."""
        lines = LineReader(MAX_CONTROL_LINE)
        with contextlib.ExitStack() as stack:
            is_measuring = False
            while (line := await self._receive_line(stream, lines)) is not None:
                try:
                    command = parse_command(line)
                    if isinstance(command, Reload):
                        return True
                    if isinstance(command, ShowUsage) and not is_measuring:
                        stack.enter_context(self._ledger.fairness.watching())
                        is_measuring = True
                    await self._send(stream, self._service.execute(command, operator))
                except CommandRefused as error:
                    await stream.send_all(format_refusal(error))
        return False

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
        if answer.is_act:
            await self._wait_known()
        if not is_lost:
            await stream.send_all(piece + format_end(count, answer.fields()))
