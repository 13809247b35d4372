"""The response's way: from the application's connection to the visitor, its head and its framing written anew."""

from __future__ import annotations

import enum

import trio

from conductor_trio.access.cors import sharing_fields
from conductor_trio.access.planted_cookies import forget_large
from conductor_trio.access.service_worker import guard_worker
from conductor_trio.access.transport_security import transport_security_fields
from conductor_trio.errors import RemoteProtocolError, UpstreamFault, UpstreamUnavailable
from conductor_trio.http1.body import (
    EndOfMessage,
    Framing,
    format_chunk,
    format_last_chunk,
)
from conductor_trio.http1.fields import passable_trailers
from conductor_trio.http1.reader import ResponseReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.response import ResponseHead
from conductor_trio.http1.rewrite import (
    ResponseFraming,
    format_interim_head,
    format_response_head,
    format_switch_head,
    plan_response_framing,
    switches_as_asked,
)
from conductor_trio.limits.constants import MAX_EVENTS_AT_ONCE
from conductor_trio.net.shared_buffer import SinkLost, wait_sink
from conductor_trio.net.stream import STREAM_LOST, SocketStream
from conductor_trio.server.proxy.context import ExchangeContext
from conductor_trio.server.proxy.exchange.failures import ResponseTruncated, VisitorUnreachable
from conductor_trio.server.proxy.exchange.request_pump import RequestPump
from conductor_trio.server.proxy.route_runtime import RouteRuntime


class ResponseEnd(enum.Enum):
    """What the application's connection is good for after a response."""

    REUSABLE = enum.auto()  #: another request
    SPENT = enum.auto()  #: nothing more
    SWITCHED = enum.auto()  #: the new protocol


