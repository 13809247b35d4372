"""One request to its application, and the response back to its visitor.

The common exchange, a request that is here as a whole, runs in the visitor's own task. A nursery is opened only
where a body is still coming while the response may come, too.
"""

from __future__ import annotations

import enum

import attrs
import trio

from conductor_trio.errors import RemoteProtocolError, UpstreamUnavailable
from conductor_trio.net.relay import STREAM_LOST
from conductor_trio.net.streams import SocketStream, Stream
from conductor_trio.server.gateway import Gateway
from conductor_trio.server.routes import Route
from conductor_trio.wire.body import EndOfMessage, Framing, format_chunk, format_last_chunk
from conductor_trio.wire.fields import passable_trailers
from conductor_trio.wire.forward import (
    Delivery,
    Peer,
    format_interim_head,
    format_request_head,
    format_response_head,
    format_switch_head,
    plan_delivery,
    switches_as_asked,
)
from conductor_trio.wire.head import RequestHead
from conductor_trio.wire.messages import RequestReader, ResponseReader
from conductor_trio.wire.response import ResponseHead


class Outcome(enum.Enum):
    """What the visitor's connection is good for after an exchange."""

    KEEP = enum.auto()  #: another request
    CLOSE = enum.auto()  #: nothing more; all that was to be said is said
    ABORT = enum.auto()  #: nothing more, and what was said must look cut short


@attrs.frozen(kw_only=True, eq=False)
class Tunnel:
    """The connection changed its protocol: what is left to do is to carry bytes both ways.

    The exchange hands it to the visitor's connection, which owns `upstream` from then on, so that nothing of the
    request stays in memory for as long as the tunnel lives.
    """

    route: Route
    upstream: SocketStream
    from_visitor: bytes
    from_application: bytes


