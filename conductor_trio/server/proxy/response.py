"""The response's way: from the application's connection to the visitor, its head and its framing written anew."""

from __future__ import annotations

from collections.abc import Callable

import trio

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
from conductor_trio.net.relay import STREAM_LOST
from conductor_trio.net.stream import SocketStream, Stream
from conductor_trio.server.proxy.context import Gateway
from conductor_trio.server.routing.routes import Route


class ClientDisconnected(Exception):
    """The visitor aborted, or does not read."""


class ResponseTruncated(Exception):
    """The response broke off after its head had gone out."""


class ResponseRelay:
    """One response; `may_keep` tells, when its head goes out, whether the visitor's connection may stay."""

    def __init__(
        self,
        gateway: Gateway,
        route: Route,
        upstream: SocketStream,
        visitor: Stream,
        request: RequestHead,
        may_keep: Callable[[], bool],
    ) -> None:
        self._gateway = gateway
        self._traffic = route.traffic
        self._usage = route.usage
        self.upstream = upstream
        self._visitor = visitor
        self._request = request
        self._may_keep = may_keep
        self.reader = ResponseReader(request.method, gateway.limits)
        self.has_switched = False
        self._delivery: ResponseFraming | None = None  # set when a final response's head goes out
        self._chunks_out = False
        self._upstream_stays = True

    @property
    def has_begun(self) -> bool:
        """Whether anything of a final response went to the visitor."""
        return self.has_switched or self._delivery is not None

    @property
    def shows_its_end(self) -> bool:
        """Whether the visitor can tell a whole response from one that is cut by a mere close."""
        return self._delivery is not None and self._delivery.shows_its_end

    @property
    def keeps_visitor(self) -> bool:
        """Whether the visitor was told that the connection stays."""
        return self._delivery is not None and self._delivery.keep_alive

    @property
    def leaves_upstream_clean(self) -> bool:
        """Whether the application's connection is good for another request."""
        return self._upstream_stays and self.reader.is_complete and not self.reader.trailing_data

    async def run(self) -> None:
        """Pass the response on until it is complete.

        Raises `UpstreamUnavailable` where none has begun, `ResponseTruncated` where it broke off, and
        `ClientDisconnected`.
        """
        out: list[bytes] = []
        while True:
            try:
                await self._receive()
                while (event := self.reader.next_event()) is not None:
                    out.append(self._format_event(event))
                await self._send(out)
                if self.reader.is_complete:
                    return
            except RemoteProtocolError as error:
                await self._send(out)  # noqa: ASYNC120
                raise self._cut(str(error)) from error

    async def _receive(self) -> None:
        """Wait for bytes; of a body that needs no look at it they go on through the shared buffer at once."""
        left = None if self._chunks_out else self.reader.raw_remaining
        try:
            if left is None:
                data = await self.upstream.receive_some(self._gateway.limits.read_size)
                if data:
                    self.reader.receive_data(data)
                    return
                count = 0
            else:
                buffer = self._gateway.buffer[:left]
                count = await self.upstream.receive_into(buffer)
        except STREAM_LOST as error:
            raise self._cut("the connection to it was lost") from error
        if count:
            self.reader.skip(count)
            await self._send_from(buffer[:count])
            await self._gateway.fairness.yield_if_over_share(self._usage)
        else:
            self.reader.receive_eof()
            # Nothing but this end ends the body, and a lost link would look the same; but then word of it is
            # coming, and the session's end cancels us.
            await trio.sleep(self._gateway.limits.lost_link_delay)

    async def _send(self, out: list[bytes]) -> None:
        """Send and forget what has gathered."""
        if data := b"".join(out):
            out.clear()
            self._traffic.count_to_visitors(len(data))
            try:
                await self._visitor.send_all(data)
            except STREAM_LOST as error:
                raise ClientDisconnected from error
            self._gateway.fairness.charge(self._usage)

    async def _send_from(self, buffer: memoryview) -> None:
        self._traffic.count_to_visitors(len(buffer))
        try:
            await self._visitor.send_from(buffer)
        except STREAM_LOST as error:
            raise ClientDisconnected from error

    def _cut(self, what: str) -> Exception:
        if self._delivery is None:
            return UpstreamUnavailable(
                f"The application did not give a proper answer: {what}.", fault=UpstreamFault.BAD_ANSWER
            )
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
            self.has_switched = True
            return format_switch_head(head)
        if head.is_interim:
            return format_interim_head(head) if self._request.is_http11 else b""
        self._delivery = plan_response_framing(self._request, head, may_keep=self._may_keep())
        self._chunks_out = self._delivery.chunked
        self._upstream_stays &= head.keep_alive and head.body.framing is not Framing.CLOSE
        return format_response_head(self._request, head, self._delivery, date=self._gateway.date())
