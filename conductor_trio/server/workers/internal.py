"""The internal socket, at the control process's end: requests that workers hand over, as if they had come here."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import Callable, Iterator

import attrs
import trio

from conductor_trio.access.decisions import Forward, OwnPage, RedeemOneTimeLink, Respond, SubmitToken
from conductor_trio.access.reasons import Redirect, Refusal
from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.workers import MAX_ADDED_FIELDS, MAX_ADDED_HEAD
from conductor_trio.net.listeners import Listener, listen_unix
from conductor_trio.net.peer_credentials import Credentials, peer_credentials
from conductor_trio.net.stream import SocketStream
from conductor_trio.server.accounts.addresses import account_of
from conductor_trio.server.accounts.places import Place
from conductor_trio.server.proxy.connection import VisitorConnection
from conductor_trio.server.proxy.context import ExchangeContext, ProxyContext
from conductor_trio.server.proxy.dispatch import Dispatcher, Served
from conductor_trio.server.proxy.exchange.exchange import Outcome
from conductor_trio.server.proxy.exchange.whole_end import WholeEnd, receive_with_end
from conductor_trio.server.proxy.route_runtime import RouteRuntime
from conductor_trio.server.proxy.visitor import Way, serve_visitor
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.workers.words import FORWARD, LENGTH, MINE, Introduction, parse_introduction

_PREFIX = "workers."  # and the process whose they are
INTERNAL_MODE = 0o600  #: of the internal socket


@attrs.frozen(kw_only=True)
class InternalHost:
    """Serves what comes by the internal socket; `is_worker` tells whether whoever connects is one of ours."""

    context: ProxyContext
    is_worker: Callable[[Credentials], bool]

    async def serve(self, sock: socket.socket, _: str) -> None:
        """Serve one request to its end."""
        with contextlib.ExitStack() as stack:
            introduction, end = await self._receive_introduction(sock, stack)
            if introduction is None:
                sock.close()
                return

            def note_end(outcome: Outcome) -> None:
                if end is not None and outcome is not Outcome.ABORT:
                    end.tell()

            make_connection = functools.partial(InternalConnection, introduction=introduction)
            way = Way(
                is_https=introduction.is_https,
                has_place=True,
                note_end=note_end,
                make_connection=make_connection,
            )
            await serve_visitor(sock, introduction.address, self.context, None, way)

    async def _receive_introduction(
        self, sock: socket.socket, stack: contextlib.ExitStack
    ) -> tuple[Introduction | None, WholeEnd | None]:
        """Return what a worker says first, and what is to hear of a whole end, which the stack closes.

        It is None for anybody else, or where the worker has just ended.
        """
        try:
            peer = peer_credentials(sock)
            if not self.is_worker(peer):
                self.context.log.warning("not_a_worker", uid=peer.uid, pid=peer.pid)
                return None, None
            stream = trio.socket.from_stdlib_socket(sock)
            with trio.move_on_after(self.context.limits.head_timeout):
                begin, end = await receive_with_end(stream, LENGTH.size)
                if end is not None:
                    stack.callback(end.close)
                begin += await _receive_exactly(stream, LENGTH.size - len(begin))
                (length,) = LENGTH.unpack(begin)
                return parse_introduction(await _receive_exactly(stream, length)), end
        except (OSError, ValueError):
            pass
        except BaseException:
            sock.close()
            raise
        return None, None


@contextlib.contextmanager
def open_internal_listener(runtime_dir: str) -> Iterator[Listener]:
    """Listen for this server's workers; raises `StartError`. What killed servers have left is removed."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(runtime_dir)):
            if entry.name.startswith(_PREFIX) and not _is_alive(entry.name.removeprefix(_PREFIX)):
                os.unlink(entry.path)
    path = os.path.join(runtime_dir, f"{_PREFIX}{os.getpid()}")
    with contextlib.closing(listen_unix(path, INTERNAL_MODE)) as listener:
        yield listener


