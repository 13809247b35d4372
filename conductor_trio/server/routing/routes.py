"""What a host name stands for. No I/O.

A name is that of a session (`Route`), of one whose link was lost and whose client is expected back
(`DetachedRoute`), of one that has ended (`Tombstone`), or nobody's; `table` beside this knows which.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

import attrs
import trio

from conductor_trio.access.grants import OWNER, Access, Share
from conductor_trio.control.events import ServerEvent
from conductor_trio.server.accounts.fairness import Usage
from conductor_trio.server.accounts.traffic import Traffic
from conductor_trio.server.proxy.upstream import UpstreamPool
from conductor_trio.server.sessions.event_log import EventLog


@attrs.frozen(kw_only=True)
class SavedRoute:
    """What a server leaves of a route to its successor: its names, and whose requests to let wait for it."""

    hosts: tuple[str, ...]
    token_hash: str
    shares: tuple[Share, ...] = ()


@attrs.define(eq=False, kw_only=True)
class Route:
    """One session's address at the gateway: its hosts, the hash of its token, and the way to its relay socket.

    The exchanges and tunnels that run for it are registered here, so that the session takes down its own.
    """

    user: str
    key: str
    hosts: tuple[str, ...]
    token_hash: str
    pool: UpstreamPool
    #: The session's: cancelled when another one takes the name.
    session: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    #: Whether, when the session ends now, the client is expected back.
    is_resumable: bool = False
    is_replaced: bool = False
    #: Since when (Unix time) the application is starting, while it does.
    starting_since: float | None = None
    live_since: float = attrs.field(factory=time.time)  # Unix time
    node: str = ""
    until: float | None = None  #: when the computer's time for it is over (Unix time), if known
    idle_until: float | None = None  #: when it ends because nobody uses it (Unix time), if there was a warning
    event_log: EventLog = attrs.field(factory=EventLog)
    traffic: Traffic = attrs.field(factory=Traffic)
    #: Tells the client, if it listens.
    tell: Callable[[ServerEvent], None] | None = None
    stop_requested: bool = False  #: the owner has said so while the link was lost
    failing_since: float | None = None  #: Unix time, while the application does not answer
    is_open: bool = True
    usage: Usage = attrs.field(factory=Usage, init=False)
    access: Access = attrs.field(init=False)
    _scopes: dict[trio.CancelScope, str] = attrs.field(factory=dict, init=False)
    _onlookers: dict[trio.CancelScope, str] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.access = Access(owner=self.token_hash)

    @property
    def connections(self) -> int:
        """How many exchanges and tunnels run."""
        return len(self._scopes)

    def grants(self) -> Iterable[str]:
        """Return for each exchange and tunnel what it was let in by."""
        return self._scopes.values()

    def enter(self, scope: trio.CancelScope, grant: str = OWNER) -> None:
        """Have a scope cancelled when the session ends, or what it was let in by, or at once where that is so."""
        self._scopes[scope] = grant
        if not self.is_open:
            scope.cancel()

    def leave(self, scope: trio.CancelScope) -> None:
        """Leave a scope alone from now on."""
        self._scopes.pop(scope, None)

    def watch(self, scope: trio.CancelScope, grant: str) -> None:
        """Have the scope of one who looks at the session's page cancelled when what they were let in by ends."""
        self._onlookers[scope] = grant

    def unwatch(self, scope: trio.CancelScope) -> None:
        """Leave such a scope alone from now on."""
        self._onlookers.pop(scope, None)

    def close(self) -> None:
        """End every exchange and tunnel of this route, and close its kept connections."""
        self.is_open = False
        for scope in self._scopes:
            scope.cancel()
        self.pool.close()

    def revoke(self, ids: Collection[str]) -> None:
        """End these shares, and all that was let in by them."""
        self.access = self.access.without(ids)
        for scope, grant in (self._scopes | self._onlookers).items():
            if grant in ids:
                scope.cancel()

    def yield_name(self) -> None:
        """End the session, because another one takes its name."""
        self.is_replaced = True
        self.close()
        self.session.cancel()


@attrs.define(eq=False, kw_only=True)
class DetachedRoute:
    """The address of a session whose link was lost.

    `user` is None for one that an earlier server has left; a host name is the same user's at any time.
    """

    user: str | None
    key: str
    hosts: tuple[str, ...]
    access: Access
    since: float  # Unix time
    expires: float  # trio's time
    node: str = ""
    until: float | None = None
    event_log: EventLog = attrs.field(factory=EventLog)
    stop_requested: bool = False  #: the client is to be told so when it is back
    parked: int = 0
    #: Set when the name is a session's again, or nobody's any more.
    settled: trio.Event = attrs.field(factory=trio.Event)

    def yield_name(self) -> None:
        """Let the requests that wait look again."""
        self.settled.set()


@attrs.frozen(kw_only=True)
class Tombstone:
    """The address of a session that has ended."""

    user: str | None
    since: float  # Unix time
    expires: float  # trio's time
    former: DetachedRoute | Route  #: for a session that comes back late
    access: None = None  #: nobody gets in


KnownRoute = Route | DetachedRoute | Tombstone
