"""The listener of the metrics: ``GET /metrics``, one request a connection, and nothing else."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Sequence

import attrs
import trio

from conductor_trio.errors import RemoteProtocolError, StartError
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.linger import BRIEF_LINGER
from conductor_trio.limits.observability import MAX_METRICS_CONNECTIONS, MAX_METRICS_HEAD, METRICS_TIMEOUT
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.ending import end_gently
from conductor_trio.net.listeners import Listener, TcpAddress, listen_unix, tcp_addresses
from conductor_trio.net.stream import STREAM_LOST, SocketStream
from conductor_trio.server.accounts.account import Account
from conductor_trio.server.accounts.fairness import open_payer, take_turn

_CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SOCKET_MODE = 0o660
_BESIDE = ".next"
_PHRASES = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    431: b"Request Header Fields Too Large",
}

Render = Callable[[], Iterator[bytes]]


@attrs.define(eq=False, kw_only=True)
class MetricsEndpoint:
    """Serves what `render` gives, piece by piece, at its listeners."""

    render: Render
    listeners: Sequence[Listener]
    log: Logger
    account: Account  #: whoever asks works for it: who can connect is nobody who is known
    _connections: int = attrs.field(default=0, init=False)
    _limits: ServerLimits = attrs.field(factory=lambda: ServerLimits(max_head=MAX_METRICS_HEAD), init=False)

    async def run(self) -> None:
        """Serve whoever connects, for ever, from now on in a predecessor's place."""
        self._claim_paths()
        async with trio.open_nursery() as nursery:
            for listener in self.listeners:
                nursery.start_soon(self._accept, listener, nursery, name="accept collectors of metrics")

    def _claim_paths(self) -> None:
        for listener in self.listeners:
            if listener.path is not None and listener.path.endswith(_BESIDE):
                path = listener.path.removesuffix(_BESIDE)
                os.rename(listener.path, path)
                listener.path = path

    async def _accept(self, listener: Listener, nursery: trio.Nursery) -> None:
        open_payer(self.account)
        with contextlib.suppress(trio.ClosedResourceError):  # the server ends, or a successor serves
            await listener.serve(
                self.serve,
                nursery,
                on_shortage=self._note_shortage,
                task_name="metrics",
                pace=self.account.wait_share,
            )

    def _note_shortage(self, error: OSError) -> None:
        self.log.warning("cannot_accept", error=error.strerror)

    def close(self, *, is_handed: bool) -> None:
        """Accept no more; the path is a successor's from now on, where there is one."""
        for listener in self.listeners:
            listener.owns_path = listener.owns_path and not is_handed
            if listener.sock.fileno() >= 0:
                trio.lowlevel.notify_closing(listener.sock)
            listener.close()

    async def serve(self, sock: socket.socket, _: str) -> None:
        """Serve one connection to its end; nothing that happens in it gets out."""
        stream = SocketStream(sock, send_timeout=METRICS_TIMEOUT)
        self._connections += 1
        try:
            self.account.note_wish()
            if self._connections <= MAX_METRICS_CONNECTIONS:
                with trio.move_on_after(METRICS_TIMEOUT):
                    await self._answer(stream)
                    await end_gently(stream, BRIEF_LINGER)
        except STREAM_LOST:
            pass
        except Exception:  # a fault in what is told must not end what it tells of
            self.log.exception("metrics_failed")
        finally:
            self._connections -= 1
            stream.close()

    async def _answer(self, stream: SocketStream) -> None:
        try:
            request = await self._receive(stream)
        except RemoteProtocolError as error:
            await _send(stream, 431 if error.status == 431 else 400, b"")
            return
        if request is None:
            return
        if request.target.partition(b"?")[0] != b"/metrics":
            await _send(stream, 404, b"Metrics are at /metrics.\n")
        elif request.method not in (b"GET", b"HEAD"):
            await _send(stream, 405, b"", b"Allow: GET, HEAD\r\n")
        else:
            pieces = []
            for piece in self.render():
                pieces.append(piece)
                await take_turn()  # each takes a part of a millisecond
            await _send(stream, 200, b"".join(pieces), has_body=request.method == b"GET")

    async def _receive(self, stream: SocketStream) -> RequestHead | None:
        """Return a request's head, None where the connection ends before it."""
        reader = RequestReader(self._limits)
        while True:
            data = await stream.receive_some(MAX_METRICS_HEAD)
            if not data:
                return None
            reader.receive_data(data)
            event = reader.next_event()
            if event is not None:
                assert isinstance(event, RequestHead)
                return event


async def _send(
    stream: SocketStream, status: int, body: bytes, fields: bytes = b"", *, has_body: bool = True
) -> None:
    head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n%b\r\n" % (
        status,
        _PHRASES[status],
        _CONTENT_TYPE,
        len(body),
        fields,
    )
    await stream.send_all(head + body if has_body else head)


@contextlib.contextmanager
def open_metrics_listeners(address: str | tuple[str, int] | None, *, takes_over: bool) -> Iterator[list[Listener]]:
    """Listen for collectors; raises `StartError`. With `takes_over` a predecessor may still listen there, too."""
    with contextlib.ExitStack() as stack:
        listeners = []
        if isinstance(address, str):
            listeners.append(_listen_unix(address, takes_over=takes_over))
            stack.callback(listeners[0].close)
        elif address is not None:
            for family, where in tcp_addresses(*address):
                listeners.append(_listen_tcp(family, where, takes_over=takes_over))
                stack.callback(listeners[-1].close)
        yield listeners


def _listen_unix(path: str, *, takes_over: bool) -> Listener:
    """Listen at a path, or with `takes_over` beside it: until we serve, it is the predecessor's."""
    return listen_unix(path + _BESIDE if takes_over else path, _SOCKET_MODE)


def _listen_tcp(family: int, address: TcpAddress, *, takes_over: bool) -> Listener:
    """Listen so that the next server of ours can do so, too, and nobody else's."""
    host, port = address[:2]
    try:
        if not takes_over and port:
            _bind(family, address, shares=False).close()  # which fails where anybody listens
        sock = _bind(family, address, shares=True)
    except OSError as error:
        raise StartError(f"cannot listen on {host} port {port} for --metrics: {error.strerror}") from error
    sock.listen()
    return Listener(sock=sock)


def _bind(family: int, address: TcpAddress, *, shares: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock
