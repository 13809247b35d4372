"""Sessions that the predecessor still has, and visitors reach here, too, until their clients have registered."""

from __future__ import annotations

import contextlib
import json

import attrs
import trio

from conductor_trio.access.grants import Share, parse_saved
from conductor_trio.access.tokens import is_token_hash
from conductor_trio.limits import ServerLimits
from conductor_trio.server.proxy.upstream import UpstreamPool
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable

_POLL_PAUSE = 0.02  # between two looks at what nothing announces


@attrs.frozen(kw_only=True)
class LentSession:
    """What the predecessor tells of a session; `moves` if its client has been asked to register here."""

    user: str
    key: str
    hosts: tuple[str, ...]
    token_hash: str
    shares: tuple[Share, ...] = ()
    relay_path: str
    moves: bool


def exportable_sessions(routes: RouteTable) -> tuple[LentSession, ...]:
    """Return the sessions that a successor can use while we have them; those lent to us are not ours to lend."""
    return tuple(
        LentSession(
            user=route.user,
            key=route.key,
            hosts=route.hosts,
            token_hash=route.token_hash,
            shares=route.access.shares,
            relay_path=route.pool.path,
            moves=route.is_resumable,
        )
        for route in routes.live()
        if route.starting_since is None and not isinstance(route, BorrowedRoute)
    )


def format_lent(sessions: tuple[LentSession, ...]) -> bytes:
    """Write sessions as one line of JSON."""
    return json.dumps([attrs.asdict(session) for session in sessions]).encode() + b"\n"


def parse_lent(line: bytes) -> tuple[LentSession, ...]:
    """Read what `format_lent` wrote; raises ValueError for anything else."""
    match json.loads(line):
        case list() as values:
            return tuple(map(_parse_session, values))
    raise ValueError("no list of sessions")


def _parse_session(value: object) -> LentSession:
    match value:
        case {
            "user": str() as user,
            "key": str() as key,
            "hosts": [str(), *_] as hosts,
            "token_hash": str() as token_hash,
            "relay_path": str() as relay_path,
            "moves": bool() as moves,
            **more,
        } if is_token_hash(token_hash) and all(isinstance(host, str) for host in hosts):
            shares = more.get("shares", [])  # an earlier version has none
            if not isinstance(shares, list):
                raise ValueError("no shares")
            return LentSession(
                user=user,
                key=key,
                hosts=tuple(hosts),
                token_hash=token_hash,
                shares=tuple(map(parse_saved, shares)),
                relay_path=relay_path,
                moves=moves,
            )
    raise ValueError("no session")


@attrs.define(eq=False, kw_only=True)
class BorrowedRoute(Route):
    """The address of such a session. Whoever takes its name lets what runs for it go on."""

    def yield_name(self) -> None:
        """Leave the name to the client's new session, or to another of the same user."""
        self.is_replaced = True

    def close(self) -> None:
        """Nothing: what runs may go on until `end`."""

    def end(self) -> None:
        """End every exchange and tunnel of this route, and close its kept connections."""
        Route.close(self)


class BorrowedRoutes:
    """The routes of such sessions, in the table from the beginning."""

    def __init__(self, sessions: tuple[LentSession, ...], routes: RouteTable, limits: ServerLimits) -> None:
        self._lent: dict[BorrowedRoute, contextlib.ExitStack] = {}  # and what keeps it in the table
        for session in sessions:
            route = BorrowedRoute(
                user=session.user,
                key=session.key,
                hosts=session.hosts,
                token_hash=session.token_hash,
                pool=UpstreamPool(session.relay_path, limits),
                is_resumable=session.moves,
            )
            route.access = attrs.evolve(route.access, shares=session.shares)
            self._lent[route] = contextlib.ExitStack()
            self._lent[route].enter_context(routes.registered(route))

    @property
    def are_used(self) -> bool:
        """Whether some are, or may be."""
        return bool(self._lent)

    async def wait_moved(self) -> None:
        """Return once every client that was asked to has registered here, and nothing runs over there for it."""
        async with trio.open_nursery() as nursery:
            for route in self._lent:
                nursery.start_soon(route.pool.run_expiry)
            while any([self._is_needed(route) for route in self._lent]):  # noqa: ASYNC110, C419
                await trio.sleep(_POLL_PAUSE)
            nursery.cancel_scope.cancel()

    def _is_needed(self, route: BorrowedRoute) -> bool:
        if route.is_replaced:
            self._lent[route].close()
            return route.connections > 0
        return route.is_resumable

    def end(self) -> None:
        """Use none of them any more: the predecessor ends. Those whose clients are not here yet are expected."""
        for route, registration in self._lent.items():
            route.is_resumable = True
            registration.close()
            route.end()
        self._lent.clear()
