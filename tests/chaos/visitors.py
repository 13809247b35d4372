"""Visitors who never rest: each asks a few times a second, checks every answer, and remembers what failed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from random import Random

import attrs
import h11
import trio
from trio_websocket import ConnectionClosed, HandshakeError, wrap_client_stream

from tests.chaos.session import Session
from tests.support.chain_app import FAREWELL, LAST_WORDS
from tests.support.programs import PATIENCE

_PAUSE = 0.3  # seconds at most between two requests of a visitor: about six a second
_UPLOAD = 300_000  # bytes
_ECHO_PAUSE = 0.25  # between two messages on a WebSocket, and two attempts to open it


class _Unanswered(Exception):
    """The connection ended before a byte of the answer; a request that is safe may be sent once more."""


class _WrongAnswer(Exception):
    """What came is no answer of the application's; str() says what it is."""


# How the end of a connection, or nonsense from it, shows.
_FAILURES = (
    OSError,
    trio.BrokenResourceError,
    trio.TooSlowError,
    h11.RemoteProtocolError,
    ConnectionClosed,
    HandshakeError,
    _Unanswered,
    _WrongAnswer,
)


@attrs.frozen(kw_only=True)
class Failure:
    """What a visitor asked for and did not get; `begin` is when they asked, in Trio's time."""

    begin: float
    what: str
    of_farewell: bool  #: what an application says at its end was waited for
    goes_with_link: bool  #: nobody asks once more: a WebSocket, an upload


