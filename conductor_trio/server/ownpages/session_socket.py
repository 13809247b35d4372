"""The session page's WebSocket: updates while somebody looks, twice a second at most, and the owner's commands.

Whoever was let in may look, a script of the application included. Commands are taken from the page alone, which
begins with its proof, and is told the one for its next connection.
"""

from __future__ import annotations

import json
import secrets
from contextlib import suppress

import attrs
import trio
from trio_websocket import ConnectionClosed

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
from conductor_trio.limits.constants import TOKEN_ENTROPY
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import STREAM_LOST, Stream
from conductor_trio.server.accounts.fairness import take_turn
from conductor_trio.server.ownpages.proofs import PageProofs
from conductor_trio.server.ownpages.session_updates import Onlooker, WatchedSession
from conductor_trio.server.ownpages.websocket import PageSocket, accept_websocket
from conductor_trio.server.routing.ports import SessionService


@attrs.frozen(eq=False)
class SessionSocketServer:
    """Serves those who look at sessions' pages."""

    _sessions: SessionService
    _proofs: PageProofs
    _limits: ServerLimits

    async def serve(
        self,
        visitor: Stream,
        request: RequestHead,
        trailing_data: bytes,
        watched: WatchedSession,
        onlooker: Onlooker,
    ) -> None:
        """Serve one of them, until they go; `trailing_data` came after the request."""
        async with trio.open_nursery() as nursery:
            with suppress(ConnectionClosed, trio.TooSlowError, *STREAM_LOST):
                limits = self._limits
                connection = await accept_websocket(nursery, visitor, request, trailing_data, limits)
                if connection is not None:
                    page = _SessionSocket(
                        connection, watched, onlooker, self._sessions, self._proofs, limits.max_wrong_proofs
                    )
                    nursery.start_soon(page.run_updates, nursery.cancel_scope, name="session page updates")
                    await page.run_commands()
            nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class _SessionSocket:
    """One page that somebody looks at."""

    _connection: PageSocket
    _watched: WatchedSession
    _onlooker: Onlooker
    _sessions: SessionService
    _proofs: PageProofs
    _guesses_left: int
    _is_proven: bool = attrs.field(default=False, init=False)

    async def run_updates(self, scope: trio.CancelScope) -> None:
        """Tell what is so whenever it has changed; at the connection's end, cancel `scope`."""
        with suppress(ConnectionClosed, *STREAM_LOST):
            while True:
                version = self._watched.version
                await self._connection.send_message(self._watched.message(self._onlooker))
                await self._watched.wait_change(version)
                await take_turn()
        scope.cancel()

    async def run_commands(self) -> None:
        """Carry out what the owner wants, until the connection ends, or too many proofs were none."""
        while self._guesses_left > 0:
            message = await self._connection.get_message()
            try:
                await self._handle_command(message)
            except RegistrationRefused as error:
                await self._send(error=str(error))

    async def _handle_command(self, message: str | bytes) -> None:
        if self._onlooker.principal != OWNER:
            raise RegistrationRefused("only the owner's own link can do that")
        if not self._watched.find():
            raise RegistrationRefused("the session has ended")
        fields = _parse_page_message(message)
        if fields.get("do") == "prove":
            await self._prove(fields.get("proof"))
            return
        if not self._is_proven:
            raise RegistrationRefused("the gateway takes this from the session's own page only; load it anew")
        token = secrets.token_urlsafe(TOKEN_ENTROPY)
        auth = None if fields.get("with") else hash_token(token.encode())
        command = _read_page_command(fields, self._watched.route.key, auth)
        if not isinstance(command, ShareSession | RevokeShare | StopSession):
            raise RegistrationRefused("the gateway did not understand the page", advice="load it anew")
        self._sessions.execute_for(self._watched.route, command)
        if isinstance(command, ShareSession):
            await self._send(**({"link": LOGIN_PREFIX + token} if auth else {"named": command.grantee}))

    async def _prove(self, proof: object) -> None:
        """Take the page's proof, and tell it the one for its next connection; "" where this one was none."""
        self._is_proven = self._proofs.take(self._watched.route, proof)
        self._guesses_left -= not self._is_proven
        await self._send(proof=self._proofs.issue(self._watched.route) if self._is_proven else "")

    async def _send(self, **message: object) -> None:
        await self._connection.send_message(json.dumps(message))


def _parse_page_message(message: str | bytes) -> dict[str, object]:
    """Return a message of the page; an empty one for what is none."""
    try:
        return parse_object(message if isinstance(message, bytes) else message.encode())
    except ValueError:
        return {}


def _read_page_command(fields: dict[str, object], key: str, auth: str | None) -> Command | None:
    """Return a message of the page as an owner's command, None for what is none."""
    told = {"command": fields.get("do"), "key": key, "auth": auth, "with": fields.get("with") or None}
    return read_command(fields | told)
