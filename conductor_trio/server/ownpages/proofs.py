"""Proofs that a session's own page speaks, and not a script of the application, which has the same origin."""

from __future__ import annotations

import secrets
from collections import OrderedDict

from conductor_trio.access.tokens import TokenHash
from conductor_trio.limits.constants import TOKEN_ENTROPY
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.routes import Route

_Session = tuple[str, TokenHash]


class PageProofs:
    """The proofs that were issued, each with a page that only a tab of its own is given, and not shown yet.

    Of each session the oldest go first. They are this process's own: after a restart a page is loaded anew.
    """

    def __init__(self, limits: ServerLimits) -> None:
        self._max_per_session = limits.max_page_proofs
        self._max_sessions = limits.max_sessions
        self._issued: OrderedDict[_Session, dict[str, None]] = OrderedDict()

    def issue(self, route: Route) -> str:
        """Return a new proof for the session's owner, good for one connection."""
        session = _identify(route)
        proofs = self._issued.setdefault(session, {})
        self._issued.move_to_end(session)
        if len(self._issued) > self._max_sessions:
            self._issued.popitem(last=False)
        if len(proofs) >= self._max_per_session:
            del proofs[next(iter(proofs))]
        proof = secrets.token_urlsafe(TOKEN_ENTROPY)
        proofs[proof] = None
        return proof

    def take(self, route: Route, proof: object) -> bool:
        """Return whether this is a proof for the session, and take it back."""
        session = _identify(route)
        proofs = self._issued.get(session, {})
        if not isinstance(proof, str) or proof not in proofs:
            return False
        del proofs[proof]
        if not proofs:
            del self._issued[session]
        return True


def _identify(route: Route) -> _Session:
    """Return what stays while a session goes from link to link, and is another for another owner's."""
    return route.hosts[0], route.access.owner_hash