@attrs.define(eq=False)
class Visitor:
    """Somebody who asks for a session's application."""

    session: Session
    _rng: Random
    asked: int = 0
    failures: list[Failure] = attrs.field(factory=list)
    #: How long an answer took that came, at most.
    longest_answer: float = 0.0
    _kept: trio.SocketStream | None = None

    async def run(self) -> None:
        """Ask until cancelled, for one half over a connection that is kept, for the other each over its own."""
        try:
            while True:
                await trio.sleep(self._rng.uniform(0, _PAUSE))
                await self._note_failure(self._ask_kept if self._rng.random() < 0.5 else self._ask_once)
        finally:
            self._drop_kept()

    async def run_websocket(self) -> None:
        """Send messages over a WebSocket, which is opened again where it breaks, until cancelled."""
        while True:
            await self._note_failure(self._echo)
            await trio.sleep(_ECHO_PAUSE)

    async def note_farewell(self, kind: str, told: trio.Event) -> None:
        """Hear a farewell, or remember how that failed."""
        try:
            await self._note_failure(partial(self._hear_farewell, kind, told), of_farewell=True)
        finally:
            told.set()  # or will never be

    async def run_to_the_last_word(self) -> None:
        """Hear last words while still sending, and be refused in an upload, until cancelled."""
        while True:
            await trio.sleep(self._rng.uniform(0, 2 * _PAUSE))
            await self._note_failure(self._hear_last_words if self._rng.random() < 0.5 else self._be_refused)

    async def _note_failure(self, act: Callable[[], Awaitable[None]], *, of_farewell: bool = False) -> None:
        begin = trio.current_time()
        try:
            await act()
        except* _FAILURES as group:
            self.failures.append(
                Failure(
                    begin=begin,
                    what=_describe(group),
                    of_farewell=of_farewell,
                    goes_with_link=act in (self._echo, self._hear_last_words, self._be_refused),
                )
            )

    async def _ask_once(self) -> None:
        self.asked += 1
        with trio.fail_after(PATIENCE):
            async with await self._connect() as stream:
                await self._get(stream, then="close")

    async def _ask_kept(self) -> None:
        """Ask over the connection that is kept; a new one where it has ended meanwhile, as browsers do."""
        self.asked += 1
        with trio.fail_after(PATIENCE):
            if self._kept is not None:
                with contextlib.suppress(_Unanswered):
                    await self._use_kept()
                    return
            self._kept = await self._connect()
            await self._use_kept()

    async def _use_kept(self) -> None:
        assert self._kept is not None
        can_go_on = False
        try:
            can_go_on = await self._get(self._kept, then="keep-alive")
        finally:
            if not can_go_on:
                self._drop_kept()

    def _drop_kept(self) -> None:
        if self._kept is not None:
            self._kept.socket.close()
            self._kept = None

    async def _connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.session.chain.server.port)

    async def _get(self, stream: trio.SocketStream, *, then: str) -> bool:
        """Ask for the application's process id; return whether the connection can go on."""
        http = h11.Connection(h11.CLIENT)
        fields = [("Host", self.session.host), ("Connection", then), ("Cookie", self.session.cookie)]
        head = http.send(h11.Request(method="GET", target="/kept", headers=fields))
        http.send(h11.EndOfMessage())
        body, begun, status, begin = b"", False, 0, trio.current_time()
        try:
            await stream.send_all(head or b"")
            while not isinstance(event := http.next_event(), h11.EndOfMessage):
                match event:
                    case h11.Response(status_code=status):
                        pass
                    case h11.Data(data=data):
                        body += data
                    case _:
                        data = bytes(await stream.receive_some())
                        if not data and not begun:
                            raise _Unanswered("closed without an answer")
                        begun = True
                        http.receive_data(data)
        except trio.BrokenResourceError:
            if begun:
                raise
            raise _Unanswered("reset without an answer") from None
        self._check(status, body)
        self.longest_answer = max(self.longest_answer, trio.current_time() - begin)
        return http.our_state is h11.DONE

    async def _echo(self) -> None:
        """Send messages and take them back until it breaks."""
        with trio.fail_after(PATIENCE):
            stream = await self._connect()
        cookie = [(b"Cookie", self.session.cookie.encode())]
        async with stream, trio.open_nursery() as nursery:
            with trio.fail_after(PATIENCE):
                socket = await wrap_client_stream(nursery, stream, self.session.host, "/ws", extra_headers=cookie)
            while True:
                self.asked += 1
                text = f"message {self.asked}"
                with trio.fail_after(PATIENCE):
                    await socket.send_message(text)
                    answer = await socket.get_message()
                if answer != text:
                    raise _WrongAnswer(f"{text} came back as {answer!r}")
                await trio.sleep(_ECHO_PAUSE)

    async def _hear_last_words(self) -> None:
        """Have an application say much and close while it is sent more than it reads; at times, read slowly."""
        said = await self._tell(b"GET /last-words", b"Connection: Upgrade\r\nUpgrade: words\r\n", bytes(1000))
        head, _, words = said.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 ") or words != LAST_WORDS:
            raise _WrongAnswer(f"last words: {head[:20]!r} and {len(words)} bytes")

    async def _be_refused(self) -> None:
        """Upload to an application that refuses early, by an answer that ends with its connection."""
        fields = b"Connection: close\r\nContent-Length: %d\r\n" % _UPLOAD
        said = await self._tell(b"POST /refused", fields, bytes(_UPLOAD))
        if not (said.startswith(b"HTTP/1.1 413 ") and said.endswith(b"file is too large\n\r\n0\r\n\r\n")):
            raise _WrongAnswer(f"a refusal: {said[:20]!r} … {said[-20:]!r}")

    async def _hear_farewell(self, kind: str, heard: trio.Event) -> None:
        """Hear what the application says when it is told to end, all of it; sets `heard` once it is asked."""
        fields = b"Connection: Upgrade\r\nUpgrade: words\r\n" if kind == "tunnel" else b"Connection: close\r\n"
        said = await self._tell(b"GET /farewell/" + kind.encode(), fields, b"", heard)
        body = said.partition(b"\r\n\r\n")[2]
        if body.count(FAREWELL[:1]) < len(FAREWELL) or (kind == "end" and not body.endswith(b"\r\n0\r\n\r\n")):
            raise _WrongAnswer(f"farewell ({kind}): {said[:20]!r} and {len(body)} bytes")

    async def _tell(self, line: bytes, fields: bytes, rest: bytes, told: trio.Event | None = None) -> bytes:
        """Send a request and what follows it, and return all that comes until the end."""
        self.asked += 1
        host, cookie = self.session.host.encode(), self.session.cookie.encode()
        pause = self._rng.choice([0, 0, 0.002])
        received = bytearray()
        with trio.fail_after(PATIENCE):
            async with await self._connect() as stream, trio.open_nursery() as nursery:
                await stream.send_all(
                    b"%b HTTP/1.1\r\nHost: %b\r\nCookie: %b\r\n%b\r\n" % (line, host, cookie, fields)
                )

                async def send_rest() -> None:
                    with contextlib.suppress(trio.BrokenResourceError):
                        await stream.send_all(rest)

                nursery.start_soon(send_rest)
                if told is not None:
                    told.set()
                while piece := await stream.receive_some(65536):
                    received += piece
                    await trio.sleep(pause)
                nursery.cancel_scope.cancel()
        return bytes(received)

    def _check(self, status: int, body: bytes) -> None:
        if status != 200:
            raise _WrongAnswer(f"{status} {body[:80].decode(errors='replace').strip()}")
        if body != str(self.session.application).encode():
            raise _WrongAnswer(f"process {body[:20]!r} answers, not {self.session.application}")


