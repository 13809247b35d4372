"""The parts of the data plane one at a time: a session, a visitor without a kernel, and its application's socket.

::

    with open_bench() as bench:
        head = bench.receive_request(request())
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import attrs

from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import SocketStream
from conductor_trio.server.accounts.fairness import Payer
from conductor_trio.server.app import Planes, make_planes
from conductor_trio.server.proxy.context import ExchangeContext, ProxyContext
from conductor_trio.server.proxy.route_runtime import RouteRuntime
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause, SessionState
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.settings import ServerSettings
from tests.doubles.streams import MemoryStream, memory_stream_pair
from tests.support.engine import HOST, TOKEN, make_log
from tests.support.routes import make_route


def open_planes(limits: ServerLimits | None = None) -> Planes:
    """Return a server's planes, without sessions and without listeners."""
    settings = ServerSettings(
        runtime_dir="/nowhere", patterns=("{key}-{user}.test",), limits=limits or ServerLimits()
    )
    return make_planes(settings, make_log([]))


@attrs.frozen(kw_only=True)
class Bench:
    """One visitor's connection in the middle of a request."""

    planes: Planes
    route: Route
    runtime: RouteRuntime
    context: ExchangeContext
    visitor: MemoryStream  #: the visitor's own end
    upstream: SocketStream  #: the gateway's connection to the application
    application: SocketStream  #: the application's end of that

    @property
    def proxy(self) -> ProxyContext:
        """The data plane's."""
        return self.planes.proxy

    def receive_request(self, data: bytes) -> RequestHead:
        """Have the visitor's reader get these bytes, and return the head that they begin with."""
        self.context.requests.receive_data(data)
        head = self.context.requests.next_event()
        assert isinstance(head, RequestHead)
        return head

    async def sent_to_application(self, count: int) -> bytes:
        """Return that many bytes as the application reads them, fewer where the connection ends."""
        return await _read(self.application, count)

    async def sent_to_visitor(self, count: int = 1 << 20) -> bytes:
        """Return what the visitor was sent up to now, up to so many bytes."""
        return await self.visitor.receive_some(count)


async def _read(stream: SocketStream, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := await stream.receive_some(count - len(data))):
        data += piece
    return data


@contextlib.contextmanager
def open_bench(
    *, limits: ServerLimits | None = None, relay_path: str = "/nowhere/socket", state: SessionState | None = None
) -> Iterator[Bench]:
    """Give a visitor of one session, which ends with the block, and a connection to its application."""
    planes = open_planes(limits)
    route = planes.routes.register(make_route(host=HOST.decode(), token=TOKEN, relay_path=relay_path, state=state))
    runtime = planes.proxy.runtimes.get(route.id)
    assert runtime is not None
    visitor, ours = memory_stream_pair()
    upstream, application = map(SocketStream, socket.socketpair())
    peer = Peer(address="127.0.0.1", is_https=False, is_trusted=False)
    context = ExchangeContext(
        proxy=planes.proxy,
        peer=peer,
        visitor=ours,
        requests=RequestReader(planes.proxy.limits, planes.proxy.runtimes.heads),
        payer=Payer(runtime.account),
        watch=planes.proxy.observer.watch_requests(peer, planes.ledger.fairness),
    )
    with contextlib.closing(upstream), contextlib.closing(application), _ended_sessions(planes.routes):
        yield Bench(
            planes=planes,
            route=route,
            runtime=runtime,
            context=context,
            visitor=visitor,
            upstream=upstream,
            application=application,
        )


@contextlib.contextmanager
def _ended_sessions(routes: RouteTable) -> Iterator[None]:
    """End all sessions after the block, and with them what is kept for them."""
    try:
        yield
    finally:
        for left in routes.attached():
            routes.change(left.id, Cause.LEFT)
