"""Visitors, applications, routes and the end of the server in any order, held to a model after every step.

Several visitors on kept connections, over TCP, TLS and a UNIX socket, send to two applications, pipelined, in
pieces, and change protocols; they end, half end, break off and stop reading for a while, as the applications do,
with last words or early refusals; sessions end and come again under another token, tokens are replaced; the server
drains.
`World` is at once what is done and the model of what must come of it: each response is its own visitor's, in its
order, and from the application that was asked; each request reaches that application or none; and all that was
said before an end arrives.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from conductor_trio.access.grants import Access
from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.states import Cause
from tests.doubles.origin import OriginConnection, answering, open_origin
from tests.support.descriptors import open_descriptors
from tests.support.engine import (
    OK,
    PATIENCE,
    Engine,
    Incomplete,
    Message,
    Visitor,
    open_engine,
    take_lines,
    take_message,
)
from tests.support.fuzzing import fuzz
from tests.support.oracles import take_response
from tests.support.tls_visitor import Authority

VISITORS = 3
PIECE, PIECES = b"piece", 3
WORDS = b"last words, " * 100
#: Nothing is waited for, neither to watch a visitor, nor for word of a lost link, nor for a last request when the
#: server drains; but what is under way when a session ends has the time that it takes.
LIMITS = ServerLimits(
    watch_delay=0,
    lost_link_delay=0,
    refused_relay_delay=0,
    drain_idle_timeout=0,
    splice_size=4,
    max_token_failures=1000,
    ended_session_timeout=1000,
    ended_session_silence=0.02,
)
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
#: What becomes a tunnel.
SWITCHES = ("switch", "words", "shut")


@functools.cache
def tls_authority() -> Authority:
    """Return the one that all trust."""
    return Authority()


# The applications.


@attrs.define(eq=False)
class App:
    """An application that does with each request what its target says: ``/<app>/<visitor>/<number>/<manner>``."""

    name: str
    changed: Callable[[], object]
    #: What waits to be let go on, by label.
    held: dict[str, trio.Event] = attrs.field(factory=dict)
    idle: set[OriginConnection] = attrs.field(factory=set)
    busy: set[OriginConnection] = attrs.field(factory=set)
    #: Bytes of a body that come, or may come, after its request was answered.
    owed: dict[OriginConnection, int] = attrs.field(factory=dict)
    tokens: list[bytes] = attrs.field(factory=list)
    route: contextlib.ExitStack | None = None
    route_id: str = ""
    #: How many bytes have come through a tunnel in which it says no more, by label.
    heard: dict[str, int] = attrs.field(factory=dict)

    @property
    def host(self) -> str:
        """The name under which visitors ask for it."""
        return f"{self.name}-bob.test"

    async def __call__(self, connection: OriginConnection) -> None:
        """Serve one connection."""
        try:
            while (message := await self._receive(connection)) is not None and await self._answer(
                connection, message
            ):
                pass
        finally:
            self.idle.discard(connection)
            self.busy.discard(connection)
            assert not any(token in connection.received for token in self.tokens)

    async def _receive(self, connection: OriginConnection) -> Message | None:
        """Return the next request, whole unless it is to be refused; None where there is none."""
        self.idle.add(connection)
        while True:
            skipped = connection.take(min(self.owed.get(connection, 0), len(connection.unread)))
            self.owed[connection] = self.owed.get(connection, 0) - len(skipped)
            try:
                message, rest = self._take_request(connection, bytes(connection.unread))
            except Incomplete:
                self._sort(connection)
                if not await connection.receive_more():
                    return None
                continue
            connection.unread[:] = rest
            self._sort(connection, is_busy=True)
            assert message.values(b"host") == [self.host.encode()]
            assert message.line.split(b" ")[1].startswith(b"/%b/" % self.name.encode())
            return message

    def _take_request(self, connection: OriginConnection, data: bytes) -> tuple[Message, bytes]:
        """Return the next request and what follows; for one that is answered early, the head is enough."""
        if not re.match(rb"[A-Z]+ [^ ]*/(?:early|refuse|refuse-end) ", data):
            return take_message(data)
        (line, *fields), rest = take_lines(data)
        self.owed[connection] = PIECES * len(PIECE)
        return Message(line=line, fields=tuple(fields)), rest

    def _sort(self, connection: OriginConnection, *, is_busy: bool = False) -> None:
        (self.busy if is_busy or connection.unread else self.idle).add(connection)
        (self.idle if is_busy or connection.unread else self.busy).discard(connection)

    async def _answer(self, connection: OriginConnection, message: Message) -> bool:
        """Answer; True where another request may come."""
        label = message.line.split(b" ")[1].decode()
        body = label.encode() + message.body
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body)
        match label.rpartition("/")[2]:
            case "whole" | "upload" | "early":
                await connection.send_all(head + b"\r\n" + body)
            case "chunked":
                chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
                await connection.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
            case "hold":
                if not await self._hold(connection, label):
                    return False
                await connection.send_all(head + b"\r\n" + body)
            case "half":
                await connection.send_all(head + b"\r\n" + body[:4])
                if not await self._hold(connection, label):
                    return False
                await connection.send_all(body[4:])
            case "last":
                await connection.send_all(head + b"Connection: close\r\n\r\n" + body)
                return False
            case "cut":
                await connection.send_all(head + b"\r\n" + body[:4])
                return False
            case "gone":
                return False
            case "refuse":
                await connection.send_all(head.replace(b"200 OK", b"413 No") + b"\r\n" + body)
                return False
            case "refuse-end":
                await connection.send_all(b"HTTP/1.0 413 No\r\n\r\n" + body)
                return False
            case "switch" | "words" | "shut" as manner:
                await connection.send_all(SWITCHING + PIECE)
                await self._talk(connection, manner, label)
                return False
        return True

    async def _talk(self, connection: OriginConnection, manner: str, label: str) -> None:
        """Speak the new protocol."""
        match manner:
            case "switch":
                while await connection.receive_more():
                    await connection.send_all(connection.take(len(connection.unread)))
            case "words":
                if connection.unread or await connection.receive_more():
                    await connection.send_all(WORDS)  # and reads nothing of what else has come
            case "shut":
                await connection.send_eof()
                self.heard[label] = 0
                while True:
                    self.heard[label] += len(connection.take(len(connection.unread)))
                    self.changed()
                    if not await connection.receive_more():
                        return

    async def _hold(self, connection: OriginConnection, label: str) -> bool:
        """Wait to be let go on; False where the gateway, or somebody here, ended the connection first."""
        release = self.held[label] = trio.Event()
        self.changed()

        async def watch(scope: trio.CancelScope) -> None:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while await connection.receive_more():
                    pass
            scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch, nursery.cancel_scope)
                await release.wait()
                nursery.cancel_scope.cancel()
        finally:
            del self.held[label]
            self.changed()
        return release.is_set()


# The visitors, and what they must get.


@attrs.define(eq=False)
class Sent:
    """A request that a visitor sent, or began to send."""

    app: App
    label: str
    token: bytes | None
    pieces_left: int = 0  # of its body
    route_id: str = ""  # of the session that it has reached

    @property
    def manner(self) -> str:
        """What the application will do."""
        return self.label.rpartition("/")[2]

    @property
    def has_body(self) -> bool:
        """Whether it is an upload."""
        return self.manner in ("upload", "early", "refuse", "refuse-end")


@attrs.frozen(kw_only=True)
class Expected:
    """A response that a visitor must get; one from an application has its request's label in its body."""

    status: int
    body: bytes | None = None
    is_last: bool = False
    is_cut: bool = False


