"""The server's own pages together, as the data plane reaches them."""

from __future__ import annotations

import attrs

from conductor_trio.access.decisions import RedeemOneTimeLink, Respond
from conductor_trio.access.grants import Principal, SingleSignOn
from conductor_trio.access.guard import TokenGuard
from conductor_trio.access.reasons import Reason
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import Stream
from conductor_trio.pages.documents import Document, session_document
from conductor_trio.pages.house import House
from conductor_trio.pages.session_page import SessionView, SignOn
from conductor_trio.pages.words.languages import choose_language
from conductor_trio.server.accounts.addresses import account_of
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.ownpages.login import LoginForm, redeem_link
from conductor_trio.server.ownpages.proofs import PageProofs
from conductor_trio.server.ownpages.session_socket import SessionSocketServer
from conductor_trio.server.ownpages.session_updates import Onlooker, SessionUpdates
from conductor_trio.server.routing.ports import SessionService
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable


@attrs.frozen(eq=False)
class OwnPages:
    """Implements `proxy.ports.OwnPages` with what the control plane does for its sessions."""

    sessions: SessionService
    routes: RouteTable
    limits: ServerLimits
    orders: Orders = attrs.field(factory=Orders)
    house: House = attrs.field(factory=House)
    sign_on: SingleSignOn | None = None  #: of the front proxy's
    _proofs: PageProofs = attrs.field(init=False)

    _updates: SessionUpdates = attrs.field(init=False)

    @_updates.default
    def _make_updates(self) -> SessionUpdates:
        return SessionUpdates(self.routes, self.sessions, self.limits, self.orders)

    @_proofs.default
    def _make_proofs(self) -> PageProofs:
        return PageProofs(self.limits)

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
        """Read the login form, the request's body, and return the answer, and whether it was read to its end."""
        form = LoginForm(visitor, requests, self.limits)
        answer = await form.submit(request, route, self.routes, self.sessions, guard, https=https)
        return answer, form.has_read_all

    def redeem(self, link: RedeemOneTimeLink, route: Route, *, https: bool) -> Reason:
        """Open this browser by a one-time link, and return the answer."""
        return redeem_link(link, route, self.sessions, https=https)

    def show_session(self, route: Route, request: RequestHead, *, may_command: bool) -> Document:
        """Return the session's page, which may do what its owner wants, or only shows what is so."""
        view = SessionView(
            key=route.key,
            user=route.user or "",
            node=route.node,
            application=route.application,
            proof=self._proofs.issue(route) if may_command else "",
            sign_on=self._offer(),
        )
        return session_document(view, choose_language(request.values(b"accept-language")), self.house)

    def _offer(self) -> SignOn:
        if self.sign_on is None:
            return SignOn.NONE
        return SignOn.NEEDED if self.sign_on.is_needed else SignOn.OFFERED

    def has_room(self, route: Route, address: str) -> bool:
        """Whether one more may look at a session's page from there."""
        return self._updates.has_room(route, account_of(address))

    async def serve_session_socket(
        self,
        visitor: Stream,
        request: RequestHead,
        trailing_data: bytes,
        route: Route,
        principal: Principal,
        address: str,
        identity: str | None = None,
    ) -> None:
        """Serve one who looks at the session's page, until they go; `trailing_data` came after the request.

        `identity` is who they are, where the single sign-on says so.
        """
        server = SessionSocketServer(self.sessions, self._proofs, self.limits)
        with self._updates.watching(route, account_of(address)) as watched:
            await server.serve(visitor, request, trailing_data, watched, Onlooker(principal, identity))

    async def run(self) -> None:
        """Look for what is to be told to them, for ever."""
        await self._updates.run()
