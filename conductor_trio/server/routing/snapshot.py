"""Snapshots of the route table: one format for the state file, for the hand-over, and for whoever else wants one.

::

    {"snapshot": 2, "since": <Unix time>, "routes": <number>, "orders": {…}}
    {"id": "…", "user": "alice", "key": "app", "hosts": ["…"], "auth": "<blake2b-512 hex>", "shares": […],
     "named": […], "state": "starting" | "live" | "detached", "since": <Unix time>, "relay": "<path>" | null,
     "resumable": <bool>, "node": "…", "until": <Unix time> | null, "application": "…", "command": "…"}
    …

One line of JSON for the whole, with the operator's orders that stand (`orders.saved`), then one for each route, so
that it can be written and read in pieces. Fields that are not named here are ignored. What one user can leave is
bounded: by the sessions that one user may have, and by the bytes of a line.

Version 1 was one line for all, ``{"since": …, "routes": [{"hosts", "auth", "shares"}]}``, and for the hand-over
another, a list of the sessions that are lent; it is still read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeGuard

import attrs

from conductor_trio.access.grants import Access, Share, describe_saved, parse_saved, parse_saved_grantee
from conductor_trio.access.tokens import is_token_hash
from conductor_trio.limits.constants import MAX_SAVED_TIME, MAX_SNAPSHOT_LINE, MAX_SNAPSHOT_V1
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Detached, Ended, Live, SessionState, Starting
from conductor_trio.strict_json import is_count, is_number, parse_json

VERSION = 2


@attrs.frozen(kw_only=True)
class Snapshot:
    """The sessions of a server at a time (Unix time): those whose clients are there, and those expected back.

    `orders` are the operator's that stand, as `orders.saved` describes them.
    """

    since: float
    routes: tuple[Route, ...]
    orders: Mapping[str, object] = attrs.field(factory=dict)


def format_snapshot(snapshot: Snapshot) -> Iterator[bytes]:
    """Yield the lines of a snapshot, each with its newline."""
    routes = [route for route in snapshot.routes if not route.has_ended]
    orders = {"orders": snapshot.orders} if snapshot.orders else {}
    yield _line({"snapshot": VERSION, "since": snapshot.since, "routes": len(routes), **orders})
    for route in routes:
        yield _line(describe_route(route))


def _line(message: dict[str, object]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def describe_route(route: Route) -> dict[str, object]:
    """Return a route as `parse_route` reads it, in JSON; one that has ended as one that is detached."""
    name, since = _describe_state(route.state)
    return {
        "id": route.id,
        "user": route.user,
        "key": route.key,
        "hosts": route.hosts,
        "auth": route.access.owner_hash,
        "shares": [describe_saved(share) for share in route.access.shares if share.grantee is None],
        # By themselves: a server that knows nothing of them ignores them, and goes on with the rest.
        "named": [describe_saved(share) for share in route.access.shares if share.grantee is not None],
        "state": name,
        "since": since,
        # What is lent to us is not ours to lend.
        "relay": None if route.is_borrowed else route.relay_path,
        "resumable": route.is_resumable,
        "node": route.node,
        "until": route.until,
        "application": route.application,
        "command": route.command,
    }


def _describe_state(state: SessionState) -> tuple[str, float]:
    match state:
        case Starting(since=since):
            return "starting", since
        case Live(since=since):
            return "live", since
        case Detached(since=since) | Ended(since=since):
            return "detached", since


class SnapshotReader:
    """Reads a snapshot line by line, of either version; bounded as `ServerLimits` says.

    Sessions of one user beyond the number that a user may have are left out.
    """

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._since: float | None = None
        self._orders: Mapping[str, object] = {}
        self._left = 0  # lines to come
        self._routes: list[Route] = []
        self._of_user: Counter[str | None] = Counter()

    def receive_line(self, line: bytes) -> None:
        """Take in a line, without its newline; raises ValueError for what is no part of a snapshot."""
        if len(line) > (MAX_SNAPSHOT_V1 if self._since is None else MAX_SNAPSHOT_LINE):
            raise ValueError("a line that is too long")
        value = parse_json(line, has_odd_numbers=True)
        if self._since is None:
            self._begin(value)
        elif self._left:
            self._left -= 1
            self._add(parse_route(value))
        else:
            raise ValueError("more lines than routes")

    def _begin(self, value: object) -> None:
        match value:
            case {"snapshot": 2, "since": since, "routes": number, **more} if _is_time(since) and is_count(
                number, self._limits.max_sessions
            ):
                self._since, self._left = float(since), number
                self._orders = orders if isinstance(orders := more.get("orders"), dict) else {}
            case {"since": since, "routes": list() as routes} if _is_time(since):
                self._since = float(since)
                for index, route in enumerate(routes):
                    self._add(_parse_route_v1(route, f"saved-{index}", float(since)))
            case _:
                raise ValueError("no snapshot of a version that is known")

    def _add(self, route: Route) -> None:
        self._of_user[route.user] += 1
        # Version 1 does not say whose a route is.
        most = self._limits.max_sessions if route.user is None else self._limits.max_user_sessions
        if self._of_user[route.user] <= most:
            self._routes.append(route)

    @property
    def is_complete(self) -> bool:
        """Whether no line is missing."""
        return self._since is not None and not self._left

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot, once it is complete; raises ValueError before."""
        if self._since is None or self._left:
            raise ValueError("lines are missing")
        return Snapshot(since=self._since, routes=tuple(self._routes), orders=self._orders)