def _describe(group: BaseExceptionGroup[BaseException]) -> str:
    """Return what happened first in a group, in a line."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__.lstrip('_')}: {error}"


@attrs.define(eq=False)
class Load:
    """The visitors of some sessions, asking."""

    visitors: list[Visitor]
    _nursery: trio.Nursery
    _rng: Random

    def add(self, session: Session) -> None:
        """Have visitors ask for a session as well."""
        visitor = Visitor(session, self._rng)
        self.visitors.append(visitor)
        self._nursery.start_soon(visitor.run)
        listener = Visitor(session, self._rng)
        self.visitors.append(listener)
        self._nursery.start_soon(listener.run_to_the_last_word)
        if session.has_websocket:
            websocket = Visitor(session, self._rng)
            self.visitors.append(websocket)
            self._nursery.start_soon(websocket.run_websocket)

    @asynccontextmanager
    async def open_farewells(self, session: Session) -> AsyncIterator[None]:
        """Have visitors wait for what a session's application says at its end; on leaving, all have heard it."""
        async with trio.open_nursery() as nursery:
            for kind in ("whole", "end", "tunnel"):
                visitor, told = Visitor(session, self._rng), trio.Event()
                self.visitors.append(visitor)
                nursery.start_soon(visitor.note_farewell, kind, told)
                await told.wait()
            await trio.sleep(_PAUSE)
            yield

    def asked(self, sessions: Iterable[Session]) -> int:
        """Return how many answers were awaited from these sessions."""
        return sum(visitor.asked for visitor in self._visitors_of(sessions))

    def longest_answer(self, sessions: Iterable[Session]) -> float:
        """Return how long the visitors of these sessions waited for one answer, at most."""
        return max(visitor.longest_answer for visitor in self._visitors_of(sessions))

    def failures(self, sessions: Iterable[Session]) -> list[Failure]:
        """Return what the visitors of these sessions did not get."""
        return [failure for visitor in self._visitors_of(sessions) for failure in visitor.failures]

    def _visitors_of(self, sessions: Iterable[Session]) -> list[Visitor]:
        known = list(sessions)
        return [visitor for visitor in self.visitors if visitor.session in known]


@asynccontextmanager
async def open_load(sessions: Iterable[Session], rng: Random) -> AsyncIterator[Load]:
    """Have visitors ask for the sessions; on leaving, all their connections are closed."""
    async with trio.open_nursery() as nursery:
        load = Load([], nursery, rng)
        for session in sessions:
            load.add(session)
        yield load
        nursery.cancel_scope.cancel()
