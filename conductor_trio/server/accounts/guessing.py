"""The guard of tokens of one visitor's connection, which asks the throttle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import attrs
import trio

from conductor_trio.access.grants import Access, Principal
from conductor_trio.access.guard import Guess
from conductor_trio.access.reasons import TooManyGuesses
from conductor_trio.access.tokens import TokenHash
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.request import RequestHead
from conductor_trio.server.accounts.addresses import account_of
from conductor_trio.server.accounts.throttle import Guesser, GuessThrottle


@attrs.define(eq=False)
class ConnectionGuard:
    """Implements `access.guard.TokenGuard`; `name_of` gives the first host name of a request's route.

    A front proxy's connection is that of many visitors: what one of them has shown says nothing of the next.
    """

    _peer: Peer
    _throttle: GuessThrottle
    _name_of: Callable[[RequestHead], str]
    #: To which route, with whose token, and who owned it then.
    _admitted: tuple[str, Principal, TokenHash] | None = attrs.field(default=None, init=False)
    _screened: Guesser | None = attrs.field(default=None, init=False)  # until it is told what came of that

    def note_admitted(self, route: str, principal: Principal, owner_hash: TokenHash) -> None:
        """Remember whom the connection has shown a token of first: later ones cost no more than this look."""
        if self._admitted is None:
            self._admitted = (route, principal, owner_hash)

    def screen(
        self, head: RequestHead, guesses: Sequence[Guess], access: Access
    ) -> Sequence[Guess] | TooManyGuesses:
        """Return what may be compared now, without what is known to be wrong; or why nothing may be."""
        guesser = self._screened = self._find_guesser(head, access)
        compared, wait = self._throttle.screen(guesser, guesses, access, trio.current_time())
        return TooManyGuesses(wait=max(1, math.ceil(wait))) if wait else compared

    def note_wrong(self, head: RequestHead, guesses: Sequence[Guess], access: Access) -> None:
        """Count what was compared, and is wrong."""
        self._throttle.note_wrong(self._take_screened(head, access), guesses, access, trio.current_time())

    def note_right(self, head: RequestHead, access: Access) -> None:
        """Remember that the address was let in."""
        guesser = self._take_screened(head, access)
        if guesser.known_as is None:
            self._throttle.note_right(guesser, access)

    def _take_screened(self, head: RequestHead, access: Access) -> Guesser:
        guesser, self._screened = self._screened, None
        return guesser or self._find_guesser(head, access)

    def _find_guesser(self, head: RequestHead, access: Access) -> Guesser:
        name = self._name_of(head)
        known_as: Principal | None = None
        if self._admitted is not None and not self._peer.is_trusted:
            admitted_to, principal, owner_hash = self._admitted
            if admitted_to == name and access.admits(principal, owner_hash):
                known_as = principal
        address = account_of(self._peer.visitor_address(head))
        return Guesser(route=name, address=address, known_as=known_as)
