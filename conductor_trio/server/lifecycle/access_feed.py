r"""The access feed: after a hand-over, the predecessor hears whom the sessions let in no more, and which are over.

It carries connections for the length of its grace period, and its route table is of the time of the hand-over. On
the hand-over's channel, for as long as that is open::

    successor → predecessor    {"route": "<host>", "auth": "<blake2b-512 hex>", "shares": ["<id>", …]}
    successor → predecessor    {"over": "<host>", "replaced": <bool>}
    successor → predecessor    {"stop": "<host>", "by": "operator", "reason": "<text>"}

The first whenever the access of a session has changed, or another session has its name: those are all who get in.
The second when a session is over, or another client has taken its name. The third when the owner asks for the end
of one whose client has not moved yet, and can be told by the predecessor alone; `by` and `reason` are missing
unless it is the operator.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

import trio

from conductor_trio.access.tokens import is_token_hash
from conductor_trio.control.events import ServerEvent, Stop
from conductor_trio.server.routing.feed import RouteChange, RouteChanged, RouteDown, RouteUp
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.records import SessionRecords
from conductor_trio.strict_json import parse_json

#: Said once, between the lines of the feed: the predecessor's sessions are used no more.
RELEASED = b'{"released": true}'


class AccessFeed:
    """What a successor has to tell, from the time that it is made until `close`: of each host name the latest.

    The owners' wish to stop one of the borrowed sessions, which are in the table already, comes through it, too.
    """

    def __init__(self, routes: RouteTable, records: SessionRecords, *, is_open: bool = True) -> None:
        self._over: dict[str, bool] = {}  # and whether another has the name
        self._stopped: dict[str, Stop] = {}
        self._changed: dict[str, Route] = {}
        self._has_news = trio.Event()
        self._is_released = False  # which is to be told
        self._is_open = is_open  # there is somebody to be told
        routes.subscribe(self._follow)
        for route in routes.attached():
            record = records.get(route.id)
            if route.is_borrowed and route.is_resumable and record is not None:
                record.notify_client = partial(self._tell_client, route.hosts[0])

    def _follow(self, change: RouteChange) -> None:
        if not self._is_open:
            return
        match change:
            case RouteUp(route=route) if route.hosts[0] not in self._over:
                self._changed[route.hosts[0]] = route
            case RouteChanged(route=route, before=before) if route.has_ended and before.is_attached:
                self._over[route.hosts[0]] = False
            case RouteChanged(route=route, before=before) if route.access != before.access:
                self._changed[route.hosts[0]] = route
            case RouteDown(route=route, cause=Cause.TAKEN_OVER) if not route.has_ended:
                self._over[route.hosts[0]] = True
            case _:
                return  # what is lost on the way is lost for both, and who has come anew has left nothing
        self._has_news.set()

    def _tell_client(self, host: str, event: ServerEvent) -> None:
        if self._is_open and isinstance(event, Stop):
            self._stopped[host] = event
            self._has_news.set()

    async def next_line(self) -> bytes:
        """Wait for a change and return the line that tells it."""
        while (line := self._take_line()) is None:
            self._has_news = trio.Event()
            await self._has_news.wait()
        return line + b"\n"

    def _take_line(self) -> bytes | None:
        message: dict[str, object]
        if self._stopped:
            host, stop = self._stopped.popitem()
            told = {"by": stop.by, "reason": stop.reason or ""} if stop.by else {}
            message = {"stop": host, **told}
        elif self._over:
            host, was_replaced = self._over.popitem()
            message = {"over": host, "replaced": was_replaced}
        elif self._changed:
            route = self._changed.pop(next(iter(self._changed)))
            shares = [share.id for share in route.access.shares]
            message = {"route": route.hosts[0], "auth": route.access.owner_hash, "shares": shares}
        elif self._is_released:
            self._is_released = False
            return RELEASED
        else:
            return None
        return json.dumps(message).encode()

    def note_released(self) -> None:
        """Have the predecessor told that its sessions are used no more."""
        self._is_released = True
        self._has_news.set()

    def close(self) -> None:
        """Note nothing more."""
        self._is_open = False
        for news in (self._changed, self._over, self._stopped):
            news.clear()


def apply_access_line(line: bytes, routes: RouteTable, records: SessionRecords) -> None:
    """Do in the predecessor what a line says, but let in nobody; raises ValueError for what is no such line."""
    match parse_json(line):
        case {"route": str() as host, "auth": str() as auth, "shares": list() as shares} if is_token_hash(auth):
            routes.narrow_access(host, auth, shares)
        case {"over": str() as host, "replaced": bool() as was_replaced}:
            if (route := routes.find(host)) is not None:
                records.end(route.id, was_replaced=was_replaced)
        case {"stop": str() as host, **more}:
            if (route := routes.find(host)) is not None:
                records.stop(route.id, _parse_stop(more))
        case _:
            raise ValueError("no line of the access feed")


def _parse_stop(told: Mapping[object, object]) -> Stop:
    match told:
        case {"by": "operator", "reason": str() as reason}:
            return Stop(by="operator", reason=reason or None)
    return Stop()
