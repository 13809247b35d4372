"""The request's way: its head and what is here of its body at once, then the rest, its framing written anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import attrs
import trio

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import EndOfMessage, Framing, format_chunk, format_last_chunk
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import MAX_EVENTS_AT_ONCE
from conductor_trio.net.shared_buffer import SinkLost, wait_sink
from conductor_trio.net.splice_pipe import SplicePipe
from conductor_trio.net.stream import STREAM_LOST, SocketStream
from conductor_trio.server.proxy.context import ExchangeContext
from conductor_trio.server.proxy.exchange.failures import ClientDisconnected, RequestAborted
from conductor_trio.server.proxy.route_runtime import RouteRuntime


@attrs.define(eq=False)
class RequestPump:
    """One request's body, whose head the visitor's reader has just given, on its way to the application."""

    _context: ExchangeContext
    _runtime: RouteRuntime
    _request: RequestHead
    is_complete: bool  #: whether the request's end has been read from the visitor
    sent_early: int = attrs.field(default=0, init=False)  #: bytes of the body that were here with its head
    was_sent: bool = attrs.field(default=False, init=False)  #: whether anything went to an application

    def available_body(self) -> bytes:
        """Return, framed, what of the body is here already, or a good part of it; raises `RequestAborted`."""
        parts: list[bytes] = []
        while len(parts) < MAX_EVENTS_AT_ONCE and not self.is_complete:
            if (framed := self._next_framed()) is None:
                break
            parts.append(framed)
            self.sent_early += len(framed)
        return b"".join(parts)

    def _next_framed(self) -> bytes | None:
        """Return the next piece of the body as it goes to the application; None: more is needed."""
        chunked = self._request.body.framing is Framing.CHUNKED
        try:
            event = self._context.requests.next_event()
        except RemoteProtocolError as error:
            raise RequestAborted(error.status) from error
        match event:
            case bytes(payload):
                return format_chunk(payload) if chunked else payload
            case EndOfMessage(trailers=trailers):
                self.is_complete = True
                return format_last_chunk(self._runtime.heads.rules.passable_trailers(trailers)) if chunked else b""
            case _:
                return None

    async def send(self, upstream: SocketStream, data: bytes) -> bool:
        """Send bytes, and return whether the application took them: one that stops reading may still answer."""
        self.was_sent = True
        self._runtime.traffic.count_to_application(len(data))
        try:
            await upstream.send_all(data)
        except STREAM_LOST:
            return False
        return True

    async def run(self, upstream: SocketStream, *, takes: bool) -> bool:
        """Send the rest of the body, and return whether the application took it all.

        Once it takes no more of it, or from the begin without `takes`, the rest is read away: an application that
        answers early, say 413, may stop reading, and its answer must reach a visitor that is still sending.
        Raises `RequestAborted` or `ClientDisconnected`.
        """
        requests, account = self._context.requests, self._runtime.account
        with contextlib.closing(self._open_pipe(upstream)) as pipe:
            while not self.is_complete:
                framed = self._next_framed()
                if framed is not None:
                    if framed and takes:
                        takes = await self.send(upstream, framed)
                    framed = None  # or it would stay in memory during the next wait
                    if (
                        requests.trailing_data and not self.is_complete
                    ):  # thousands of chunks may have come at once
                        await account.take_turn()
                elif left := requests.raw_remaining:
                    # Before a piece, not after it: the end of the request, which may be here, is not to be late.
                    await account.wait_turn()
                    if takes:
                        takes, left = await self._wait_upstream(upstream, left)
                    takes = await self._pass_piece(pipe, left, takes=takes)
                else:
                    await account.wait_turn()
                    size = self._context.proxy.limits.read_size
                    if takes:
                        # What the application does not take stays with the visitor.
                        takes, size = await self._wait_upstream(upstream, size)
                    with self._visitor_in_time(), upstream.holding(requests.partial_size):
                        data = await self._context.visitor.receive_some(size)
                    if not data:  # the request is cut short, and so must it look to the application
                        raise ClientDisconnected
                    requests.receive_data(data)
                    data = b""
        return takes

    async def _wait_upstream(self, upstream: SocketStream, size: int) -> tuple[bool, int]:
        """Wait until the application takes more; return whether it does, and how many of `size` bytes."""
        try:
            return True, await wait_sink(upstream, size)
        except SinkLost:
            return False, size

    def _open_pipe(self, upstream: SocketStream) -> SplicePipe:
        return SplicePipe(self._context.visitor, upstream, self._context.proxy.buffer)

    async def _pass_piece(self, pipe: SplicePipe, max_bytes: int, *, takes: bool) -> bool:
        """Pass on bare payload that nobody looks at, and return whether the application takes more."""
        with self._visitor_in_time():
            if takes:
                try:
                    count = await pipe.receive_then_send(max_bytes)
                except SinkLost:
                    return False
            else:
                size = min(max_bytes, self._context.proxy.limits.read_size)
                count = len(await self._context.visitor.receive_some(size))
        if not count:
            raise ClientDisconnected
        self._context.requests.skip(count)
        if takes:
            self._runtime.traffic.count_to_application(count)
            try:
                if pipe.has_rest:
                    await pipe.send_rest()
            except STREAM_LOST:
                takes = False
                pipe.close()  # nobody wants what it holds
        return takes

    @contextlib.contextmanager
    def _visitor_in_time(self) -> Iterator[None]:
        """Receive from the visitor within, in time, or raise what its failure means for the request."""
        try:
            with trio.fail_after(self._context.proxy.limits.body_stall_timeout):
                yield
        except trio.TooSlowError as error:
            raise RequestAborted(408) from error
        except STREAM_LOST as error:
            raise ClientDisconnected from error
