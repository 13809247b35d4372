"""The login form and the one-time link: a token in exchange for a cookie."""

from __future__ import annotations

import secrets
import time

import trio

from conductor_trio.access.decide import decide_login
from conductor_trio.access.decisions import RedeemOneTimeLink, Respond
from conductor_trio.access.guard import TokenGuard
from conductor_trio.access.login_link import parse_login_form
from conductor_trio.access.reasons import BadRequest, Redirect
from conductor_trio.access.tokens import format_cookies, hash_token
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import EndOfMessage
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import TOKEN_ENTROPY
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import Stream
from conductor_trio.server.accounts.fairness import take_turn, wait_turn
from conductor_trio.server.routing.ports import SessionService
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def redeem_link(link: RedeemOneTimeLink, route: Route, sessions: SessionService, *, https: bool) -> Redirect:
    """Spend a one-time link on this browser, which has sent a form, and gets a token of its own as its cookie."""
    token = secrets.token_urlsafe(TOKEN_ENTROPY).encode()
    sessions.redeem(route, link.share, hash_token(token))
    return Redirect(where=link.next, set_cookies=format_cookies(token, https=https), status=303)


class LoginForm:
    """One request that brings the form, from `visitor`, whose `requests` have just given it."""

    def __init__(self, visitor: Stream, requests: RequestReader, limits: ServerLimits) -> None:
        self._visitor = visitor
        self._requests = requests
        self._limits = limits
        self.has_read_all = False  #: the request's body was read to its end

    async def submit(
        self,
        request: RequestHead,
        route: Route,
        routes: RouteTable,
        sessions: SessionService,
        guard: TokenGuard,
        *,
        https: bool,
    ) -> Respond:
        """Read the form and return the answer, having let the browser in if its token is right."""
        try:
            with trio.fail_after(self._limits.head_timeout):
                body = await self._receive_form(request)
        except trio.TooSlowError:
            return Respond(reason=BadRequest(status=408))
        except RemoteProtocolError as error:
            return Respond(reason=BadRequest(status=error.status))
        token = parse_login_form(body)
        # As it is now that the body is here: a one-time link may have been used meanwhile.
        route = routes.get(route.id) or route
        decision = decide_login(request, token, route.access, guard, https=https, now=time.time())
        if isinstance(decision, RedeemOneTimeLink):
            return Respond(reason=redeem_link(decision, route, sessions, https=https))
        return decision

    async def _receive_form(self, request: RequestHead) -> bytes:
        """Return the body; raises `RemoteProtocolError` where it is too long for a token or broken."""
        max_form = self._limits.max_login_form
        body = b""
        if request.expects_continue:
            await self._visitor.send_all(_CONTINUE)
        while True:
            match self._requests.next_event():
                case bytes(piece):
                    await take_turn()
                    body += piece
                    if len(body) > max_form:
                        raise RemoteProtocolError("a form longer than any token", status=413)
                case EndOfMessage():
                    self.has_read_all = True
                    return body
                case _:
                    await wait_turn()
                    data = await self._visitor.receive_some(max_form)
                    if not data:
                        raise RemoteProtocolError("the connection ended inside a form")
                    self._requests.receive_data(data)
