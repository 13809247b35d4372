"""The guard of tokens of one visitor's connection, which asks the throttle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import trio

from conductor_trio.access.grants import Access, Principal
from conductor_trio.access.guard import Guess
from conductor_trio.access.reasons import TooManyGuesses
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.request import RequestHead
from conductor_trio.server.accounts.addresses import account_of
from conductor_trio.server.accounts.throttle import Guesser, GuessThrottle
from conductor_trio.server.routing.routes import Route


@attrs.define(eq=False)
class ConnectionGuard:
    """Implements `access.guard.TokenGuard`; `request` and `route` are those that are ruled on.

    A front proxy's connection is that of many visitors: what one of them has shown says nothing of the next.
    """

    _peer: Peer
    _throttle: GuessThrottle
    request: RequestHead | None = attrs.field(default=None, init=False)
    route: Route | None = attrs.field(default=None, init=False)
    _admitted_to: Route | None = attrs.field(default=None, init=False)
    _admitted_as: Principal | None = attrs.field(default=None, init=False)

    def note_admitted(self, route: Route, principal: Principal) -> None:
        """Remember whom the connection has shown a token of last."""
        self._admitted_to, self._admitted_as = route, principal

    def screen(self, guesses: Sequence[Guess], access: Access) -> Sequence[Guess] | TooManyGuesses:
        """Return what may be compared now, without what is known to be wrong; or why nothing may be."""
        compared, wait = self._throttle.screen(self._guesser(access), guesses, access, trio.current_time())
        return TooManyGuesses(wait=max(1, math.ceil(wait))) if wait else compared

    def note_wrong(self, guesses: Sequence[Guess], access: Access) -> None:
        """Count what was compared, and is wrong."""
        self._throttle.note_wrong(self._guesser(access), guesses, access, trio.current_time())

    def note_right(self) -> None:
        """Remember that the address was let in."""
        assert self.route is not None
        access = self.route.access
        guesser = self._guesser(access)
        if guesser.known_as is None:
            self._throttle.note_right(guesser, access)

    def _guesser(self, access: Access) -> Guesser:
        route, request, admitted = self.route, self.request, self._admitted_to
        assert route is not None and request is not None, "nothing is ruled on"
        is_known = (
            admitted is not None
            and self._admitted_as is not None
            and admitted.hosts[0] == route.hosts[0]
            and access.admits(self._admitted_as, admitted.access.owner_hash)
            and not self._peer.is_trusted
        )
        return Guesser(
            route=route.hosts[0],
            address=account_of(self._peer.visitor_address(request)),
            known_as=self._admitted_as if is_known else None,
        )