@attrs.define(eq=False)
class Guest:
    """A visitor: what it did, what it got, and what it must get."""

    index: int
    visitor: Visitor
    got: bytes = b""
    has_ended: bool = False
    queue: deque[Sent] = attrs.field(factory=deque)
    current: Sent | None = None  # what an application thinks about
    promises_more: bool = False  # the head of the response to `current` has gone out and kept the connection
    sending: Sent | None = None  # what of whose body has not been sent
    tunnel: Sent | None = None
    echo: bytes = b""  # what the tunnel owes
    said: int = 0  # bytes through a tunnel in which the application says no more
    awake: trio.Event = attrs.field(factory=trio.Event)  # set while it reads
    expected: deque[Expected] = attrs.field(factory=deque)
    is_over: bool = False  # the gateway must end the connection
    is_gone: bool = False  # we ended it
    has_half_closed: bool = False

    @property
    def can_send(self) -> bool:
        """Whether a new request may be sent."""
        waits_to_switch = [sent for sent in (*self.queue, self.current) if sent and sent.manner in SWITCHES]
        return not (
            self.is_over or self.is_gone or self.has_half_closed or self.sending or self.tunnel or waits_to_switch
        )

    def agrees(self) -> bool:
        """Whether it has got all that it must; fails where it has got anything else."""
        if not self.awake.is_set():
            return True  # as far as anybody can tell
        while self.expected:
            expected = self.expected[0]
            try:
                response, rest = take_response(self.got, b"GET")
            except Incomplete:
                if not (expected.is_cut and self.has_ended):
                    return False
                assert self.got.endswith(b"\r\n\r\n" + (expected.body or b"")), self.got
                self.got = b""
                self.expected.popleft()
                continue
            assert response.status == expected.status, (response, expected)
            if expected.body is not None:
                assert response.body == expected.body, (response, expected)
            assert (response.values(b"connection") == [b"close"]) is expected.is_last, (response, expected)
            self.got = rest
            self.expected.popleft()
        if self.tunnel is not None:
            assert self.echo.startswith(self.got)
            has_heard = self.tunnel.manner != "shut" or self.tunnel.app.heard.get(self.tunnel.label) == self.said
            return self.got == self.echo and self.has_ended == self.is_over and (has_heard or self.has_half_closed)
        if self.current is not None and self.current.manner == "half":
            return self.got.endswith(b"\r\n\r\n" + self.current.label[:4].encode())
        assert not self.got, f"more than there should be: {self.got!r}"
        assert self.is_over or not self.has_ended, "ended without a reason"
        return self.has_ended == self.is_over


