"""The interface by which the data plane reaches the server's own pages, which it must not import."""

from __future__ import annotations

from typing import Protocol

from conductor_trio.access.decisions import RedeemOneTimeLink, Respond
from conductor_trio.access.grants import Principal
from conductor_trio.access.guard import TokenGuard
from conductor_trio.access.reasons import Reason
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.net.stream import Stream
from conductor_trio.pages.documents import Document
from conductor_trio.server.routing.routes import Route


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

    def show_session(self, route: Route, *, may_command: bool) -> Document:
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