def parse_snapshot(lines: Iterable[bytes], limits: ServerLimits) -> Snapshot:
    """Read the lines of a whole snapshot; raises ValueError."""
    reader = SnapshotReader(limits)
    for line in lines:
        reader.receive_line(line.rstrip(b"\n"))
    return reader.snapshot


def parse_route(value: object) -> Route:
    """Read one route of a snapshot; raises ValueError."""
    match value:
        case {
            "id": str() as id_,
            "user": (str() | None) as user,
            "key": str() as key,
            "hosts": [str(), *_] as hosts,
            "auth": str() as auth,
            "shares": list() as shares,
            "state": ("starting" | "live" | "detached") as state,
            "since": since,
            "relay": (str() | None) as relay,
            "resumable": bool() as is_resumable,
            **more,
        } if (
            id_
            and is_token_hash(auth)
            and _is_time(since)
            and _are_hosts(hosts)
            and (user is None or _is_user(user))
        ):
            return Route(
                id=id_,
                user=user,
                key=key,
                hosts=_unique(hosts),
                access=Access(owner_hash=auth, shares=_parse_shares(shares, more.get("named"))),
                state=_parse_state(state, float(since)),
                relay_path=relay,
                is_resumable=is_resumable,
                node=_parse_text(more.get("node")),
                application=_parse_text(more.get("application")),
                command=_parse_text(more.get("command")),
                until=_parse_time(more.get("until")),
            )
    raise ValueError("no route")


def _parse_shares(links: list[object], named: object) -> tuple[Share, ...]:
    """Return the shares by links, and those with people who are named; raises ValueError."""
    people = named if isinstance(named, list) else []
    return (*map(parse_saved, links), *map(parse_saved_grantee, people))


def _parse_state(name: str, since: float) -> SessionState:
    match name:
        case "starting":
            return Starting(since=since)
        case "live":
            return Live(since=since)
        case _:
            return Detached(since=since, expires=0.0)  # its new time is up to who restores it


def _parse_route_v1(value: object, id_: str, since: float) -> Route:
    match value:
        case {"hosts": [str(), *_] as hosts, "auth": str() as auth, **more} if is_token_hash(auth):
            shares = more.get("shares", [])  # the first servers left none
            if _are_hosts(hosts) and isinstance(shares, list):
                return Route(
                    id=id_,
                    user=None,
                    key="",
                    hosts=_unique(hosts),
                    access=Access(owner_hash=auth, shares=tuple(map(parse_saved, shares))),
                    state=Detached(since=since, expires=0.0),
                )
    raise ValueError("no route")


def parse_lent_v1(line: bytes, since: float) -> tuple[Route, ...]:
    """Read the sessions that a predecessor of version 1 lends, live since then (Unix time); raises ValueError."""
    match parse_json(line, has_odd_numbers=True):
        case list() as values:
            return tuple(_parse_lent_v1(value, f"lent-{index}", since) for index, value in enumerate(values))
    raise ValueError("no list of sessions")


def _parse_lent_v1(value: object, id_: str, since: float) -> Route:
    match value:
        case {
            "user": str() as user,
            "key": str() as key,
            "hosts": [str(), *_] as hosts,
            "token_hash": str() as auth,
            "relay_path": str() as relay,
            "moves": bool() as is_resumable,
            **more,
        } if is_token_hash(auth) and _are_hosts(hosts) and _is_user(user):
            shares = more.get("shares", [])  # the first servers had none
            if isinstance(shares, list):
                return Route(
                    id=id_,
                    user=user,
                    key=key,
                    hosts=_unique(hosts),
                    access=Access(owner_hash=auth, shares=tuple(map(parse_saved, shares))),
                    state=Live(since=since),
                    relay_path=relay,
                    is_resumable=is_resumable,
                )
    raise ValueError("no session")


def _parse_text(value: object) -> str:
    """Return a text; what is none is an empty one."""
    return value if isinstance(value, str) else ""


def _parse_time(value: object) -> float | None:
    """Return a Unix time; what is none, or beyond any, is none."""
    return float(value) if _is_time(value) else None


def _unique(hosts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(hosts))


def _are_hosts(values: list[object]) -> bool:
    return all(isinstance(host, str) and host for host in values)


def _is_time(value: object) -> TypeGuard[int | float]:
    return is_number(value) and 0 <= value < MAX_SAVED_TIME


def _is_user(name: str) -> bool:
    """Whether the system may know a user of that name; bytes that are no UTF-8 come as lone surrogates."""
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