@attrs.define(eq=False)
class World:
    """Everybody, and the steps."""

    engine: Engine
    directory: Path
    nursery: trio.Nursery
    apps: list[App]
    changes: trio.lowlevel.ParkingLot
    #: How each of the visitors comes.
    ways: tuple[str, ...]
    guests: list[Guest] = attrs.field(factory=list)
    numbers: int = 0
    is_draining: bool = False
    #: Labels that an application may go on holding for a visitor that is gone.
    orphans: set[str] = attrs.field(factory=set)

    # What the gateway makes of it: the model.

    def advance(self, guest: Guest) -> None:
        """Take the visitor's requests to their applications, as far as those answer."""
        while guest.current is None and guest.tunnel is None and not guest.is_over:
            if not guest.queue:
                guest.is_over = self.is_draining or guest.has_half_closed
                return
            sent = guest.queue.popleft()
            if sent.app.route is None or sent.token != sent.app.tokens[-1]:
                self.answer_ourselves(guest, sent, 410 if sent.app.route is None else 403)
            else:
                self.dispatch(guest, sent)

    def answer_ourselves(self, guest: Guest, sent: Sent, status: int) -> None:
        """The gateway refuses a request, whose body it does not read."""
        self.answer(guest, Expected(status=status, is_last=sent.has_body or self.is_draining))

    def answer(self, guest: Guest, expected: Expected) -> None:
        """The visitor must get this; its connection ends as the response says."""
        guest.expected.append(expected)
        guest.current = None
        guest.is_over |= expected.is_last or expected.is_cut

    def dispatch(self, guest: Guest, sent: Sent) -> None:
        """The application gets a request, and does what it says."""
        sent.route_id = sent.app.route_id
        if guest.has_half_closed and sent.pieces_left:
            guest.is_over = True  # its body breaks off
            return
        ends = self.is_draining
        body = sent.label.encode()
        match sent.manner:
            case "hold":
                guest.current = sent
            case "half":
                guest.current, guest.promises_more = sent, not ends
            case "upload" if sent.pieces_left:
                guest.current = sent
            case "upload":
                self.answer(guest, Expected(status=200, body=body + PIECE * PIECES, is_last=ends))
            case "early":
                self.answer(guest, Expected(status=200, body=body, is_last=ends or bool(sent.pieces_left)))
            case "refuse" | "refuse-end":
                self.answer(guest, Expected(status=413, body=body, is_last=ends or bool(sent.pieces_left)))
            case "gone":
                self.answer(guest, Expected(status=502, is_last=ends))
            case "cut":
                self.answer(guest, Expected(status=200, body=body[:4], is_cut=True))
            case "switch" | "words" | "shut":
                self.answer(guest, Expected(status=101))
                guest.tunnel, guest.echo = sent, PIECE
                # The echo ends with what it echoes, and who waits for a word with that it will not come.
                guest.is_over = guest.has_half_closed or sent.manner == "shut"
            case _:
                self.answer(guest, Expected(status=200, body=body, is_last=ends))

    def finish(self, guest: Guest) -> None:
        """The application goes on with what it thinks about."""
        assert guest.current is not None
        ends = not guest.promises_more if guest.current.manner == "half" else self.is_draining
        self.answer(guest, Expected(status=200, body=guest.current.label.encode(), is_last=ends))
        self.advance(guest)

    def lose(self, guest: Guest, *, keeps: bool = False) -> None:
        """The application, or with its route the way to it, is lost in the middle."""
        if guest.tunnel is not None:
            guest.is_over, guest.tunnel.route_id = True, ""
        elif (sent := guest.current) is not None:
            if sent.manner == "half":
                self.answer(guest, Expected(status=200, body=sent.label[:4].encode(), is_cut=True))
            else:
                self.answer(guest, Expected(status=502, is_last=not keeps or bool(sent.pieces_left)))
            self.advance(guest)

    def users(self, app: App) -> list[tuple[Guest, Sent]]:
        """Return the visitors who are in the middle of something with that application, and of what."""
        busy = [(guest, guest.tunnel or guest.current) for guest in self.guests if not guest.is_gone]
        return [(guest, sent) for guest, sent in busy if sent is not None and sent.app is app]

    # Agreement.

    def agree(self) -> bool:
        """Whether everybody is where the model has them."""
        if not all(guest.is_gone or guest.agrees() for guest in self.guests):
            return False
        waiting = {
            guest.current.label
            for guest in self.guests
            if guest.current and not guest.is_gone and guest.current.manner in ("hold", "half")
        }
        return waiting == {label for app in self.apps for label in app.held} - self.orphans

    async def settle(self) -> None:
        """Return once everybody is where the model has them, and nothing more comes of it."""
        with trio.fail_after(PATIENCE):
            while not self.agree():
                await self.changes.park()
        await wait_all_tasks_blocked()
        assert self.agree()

    # The steps. Those that cannot be done now do nothing.

    async def receive(self, guest: Guest) -> None:
        """Gather what a visitor gets."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                await guest.awake.wait()
                if not (data := await guest.visitor.stream.receive_some(65536)):
                    break
                guest.got += data
                self.changes.unpark_all()
        guest.has_ended = True
        self.changes.unpark_all()

    def guest(self, index: int) -> Guest | None:
        """Return the visitor of that number, a new one where the last is gone; None while draining."""
        found = next((g for g in self.guests if g.index == index and not (g.is_gone or g.is_over)), None)
        if found is None and not self.is_draining:
            way = self.ways[index]
            authority = tls_authority() if way == "tls" else None
            found = Guest(index, self.engine.connect(unix=way == "unix", authority=authority))
            found.awake.set()
            self.guests.append(found)
            self.nursery.start_soon(self.receive, found)
        return found

    async def send(self, index: int, which: int, manner: str, credentials: str) -> None:
        """A visitor sends a request, or the beginning of an upload."""
        guest, app = self.guest(index), self.apps[which]
        if guest is None or not guest.can_send:
            return
        self.numbers += 1
        token = {"right": app.tokens[-1], "stale": app.tokens[0], "none": None}[credentials]
        sent = Sent(app, f"/{app.name}/{index}/{self.numbers}/{manner}", token)
        fields = b"" if token is None else b"Cookie: a=b; authorization=%b\r\n" % token
        if sent.has_body:
            sent.pieces_left = PIECES
            guest.sending = sent
            fields += b"Content-Length: %d\r\n" % (PIECES * len(PIECE))
        if manner in SWITCHES:
            fields += b"Connection: Upgrade\r\nUpgrade: echo\r\n"
        # A POST, and one that has no body as well, is not sent again on a fresh connection.
        method = b"POST" if sent.has_body or manner == "hold" else b"GET"
        await guest.visitor.send(
            b"%b %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (method, sent.label.encode(), app.host.encode(), fields)
        )
        guest.queue.append(sent)
        self.advance(guest)
        if guest.is_over:
            guest.sending = None

    async def send_more(self, index: int) -> None:
        """A visitor sends a piece of an upload, or something through its tunnel."""
        for guest in self.guests:
            is_shut = guest.tunnel is not None and guest.tunnel.manner == "shut" and guest.tunnel.route_id
            if guest.index != index or guest.is_gone or guest.has_half_closed or (guest.is_over and not is_shut):
                continue
            if guest.tunnel is not None:
                await self.say(guest, guest.tunnel)
            elif (sent := guest.sending) is not None:
                await guest.visitor.send(PIECE)
                sent.pieces_left -= 1
                if not sent.pieces_left:
                    guest.sending = None
                    if guest.current is sent:
                        self.dispatch(guest, sent)
                        self.advance(guest)

    async def say(self, guest: Guest, tunnel: Sent) -> None:
        """A visitor says something through its tunnel."""
        match tunnel.manner:
            case "switch":
                await guest.visitor.send(PIECE)
                guest.echo += PIECE
            case "words":  # more than the application hears
                await guest.visitor.send(PIECE * 1000)
                guest.echo += WORDS
                guest.is_over = True
            case "shut":
                await guest.visitor.send(PIECE)
                guest.said += len(PIECE)

    async def rest(self, index: int) -> None:
        """A visitor reads nothing for a while, or goes on to."""
        for guest in self.guests:
            if guest.index == index and not guest.is_gone:
                if guest.awake.is_set():
                    guest.awake = trio.Event()
                else:
                    guest.awake.set()

    async def leave(self, index: int, manner: str) -> None:
        """A visitor ends its connection, one direction of it, or breaks it off."""
        for guest in self.guests:
            if guest.index != index or guest.is_gone or guest.is_over:
                continue
            if manner == "half-close":
                await self.half_close(guest)
                continue
            guest.is_gone = True
            # A TCP peer that closes could still read; by TLS, who ends without close_notify is gone.
            shows = manner == "reset" or self.ways[index] != "tcp"
            is_noticed = shows and not guest.queue and not guest.has_half_closed
            if guest.current is not None and not is_noticed:
                self.orphans.add(guest.current.label)
            self.orphans |= {sent.label for sent in guest.queue}
            guest.visitor.reset() if manner == "reset" else guest.visitor.close()

    async def half_close(self, guest: Guest) -> None:
        """A visitor ends its direction; what it has asked for is answered, but an upload is broken off."""
        if guest.has_half_closed:
            return
        guest.has_half_closed = True
        await guest.visitor.send_eof()
        if guest.tunnel is not None:
            guest.is_over = True  # the echo ends with what it echoes
        elif guest.sending is not None:
            assert guest.sending in (*guest.queue, guest.current)
            if guest.current is guest.sending:
                guest.current, guest.is_over = None, True
        self.advance(guest)

    async def release(self, which: int) -> None:
        """An application goes on with what it holds longest."""
        app = self.apps[which]
        if not app.held:
            return
        label, event = next(iter(app.held.items()))
        event.set()
        self.orphans.discard(label)
        for guest, sent in self.users(app):
            if sent is guest.current and sent.label == label:
                self.finish(guest)

    async def close_idle(self, which: int) -> None:
        """An application closes the connections that are kept to it."""
        for connection in list(self.apps[which].idle):
            connection.stream.close()

    async def break_busy(self, which: int) -> None:
        """An application breaks off what it is in the middle of."""
        app = self.apps[which]
        users = self.users(app)
        for connection in list(app.busy):
            connection.reset()
        for guest, sent in users:
            # Of a session that is over, no other answer follows.
            self.lose(guest, keeps=not self.is_draining and sent.route_id == app.route_id)

    async def move(self, which: int, is_resumable: bool = False) -> None:
        """A session ends, or comes again under another token; its client can say that it leaves, or not."""
        app = self.apps[which]
        if app.route is not None:
            users = self.users(app)
            app.route.close()
            app.route, app.route_id = None, ""
            for guest, _ in users:
                if guest.tunnel is not None:  # all has been said; an answer that is under way still comes
                    self.lose(guest)
            return
        app.tokens.append(b"%b-token-%d" % (app.name.encode(), len(app.tokens)))
        app.route = contextlib.ExitStack()
        path = str(self.directory / app.name)
        route = self.engine.another_route(
            app.host, path, app.tokens[-1], is_resumable=is_resumable, cause=Cause.LEFT
        )
        app.route_id = app.route.enter_context(route).id

    async def replace_token(self, which: int) -> None:
        """Whoever was let in by the former token is in no longer, whatever is under way."""
        app = self.apps[which]
        if app.route is None:
            return
        users = [guest for guest, sent in self.users(app) if sent.route_id == app.route_id]
        app.tokens.append(b"%b-token-%d" % (app.name.encode(), len(app.tokens)))
        self.engine.routes.set_access(app.route_id, Access(owner_hash=hash_token(app.tokens[-1])))
        for guest in users:
            self.lose(guest)

    async def drain(self) -> None:
        """The server ends: it lets nobody wait for another request."""
        if not self.is_draining:
            self.is_draining = True
            self.engine.begin_drain()
            for guest in self.guests:
                if not guest.is_gone:
                    self.advance(guest)


index = st.integers(0, VISITORS - 1)
which = st.integers(0, 1)
manners = st.sampled_from(
    ["whole", "chunked", "last", "gone", "cut", "half", "hold", "upload", "refuse", "refuse-end", *SWITCHES]
)
credentials = st.sampled_from(["right"] * 6 + ["stale", "none"])
sends = st.tuples(st.just("send"), index, which, manners, credentials)
others = (
    st.tuples(st.just("send_more"), index)
    | st.tuples(st.just("rest"), index)
    | st.tuples(st.sampled_from(["release", "close_idle", "break_busy", "replace_token"]), which)
    | st.tuples(st.just("move"), which, st.booleans())
    | st.tuples(st.just("leave"), index, st.sampled_from(["reset", "close", "half-close"]))
)
Step = tuple[Any, ...]


@pytest.mark.one_process  # which answers are the last is another matter with workers
@fuzz
@given(
    ways=st.tuples(*[st.sampled_from(["tcp", "tls", "unix"])] * VISITORS),
    before=st.lists(sends | sends | others, min_size=1, max_size=25),
    after=st.lists(sends | others, max_size=6),
)
async def test_whatever_happens_everybody_gets_their_own(
    ways: tuple[str, ...], before: list[Step], after: list[Step], short_tmp: Path
) -> None:
    descriptors = open_descriptors()
    changes = trio.lowlevel.ParkingLot()
    apps = [App(name, changes.unpark_all) for name in ("one", "two")]
    async with (
        open_origin(short_tmp / "one", apps[0]),
        open_origin(short_tmp / "two", apps[1]),
        open_engine(short_tmp, answering(OK), limits=LIMITS) as engine,
        trio.open_nursery() as nursery,
    ):
        world = World(engine, short_tmp, nursery, apps, changes, ways)
        with contextlib.ExitStack() as routes:
            for which in range(len(apps)):
                await world.move(which)
            try:
                for name, *arguments in [*before, ("drain",), *after]:
                    await getattr(world, name)(*arguments)
                    await world.settle()
            finally:
                for app in apps:
                    for connection in list(app.busy):  # or what is held would be waited for
                        connection.reset()
                    if app.route is not None:
                        routes.push(app.route)
        nursery.cancel_scope.cancel()
    assert not engine.origin.connections
    assert not open_descriptors() - descriptors
