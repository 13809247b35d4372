"""The gateway's own pages on a route's host that do more than to say something: the token form, one-time links."""

from __future__ import annotations

import secrets
import time
from typing import assert_never

import attrs
import trio

from conductor_trio.access.decide import (
    Answer,
    RedeemOneTimeLink,
    ShowSession,
    SubmitToken,
    decide_login,
    format_cookie,
)
from conductor_trio.access.login_link import parse_login_form
from conductor_trio.access.tokens import hash_token
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import EndOfMessage
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.net.stream import Stream
from conductor_trio.pages import answers
from conductor_trio.pages.answers import Document, Reply
from conductor_trio.server.proxy.context import Gateway
from conductor_trio.server.routing.routes import DetachedRoute, Route

_MAX_FORM = 4096  # bytes; a token is 32
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class LoginPage:
    """What answers one request for such a page."""

    def __init__(
        self, gateway: Gateway, route: Route | DetachedRoute, requests: RequestReader, visitor: Stream
    ) -> None:
        self._gateway = gateway
        self._route = route
        self._requests = requests
        self._visitor = visitor
        self.has_read_all = False  #: the request's body was read to its end
        self.failed_token = False  #: a token was shown and was wrong

    async def answer(
        self, request: RequestHead, decision: SubmitToken | RedeemOneTimeLink | ShowSession, *, https: bool
    ) -> Reply | Document:
        """Return the answer, having done what it says."""
        match decision:
            case RedeemOneTimeLink():
                return self._open_once(decision, https=https)
            case SubmitToken():
                return await self._log_in(request, https=https)
            case ShowSession():
                return answers.SESSION_PAGE
        assert_never(decision)

    def _open_once(self, decision: RedeemOneTimeLink, *, https: bool, status: int = 302) -> Reply:
        """Spend a one-time link on this browser."""
        token = secrets.token_urlsafe(24).encode()
        share = attrs.evolve(decision.share, token_hash=hash_token(token))
        self._gateway.routes.set_access(self._route, self._route.access.with_share(share))
        self._route.event_log.note(f"One-time link opened: {share.label or share.id}")
        return answers.redirect(decision.next, format_cookie(token, https=https), status=status)

    async def _log_in(self, request: RequestHead, *, https: bool) -> Reply:
        try:
            with trio.fail_after(self._gateway.limits.head_timeout):
                body = await self._receive_form(request)
        except trio.TooSlowError:
            return answers.bad_request(408)
        except RemoteProtocolError as error:
            return answers.bad_request(error.status)
        token = parse_login_form(body)
        # Not before the body is here: a one-time link may have been used meanwhile.
        decision = decide_login(request, token, self._route.access, https=https, now=time.time())
        match decision:
            case RedeemOneTimeLink():
                return self._open_once(decision, https=https, status=303)
            case Answer():
                self.failed_token = decision.failed_token
                return decision.reply

    async def _receive_form(self, request: RequestHead) -> bytes:
        """Return the body; raises `RemoteProtocolError` where it is too long for a token or broken."""
        body = b""
        if request.expects_continue:
            await self._visitor.send_all(_CONTINUE)
        while True:
            match self._requests.next_event():
                case bytes(piece):
                    body += piece
                    if len(body) > _MAX_FORM:
                        raise RemoteProtocolError("a form longer than any token", status=413)
                case EndOfMessage():
                    self.has_read_all = True
                    return body
                case _:
                    data = await self._visitor.receive_some(_MAX_FORM)
                    if not data:
                        raise RemoteProtocolError("the connection ended inside a form")
                    self._requests.receive_data(data)
