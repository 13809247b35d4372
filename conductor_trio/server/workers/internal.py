"""The internal socket, at the control process's end: requests that workers hand over, as if they had come here."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import Callable, Iterator

import attrs
import trio

from conductor_trio.access.decisions import Forward, OwnPage, Respond
from conductor_trio.http1.request import RequestHead
from conductor_trio.net.listeners import Listener, listen_unix
from conductor_trio.net.peer_credentials import Credentials, peer_credentials
from conductor_trio.server.proxy.connection import VisitorConnection
from conductor_trio.server.proxy.context import ExchangeContext, ProxyContext
from conductor_trio.server.proxy.dispatch import Dispatcher, Served
from conductor_trio.server.proxy.exchange.exchange import Outcome
from conductor_trio.server.proxy.route_runtime import RouteRuntime
from conductor_trio.server.proxy.visitor import serve_visitor
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.workers.words import FORWARD, LENGTH, MINE, Introduction, parse_introduction

_PREFIX = "workers."  # and the process whose they are
_MODE = 0o600


@attrs.frozen(kw_only=True)
class InternalHost:
    """Serves what comes by the internal socket; `is_worker` tells whether whoever connects is one of ours."""

    context: ProxyContext
    is_worker: Callable[[Credentials], bool]

    async def serve(self, sock: socket.socket, _: str) -> None:
        """Serve one request to its end."""
        introduction = await self._receive_introduction(sock)
        if introduction is None:
            sock.close()
            return
        make_connection = functools.partial(InternalConnection, may_return=introduction.may_return)
        await serve_visitor(
            sock,
            introduction.address,
            self.context,
            None,
            is_https=introduction.is_https,
            make_connection=make_connection,
        )

    async def _receive_introduction(self, sock: socket.socket) -> Introduction | None:
        """Return what a worker says first; None for anybody else, or where it has just ended."""
        try:
            peer = peer_credentials(sock)
            if not self.is_worker(peer):
                self.context.log.warning("not_a_worker", uid=peer.uid, pid=peer.pid)
                return None
            stream = trio.socket.from_stdlib_socket(sock)
            with trio.move_on_after(self.context.limits.head_timeout):
                (length,) = LENGTH.unpack(await _receive_exactly(stream, LENGTH.size))
                return parse_introduction(await _receive_exactly(stream, length))
        except (OSError, ValueError):
            pass
        except BaseException:
            sock.close()
            raise
        return None


@contextlib.contextmanager
def open_internal_listener(runtime_dir: str) -> Iterator[Listener]:
    """Listen for this server's workers; raises `StartError`. What killed servers have left is removed."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(runtime_dir)):
            if entry.name.startswith(_PREFIX) and not _is_used(entry.path):
                os.unlink(entry.path)
    path = os.path.join(runtime_dir, f"{_PREFIX}{os.getpid()}")
    with contextlib.closing(listen_unix(path, _MODE)) as listener:
        yield listener


def _is_used(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:
            pass
    return True


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

    may_return: bool
    _is_claimed: bool = False

    async def _forward(
        self, request: RequestHead, runtime: RouteRuntime, admitted: Forward, *, is_complete: bool
    ) -> Served:
        if self.may_return and not self._is_claimed:
            self._context.watch.forget()
            self._context.proxy.counters.requests_total -= 1
            await self._context.visitor.send_all(FORWARD)
            return Outcome.CLOSE
        await self._claim()
        return await super()._forward(request, runtime, admitted, is_complete=is_complete)

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
        return await super()._answer(ruling, request, route, is_complete=is_complete, https=https)

    async def _park(self, request: RequestHead, route: Route) -> bool:
        await self._claim()
        return await super()._park(request, route)

    async def _claim(self) -> None:
        """Have the worker pass on what the visitor sends from now on."""
        if not self._is_claimed:
            self._is_claimed = True
            await self._context.visitor.send_all(MINE)


@attrs.define(eq=False)
class InternalConnection(VisitorConnection):
    """A visitor's connection that a worker has."""

    may_return: bool = attrs.field(kw_only=True)

    def _make_dispatcher(self, shared: ExchangeContext) -> Dispatcher:
        dispatcher = InternalDispatcher(shared, self._listen(), self._answerer)
        dispatcher.may_return = self.may_return
        return dispatcher
