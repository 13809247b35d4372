"""The interfaces by which the data plane reaches the server's own pages, which it must not import."""

from __future__ import annotations

from typing import Protocol

import attrs

from conductor_trio.access.decisions import RedeemOneTimeLink, Respond
from conductor_trio.access.grants import Principal
from conductor_trio.access.guard import TokenGuard
from conductor_trio.access.reasons import Reason
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.net.stream import Stream
from conductor_trio.pages.answers import Reply
from conductor_trio.pages.documents import Document
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.observability.measures import Measures
from conductor_trio.server.routing.routes import Route


@attrs.frozen(kw_only=True, eq=False)
class ConsoleVisit:
    """An operator's browser opens the dashboard's WebSocket; `entry` is by what it was let in."""

    entry: object
    user: str
    request: RequestHead
    trailing_data: bytes
    address: str


@attrs.frozen(kw_only=True, eq=False)
class SessionView:
    """The visitor looks at the session's page: what is left to do is to serve its WebSocket."""

    request: RequestHead
    trailing_data: bytes
    route: Route
    principal: Principal
    address: str  #: the visitor's
    identity: str | None  #: who the visitor is, where the single sign-on says so


class Console(Protocol):
    """The operator's dashboard, at a host name that is no session's."""

    def is_for(self, request: RequestHead) -> bool:
        """Whether a request is addressed to it."""

    def answer(
        self, request: RequestHead, requests: RequestReader, peer: Peer, guard: TokenGuard
    ) -> Reply | Document | ConsoleVisit:
        """Return what becomes of a request that is."""

    async def serve(self, visitor: Stream, visit: ConsoleVisit) -> None:
        """Serve a dashboard's WebSocket until the operator goes, or may not stay."""


class OtherProcesses(Protocol):
    """The processes that forward requests beside this one: what they have done is the server's, too."""

    def count(self, name: str) -> int:
        """Return how often something has happened there."""

    def now(self, name: str) -> int:
        """Return how many of something there are at this moment."""

    def counters(self, own: Counters) -> Counters:
        """Return the counters of all; `own` are those of this process."""

    def measures(self, own: Measures) -> Measures:
        """Return the measures of all; `own` are those of this process."""


class OwnPages(Protocol):
    """The pages of the server's own that do more than to say something."""

    async def log_in(
        self,
        visitor: Stream,
        requests: RequestReader,
        request: RequestHead,
        route: Route,
        guard: TokenGuard,
        *,
        https: bool,
    ) -> tuple[Respond, bool]:
        """Read the login form, which is the request's body, and return the answer.

        The second value tells whether the body was read to its end.
        """

    def redeem(self, link: RedeemOneTimeLink, route: Route, *, https: bool) -> Reason:
        """Open this browser by a one-time link, and return the answer."""

    def show_session(self, route: Route, request: RequestHead, *, may_command: bool) -> Document:
        """Return the session's page, which may do what its owner wants, or only shows what is so."""

    def has_room(self, route: Route, address: str) -> bool:
        """Whether one more may look at a session's page from there."""

    async def serve_session_socket(
        self,
        visitor: Stream,
        request: RequestHead,
        trailing_data: bytes,
        route: Route,
        principal: Principal,
        address: str,
        identity: str | None,
    ) -> None:
        """Serve one who looks at the session's page, until they go; `trailing_data` came after the request.

        `identity` is who they are, where the single sign-on says so.
        """

    async def run(self) -> None:
        """Look for what is to be told to those who look at pages, for ever."""