def _is_alive(pid: str) -> bool:
    """Whether that process is there; a server of another PID namespace does not share our runtime directory."""
    return not pid.isdigit() or os.path.exists(f"/proc/{pid}")


async def _receive_exactly(stream: trio.socket.SocketType, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = await stream.recv(count - len(data))
        if not more:
            raise ValueError("it ended too early")
        data += more
    return data


class InternalDispatcher(Dispatcher):
    """Answers, or has the worker forward what it may."""

    introduction: Introduction
    _is_claimed: bool = False

    def begin(self, *, is_mine: bool = False) -> None:
        """Begin with another request: on a connection that this process has claimed, it is its own."""
        super().begin(is_mine=is_mine or self._is_claimed)
        if not self._is_claimed:
            self._context.is_counted = self.introduction.is_counted

    async def _forward(
        self, request: RequestHead, runtime: RouteRuntime, admitted: Forward, *, is_complete: bool
    ) -> Served:
        introduction = self.introduction
        if introduction.may_return and not self._is_claimed:
            self._context.watch.forget()
            await self._context.visitor.send_all(FORWARD)
            return Outcome.CLOSE
        await self._claim()
        failure = introduction.failure
        if failure is None or failure.route_id != runtime.route_id:
            # Those that were sent behind it are answered, too.
            last = request if self._is_followed else _as_last(request)
            return await super()._forward(last, runtime, admitted, is_complete=is_complete)
        runtime.failing_since = failure.since
        error = UpstreamUnavailable(failure.what, status=failure.status, fault=failure.fault)
        return await self._answer_failure(error, runtime, request, is_complete=is_complete, may_repeat=False)

    async def _answer(
        self,
        ruling: Respond | OwnPage,
        request: RequestHead,
        route: Route | None,
        *,
        is_complete: bool,
        https: bool,
    ) -> Served:
        await self._claim()
        if isinstance(ruling, SubmitToken | RedeemOneTimeLink) or (
            isinstance(ruling, Respond) and isinstance(ruling.reason, Redirect)
        ):
            request = _as_last(request)  # whoever has been let in goes on to the application
        return await super()._answer(ruling, request, route, is_complete=is_complete, https=https)

    async def _park(self, request: RequestHead, route: Route) -> bool:
        await self._claim()
        return await super()._park(request, route)

    @property
    def _is_followed(self) -> bool:
        """Whether more has come than the request that is under way."""
        visitor = self._context.visitor
        return bool(self._context.requests.trailing_data) or (
            isinstance(visitor, SocketStream) and visitor.has_unread()
        )

    async def _claim(self) -> None:
        """Have the worker pass on what the visitor sends from now on."""
        if not self._is_claimed:
            self._is_claimed = True
            self._context.count_request()
            await self._context.visitor.send_all(MINE)


def _as_last(request: RequestHead) -> RequestHead:
    """Return a request after which the visitor's connection ends, so that the next comes to a worker."""
    return attrs.evolve(request, keep_alive=False)


@attrs.define(eq=False)
class InternalConnection(VisitorConnection):
    """A visitor's connection that a worker has."""

    introduction: Introduction = attrs.field(kw_only=True)

    def _make_reader(self) -> RequestReader:
        # The worker has read the head within the limits, and may have added Host.
        limits = self.context.limits
        more = attrs.evolve(
            limits, max_fields=limits.max_fields + MAX_ADDED_FIELDS, max_head=limits.max_head + MAX_ADDED_HEAD
        )
        return RequestReader(more, self.context.runtimes.heads)

    def _begin_visit(self, request: RequestHead) -> Refusal | None:
        # The worker has counted it.
        address = self._scope.address = self.peer.forwarded_address(request)
        self._visit = None if address is None else Place(account_of(address), is_counted=False)
        return None

    def _make_dispatcher(self, shared: ExchangeContext) -> Dispatcher:
        dispatcher = InternalDispatcher(shared, self._listen(), self._answerer)
        dispatcher.introduction = self.introduction
        return dispatcher