class ResponseRelay:
    """One response; that the visitor's connection may stay, its head says if `pump` has read the whole request."""

    def __init__(
        self,
        context: ExchangeContext,
        runtime: RouteRuntime,
        upstream: SocketStream,
        request: RequestHead,
        pump: RequestPump,
    ) -> None:
        self._proxy = context.proxy
        self._visitor = context.visitor
        self._watch = context.watch
        self._traffic = runtime.traffic
        self._account = runtime.account
        self._upstream = upstream
        self._request = request
        self._pump = pump
        host = request.authority.host if request.authority else ""
        self._reader = ResponseReader(request.method, context.proxy.limits, runtime.heads, host=host)
        self._peer = context.peer
        self._may_be_https = context.peer.is_https or context.peer.is_trusted
        self._has_switched = False
        self._framing: ResponseFraming | None = None  # set when a final response's head goes out
        self._chunks_out = False
        self._upstream_stays = True
        #: No end of the application's that comes from now on is its own.
        self.is_link_lost = False

    @property
    def has_begun(self) -> bool:
        """Whether anything of a final response went to the visitor."""
        return self._has_switched or self._framing is not None

    @property
    def shows_its_end(self) -> bool:
        """Whether the visitor can tell a whole response from one that is cut by a mere close."""
        return self._framing is not None and self._framing.shows_its_end

    @property
    def keeps_visitor(self) -> bool:
        """Whether the visitor was told that the connection stays."""
        return self._framing is not None and self._framing.keep_alive

    @property
    def has_heard(self) -> bool:
        """Whether a byte of a response has come."""
        return self._reader.has_begun

    @property
    def has_unread(self) -> bool:
        """Whether bytes of the application's are here that nobody has looked at."""
        return self._upstream.has_unread()

    @property
    def has_application_ended(self) -> bool:
        """Whether the application, or the way to it, has ended the connection."""
        return self._upstream.has_peer_ended()

    @property
    def trailing_data(self) -> bytes:
        """What has come after the response."""
        return self._reader.trailing_data

    async def run(self) -> ResponseEnd:
        """Pass the response on until it is complete.

        Raises `UpstreamUnavailable` where none has begun, `ResponseTruncated` where it broke off, and
        `VisitorUnreachable`.
        """
        out: list[bytes] = []
        while True:
            try:
                await self._receive()
                while (event := self._reader.next_event()) is not None:
                    out.append(self._format_event(event))
                    if len(out) == MAX_EVENTS_AT_ONCE:
                        await self._send(out)
                        await self._account.take_turn()
                await self._send(out)
                if self._reader.is_complete:
                    return self._end()
                await self._account.wait_turn()
            except RemoteProtocolError as error:
                await self._send(out)  # noqa: ASYNC120
                raise self._cut(str(error)) from error

    def _end(self) -> ResponseEnd:
        if self._has_switched:
            return ResponseEnd.SWITCHED
        is_reusable = self._upstream_stays and not self._reader.trailing_data
        return ResponseEnd.REUSABLE if is_reusable else ResponseEnd.SPENT

    async def _receive(self) -> None:
        """Wait for bytes; of a body that needs no look at it they go on through the shared buffer at once."""
        left = None if self._chunks_out else self._reader.raw_remaining
        rest = b""
        try:
            if left is None:
                size = self._proxy.limits.read_size
                if self._reader.has_begun or self._visitor.is_slow:
                    # What the visitor does not take stays with the application.
                    size = await wait_sink(self._visitor, size)
                if self._reader.has_begun:  # perhaps with half a head, or half of what frames a chunk
                    with self._upstream.holding(self._reader.partial_size):
                        data = await self._upstream.receive_some(size)
                else:
                    data = await self._upstream.receive_some(size)
                if data:
                    self._reader.receive_data(data)
                    return
                count = 0
            else:
                count, rest = await self._proxy.buffer.receive_then_send(self._upstream, self._visitor, left)
        except SinkLost as error:
            raise VisitorUnreachable from error
        except STREAM_LOST as error:
            if not self._reader.has_begun or self._request.body.is_empty:
                raise self._cut("the connection to it was lost") from error
            # It closed with a part of the request unread, which a UNIX socket tells as a reset, not as an end.
            count = 0
        if count:
            self._reader.skip(count)
            self._traffic.count_to_visitors(count)
            self._watch.sent += count
            if rest:
                await self._send_rest(rest)
        else:
            self._reader.receive_eof()
            # Nothing but this end ends the body, and a lost link would look the same; but then word of it is
            # coming, and cancels us, unless it was here before.
            await trio.sleep(self._proxy.limits.lost_link_delay)
            if self.is_link_lost:
                raise self._cut("the link to it was lost")

    async def _send(self, out: list[bytes]) -> None:
        """Send and forget what has gathered."""
        data = b"".join(out)
        out.clear()
        if data:
            self._traffic.count_to_visitors(len(data))
            self._watch.sent += len(data)
            try:
                await self._visitor.send_all(data)
            except STREAM_LOST as error:
                raise VisitorUnreachable from error

    async def _send_rest(self, rest: bytes) -> None:
        try:
            await self._visitor.send_all(rest)
        except STREAM_LOST as error:
            raise VisitorUnreachable from error

    def _cut(self, what: str) -> Exception:
        if self._framing is None:
            return UpstreamUnavailable(what, fault=UpstreamFault.BAD_ANSWER)
        return ResponseTruncated(what)

    def _format_event(self, event: ResponseHead | bytes | EndOfMessage) -> bytes:
        """Return an event of the application's response as it goes to the visitor."""
        match event:
            case bytes(payload):
                return format_chunk(payload) if self._chunks_out else payload
            case EndOfMessage(trailers=trailers):
                return format_last_chunk(passable_trailers(trailers)) if self._chunks_out else b""
            case ResponseHead():
                return self._format_head(event)

    def _format_head(self, head: ResponseHead) -> bytes:
        if head.status == 101:
            if not switches_as_asked(self._request, head):
                raise RemoteProtocolError("it changed the protocol without being asked to")
            self._has_switched = True
            self._watch.note_response(head.status)
            return format_switch_head(head)
        if head.is_interim:
            return format_interim_head(head) if self._request.is_http11 else b""
        self._watch.note_response(head.status)
        guard = b""
        if self._request.parsed.is_for_worker:
            head, guard = guard_worker(self._request, head)
        may_keep = self._pump.is_complete and not self._proxy.activity.is_draining
        self._framing = plan_response_framing(self._request, head, may_keep=may_keep)
        self._chunks_out = self._framing.chunked
        self._upstream_stays &= head.keep_alive and head.body.framing is not Framing.CLOSE
        added: tuple[tuple[bytes, bytes], ...] = ()
        if self._proxy.policy.allowed_origins:
            added = sharing_fields(self._request, self._proxy.policy, (field.lower for field in head.fields))
        if self._may_be_https and not head.has_transport_security:
            added += transport_security_fields(self._request, https=self._peer.uses_https(self._request))
        if head.status == 431:
            forgetting = forget_large(self._request, https=self._peer.uses_https(self._request))
            added += tuple((b"Set-Cookie", value) for value in forgetting)
        text = format_response_head(self._request, head, self._framing, date=self._proxy.date.now(), added=added)
        return text + self._format_event(guard) if guard else text