class RequestFailed(Exception):
    """The rest of the request broke the protocol, or did not come, before a response began."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _VisitorGone(Exception):
    """The visitor aborted, or does not read."""


class Exchange:
    """One exchange; `requests` is the visitor's reader, which has just given `request`.

    `scope` is the visitor's connection's: it is cancelled when the visitor aborts or the route's session ends, and
    then `has_begun` tells what may still be said.
    """

    def __init__(
        self,
        *,
        gateway: Gateway,
        route: Route,
        peer: Peer,
        visitor: Stream,
        requests: RequestReader,
        request: RequestHead,
        scope: trio.CancelScope,
    ) -> None:
        self._gateway = gateway
        self._limits = gateway.limits
        self._route = route
        self._peer = peer
        self._visitor = visitor
        self._requests = requests
        self.request = request
        self._scope = scope
        self._watch = gateway.aborts.watch(visitor, requests, scope)
        self.request_complete = False
        self._delivery: Delivery | None = None  # set when a final response's head goes out
        self._switched = False
        self._upstream_reads = True
        self._upstream_stays = True
        self._failure: Exception | None = None  # of the task beside the response

    @property
    def has_begun(self) -> bool:
        """Whether anything of a final response went to the visitor."""
        return self._switched or self._delivery is not None

    @property
    def is_aborted(self) -> bool:
        """Whether the visitor has gone, and reads no answer."""
        return self._watch.has_aborted

    async def run(self, *, drop_authorization: bool) -> Outcome | Tunnel:
        """Carry the exchange out.

        Raises `UpstreamUnavailable` or `RequestFailed` where no response has begun, so that the visitor can be
        told by an answer of ours.
        """
        head = format_request_head(self.request, self._peer, drop_authorization=drop_authorization)
        try:
            first = head + self._available_body()
        except RemoteProtocolError as error:
            raise RequestFailed(error.status) from error
        self._route.enter(self._scope)
        try:
            return await self._run_upstream(first)
        except (_VisitorGone, _ResponseCut):
            return Outcome.ABORT
        finally:
            self._route.leave(self._scope)

    async def _run_upstream(self, first: bytes) -> Outcome | Tunnel:
        """Send over a kept connection where a failure may be repeated, otherwise over a fresh one."""
        if self.request.is_repeatable and (kept := self._route.pool.take_idle()) is not None:
            responses = ResponseReader(self.request.method, self._limits)
            try:
                return await self._run_on(kept, responses, first)
            except UpstreamUnavailable:
                # The application closed the connection just as it was used again (RFC 9112 section 9.3.1).
                if responses.has_begun:
                    raise
        upstream = await self._route.pool.open()
        return await self._run_on(upstream, ResponseReader(self.request.method, self._limits), first)

    def _available_body(self) -> bytes:
        """Return, framed, what of the request's body is here already."""
        parts = []
        while not self.request_complete and (framed := self._next_framed_body()) is not None:
            parts.append(framed)
        return b"".join(parts)

    def _next_framed_body(self) -> bytes | None:
        """Return the next piece of the request's body as it goes to the application; None: more is needed."""
        chunked = self.request.body.framing is Framing.CHUNKED
        match self._requests.next_event():
            case bytes(payload):
                return format_chunk(payload) if chunked else payload
            case EndOfMessage(trailers=trailers):
                self.request_complete = True
                return format_last_chunk(passable_trailers(trailers)) if chunked else b""
            case _:
                return None

    async def _run_on(self, upstream: SocketStream, responses: ResponseReader, first: bytes) -> Outcome | Tunnel:
        """Run over this connection, which is kept afterwards, handed on or closed, whatever happens."""
        is_ours = True
        self._upstream_reads = self._upstream_stays = True
        try:
            await self._send_to_application(upstream, first)
            if self.request_complete:
                async with self._watch:
                    await self._pump_response(upstream, responses)
            else:
                await self._pump_both(upstream, responses)
            if self._switched:
                is_ours = False
                return Tunnel(
                    route=self._route,
                    upstream=upstream,
                    from_visitor=self._requests.trailing_data,
                    from_application=responses.trailing_data,
                )
            assert self._delivery is not None
            is_clean = self._upstream_reads and self.request_complete and not responses.trailing_data
            if self._upstream_stays and is_clean:
                is_ours = False
                self._route.pool.give_back(upstream)
            return Outcome.KEEP if self._delivery.keep_alive else Outcome.CLOSE
        finally:
            if is_ours:
                upstream.close()

    async def _send_to_application(self, upstream: SocketStream, data: bytes) -> None:
        """Send while the application takes it; one that stops reading may still have an answer to give."""
        if data and self._upstream_reads:
            self._upstream_reads = False  # until all is sent: a response that is complete cancels this half-way
            try:
                await upstream.send_all(data)
                self._upstream_reads = True
            except STREAM_LOST:
                pass

    async def _pump_both(self, upstream: SocketStream, responses: ResponseReader) -> None:
        """Pump the response while the request's rest is sent, and then the visitor watched."""
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._mind_visitor, upstream, nursery.cancel_scope)
            try:
                await self._pump_response(upstream, responses)
            except (UpstreamUnavailable, _VisitorGone, _ResponseCut) as error:
                failure = error
            nursery.cancel_scope.cancel()
        failure = self._failure or failure
        if failure is not None:
            raise failure

    # The response's direction.

    async def _pump_response(self, upstream: SocketStream, responses: ResponseReader) -> None:
        """Pass the response on until it is complete."""
        out: list[bytes] = []
        while True:
            try:
                while (event := responses.next_event()) is not None:
                    out.append(self._format_event(event))
                await self._send_to_visitor(out)
                if responses.is_complete:
                    return
                left = responses.unframed_left
                if left is not None and isinstance(self._visitor, SocketStream) and not self._chunks_out:
                    await self._pass_through(upstream, responses, self._visitor, left)
                    continue
                data = await self._receive(upstream)
                if data:
                    responses.receive_data(data)
                else:
                    responses.receive_eof()
            except RemoteProtocolError as error:
                await self._send_to_visitor(out)  # noqa: ASYNC120
                raise self._response_error(str(error)) from error

    async def _pass_through(
        self, upstream: SocketStream, responses: ResponseReader, visitor: SocketStream, left: int
    ) -> None:
        """Pass on what comes of a body that needs no look at it, up to `left` bytes, through the shared buffer.

        The same as the way through the reader, at a third of its cost.
        """
        buffer = self._gateway.buffer[:left]
        try:
            count = await upstream.receive_into(buffer)
        except STREAM_LOST as error:
            raise self._response_error("the connection to it was lost") from error
        if not count:
            responses.receive_eof()
            return
        responses.skip(count)
        try:
            sent = visitor.send_nowait(buffer[:count])
            if sent < count:
                await visitor.send_all(bytes(buffer[sent:count]))
        except STREAM_LOST as error:
            raise _VisitorGone from error

    async def _receive(self, upstream: SocketStream) -> bytes:
        try:
            return await upstream.receive_some(self._limits.read_size)
        except STREAM_LOST as error:
            raise self._response_error("the connection to it was lost") from error

    def _response_error(self, what: str) -> Exception:
        if self._delivery is None:
            return UpstreamUnavailable(f"The application did not give a proper answer: {what}.")
        return _ResponseCut(what)

    def _format_event(self, event: ResponseHead | bytes | EndOfMessage) -> bytes:
        """Return an event of the application's response as it goes to the visitor."""
        match event:
            case bytes(payload):
                return format_chunk(payload) if self._chunks_out else payload
            case EndOfMessage(trailers=trailers):
                return format_last_chunk(passable_trailers(trailers)) if self._chunks_out else b""
            case ResponseHead(status=101):
                if not switches_as_asked(self.request, event):
                    raise RemoteProtocolError("it changed the protocol without being asked to")
                self._switched = True
                return format_switch_head(event)
            case ResponseHead(is_interim=True):
                return format_interim_head(event) if self.request.is_http11 else b""
            case ResponseHead():
                self._delivery = plan_delivery(
                    self.request,
                    event,
                    may_keep=self.request_complete and not self._gateway.is_draining,
                )
                self._upstream_stays &= event.keep_alive and event.body.framing is not Framing.CLOSE
                return format_response_head(self.request, event, self._delivery, date=self._gateway.date())

    @property
    def _chunks_out(self) -> bool:
        return self._delivery is not None and self._delivery.chunked

    async def _send_to_visitor(self, out: list[bytes]) -> None:
        """Send and forget what has gathered."""
        data = b"".join(out)
        out.clear()
        if data:
            try:
                await self._visitor.send_all(data)
            except STREAM_LOST as error:
                raise _VisitorGone from error

    # The request's direction, and the visitor.

    async def _mind_visitor(self, upstream: SocketStream, response: trio.CancelScope) -> None:
        """Send the rest of the request, then watch the visitor; a failure ends the response."""
        try:
            await self._pump_request(upstream)
        except (_VisitorGone, RequestFailed) as error:
            self._failure = _VisitorGone() if self.has_begun else error
            response.cancel()
        else:
            if not self._requests.trailing_data:
                await self._watch.wait_visitor()

    async def _pump_request(self, upstream: SocketStream) -> None:
        """Send the rest of the body; where the application takes no more of it, read it away.

        An application that answers early, say 413, may stop reading; its answer must reach a visitor that
        is still sending.
        """
        while not self.request_complete:
            try:
                framed = self._next_framed_body()
            except RemoteProtocolError as error:
                raise RequestFailed(error.status) from error
            if framed is None:
                self._requests.receive_data(await self._receive_body())
            else:
                await self._send_to_application(upstream, framed)

    async def _receive_body(self) -> bytes:
        try:
            with trio.fail_after(self._limits.body_stall_timeout):
                data = await self._visitor.receive_some(self._limits.read_size)
        except trio.TooSlowError as error:
            raise RequestFailed(408) from error
        except STREAM_LOST as error:
            raise _VisitorGone from error
        if not data:  # the request is cut short, and so must it look to the application
            raise _VisitorGone
        return data


class _ResponseCut(Exception):
    """The response broke off after its head had gone out."""
