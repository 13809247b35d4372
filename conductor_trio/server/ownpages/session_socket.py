"""The session page's WebSocket: what happens, twice a second while somebody looks, and the owner's wishes."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from conductor_trio.access.grants import OWNER
from conductor_trio.access.login_link import LOGIN_PREFIX
from conductor_trio.access.tokens import hash_token
from conductor_trio.control.messages import parse_object
from conductor_trio.control.owner_commands import (
    Command,
    RevokeShare,
    ShareSession,
    StopSession,
    read_command,
)
from conductor_trio.errors import RegistrationRefused
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits import ServerLimits
from conductor_trio.net.relay import STREAM_LOST
from conductor_trio.net.stream import Stream
from conductor_trio.server.proxy.context import Gateway
from conductor_trio.server.routing.routes import DetachedRoute, Route, Tombstone
from conductor_trio.server.sessions.owner_service import describe_session, execute_for

_PAUSE = 0.5  # seconds between two updates
_MAX_MESSAGE = 4096  # bytes
_HANDSHAKE_TIMEOUT = 5.0


class _HandshakeStream(trio.abc.Stream):
    """A visitor's stream whose request has been read already, and is read here once more."""

    def __init__(self, visitor: Stream, request: RequestHead, rest: bytes, limits: ServerLimits) -> None:
        fields = b"".join(b"%b: %b\r\n" % (field.name, field.value) for field in request.fields)
        self._unread = b"GET " + request.target + b" HTTP/1.1\r\n" + fields + b"\r\n" + rest
        self._visitor = visitor
        self._read_size = limits.read_size

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._unread:
            await trio.lowlevel.checkpoint()
            data, self._unread = self._unread[:max_bytes], self._unread[max_bytes or len(self._unread) :]
            return data
        return await self._visitor.receive_some(max_bytes or self._read_size)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._visitor.send_all(data)
        except trio.TooSlowError as error:  # which the library does not expect
            raise trio.BrokenResourceError("the visitor does not read") from error

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Leave it to its owner to close."""
        await trio.lowlevel.checkpoint()


async def serve_session_socket(
    visitor: Stream, request: RequestHead, rest: bytes, route: Route | DetachedRoute, grant: str, gateway: Gateway
) -> None:
    """Serve one who looks at the session's page, until they go; `rest` came after the request."""
    async with trio.open_nursery() as nursery:
        with suppress(ConnectionClosed, trio.TooSlowError, *STREAM_LOST):
            stream = _HandshakeStream(visitor, request, rest, gateway.limits)
            with trio.fail_after(_HANDSHAKE_TIMEOUT):
                asked = await wrap_server_stream(nursery, stream, max_message_size=_MAX_MESSAGE)
                connection = await asked.accept()
            page = _SessionSocket(connection, route, grant, gateway)
            nursery.start_soon(page.run_updates, nursery.cancel_scope)
            await page.run_commands()
        nursery.cancel_scope.cancel()


class _SessionSocket:
    """One page that somebody looks at."""

    def __init__(
        self, connection: WebSocketConnection, route: Route | DetachedRoute, grant: str, gateway: Gateway
    ) -> None:
        self._connection = connection
        self._route = route
        self._grant = grant
        self._gateway = gateway

    async def run_updates(self, scope: trio.CancelScope) -> None:
        """Tell what is so whenever it has changed; at the connection's end, cancel `scope`."""
        with suppress(ConnectionClosed, *STREAM_LOST):
            await self._update()
        scope.cancel()

    async def _update(self) -> None:
        told = ""
        while True:
            # A session that lost its link and came back is another route under the same name.
            found = self._gateway.routes.find(self._route.hosts[0])
            if isinstance(found, Route | DetachedRoute):
                self._route = found
            session = describe_session(self._route, self._gateway) | {
                "you": self._grant,
                "log": self._route.event_log.describe(),
            }
            if isinstance(found, Tombstone | None):
                session["state"] = "ended"
            if (text := json.dumps(session)) != told:
                told = text
                await self._send(session=session | {"now": time.time()})
            await trio.sleep(_PAUSE)

    async def run_commands(self) -> None:
        """Do what the owner wants; ends with the connection."""
        while True:
            message = await self._connection.get_message()
            try:
                await self._handle_command(message)
            except RegistrationRefused as error:
                await self._send(error=str(error))

    async def _handle_command(self, message: str | bytes) -> None:
        if self._grant != OWNER:
            raise RegistrationRefused("only the owner's own link can do that")
        token = secrets.token_urlsafe(24)
        command = _parse_page_command(message, self._route.key, hash_token(token.encode()))
        if not isinstance(command, ShareSession | RevokeShare | StopSession):
            raise RegistrationRefused("the gateway did not understand the page", advice="load it anew")
        execute_for(self._route, command, self._gateway)
        if isinstance(command, ShareSession):
            await self._send(link=LOGIN_PREFIX + token)

    async def _send(self, **message: object) -> None:
        await self._connection.send_message(json.dumps(message))


def _parse_page_command(message: str | bytes, key: str, token_hash: str) -> Command | None:
    """Return what the page wants as the command that it is."""
    try:
        wish = parse_object(message if isinstance(message, bytes) else message.encode())
    except ValueError:
        return None
    return read_command(wish | {"command": wish.get("do"), "key": key, "auth": token_hash})
