r"""The access feed: after a hand-over, the predecessor hears whom the sessions let in no more.

It carries connections for the length of its grace period, and its route table is of the time of the hand-over. On
the hand-over's channel, for as long as that is open::

    successor → predecessor    {"route": "<host>", "auth": "<blake2b-512 hex>", "shares": ["<id>", …]}

whenever the access of a session has changed, or another session has its name: those are all who get in.
"""

from __future__ import annotations

import hmac
import json

import trio

from conductor_trio.access.grants import Access
from conductor_trio.access.tokens import is_token_hash
from conductor_trio.server.routing.feed import RouteChange, RouteChanged, RouteDown, RouteUp
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.strict_json import parse_json

#: Said once, between the lines of the feed: the predecessor's sessions are used no more.
RELEASED = b'{"released": true}'


class AccessFeed:
    """What a successor has to tell, from the time that it is made until `close`: of each host name the latest."""

    def __init__(self, routes: RouteTable) -> None:
        self._changed: dict[str, Route] = {}
        self._has_changed = trio.Event()
        self._is_released = False  # which is to be told
        self._is_open = True
        routes.subscribe(self._follow)

    def _follow(self, change: RouteChange) -> None:
        match change:
            case RouteUp(route=route):
                self._note(route)
            case RouteChanged(route=route, before=before):
                if route.access != before.access:
                    self._note(route)
            case RouteDown():
                pass  # its session ends what runs for it, wherever that is

    def _note(self, route: Route) -> None:
        if self._is_open:
            self._changed[route.hosts[0]] = route
            self._has_changed.set()

    async def next_line(self) -> bytes:
        """Wait for a change and return the line that tells it."""
        while not (self._changed or self._is_released):
            self._has_changed = trio.Event()
            await self._has_changed.wait()
        if not self._changed:
            self._is_released = False
            return RELEASED + b"\n"
        route = self._changed.pop(next(iter(self._changed)))
        shares = [share.id for share in route.access.shares]
        message = {"route": route.hosts[0], "auth": route.access.owner_hash, "shares": shares}
        return json.dumps(message).encode() + b"\n"

    def note_released(self) -> None:
        """Have the predecessor told that its sessions are used no more."""
        self._is_released = True
        self._has_changed.set()

    def close(self) -> None:
        """Note nothing more."""
        self._is_open = False
        self._changed.clear()


def apply_access_line(line: bytes, routes: RouteTable) -> None:
    """Let in no more, in the predecessor, who is not in that line; raises ValueError for what is no such line."""
    match parse_json(line):
        case {"route": str() as host, "auth": str() as auth, "shares": list() as shares} if is_token_hash(auth):
            route = routes.find(host)
            if route is None:
                return
            if hmac.compare_digest(auth, route.access.owner_hash):
                gone = [share.id for share in route.access.shares if share.id not in shares]
                routes.set_access(route.id, route.access.without(gone))
            else:
                routes.set_access(route.id, Access(owner_hash=auth))
        case _:
            raise ValueError("no line of the access feed")
