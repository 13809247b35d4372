"""Owners' commands, carried out: a user's own sessions listed, stopped, shared."""

from __future__ import annotations

import base64
import secrets
import time
from collections import Counter

from conductor_trio.access.grants import OWNER, Share
from conductor_trio.access.hostnames import user_label
from conductor_trio.access.tokens import EMPTY_TOKEN_HASH
from conductor_trio.control.events import Stop
from conductor_trio.control.owner_commands import (
    Answer,
    Command,
    ListSessions,
    RevokeShare,
    ShareSession,
    StopSession,
    describe_share,
)
from conductor_trio.errors import RegistrationRefused
from conductor_trio.server.proxy.context import Gateway
from conductor_trio.server.routing.routes import DetachedRoute, Route

_MAX_SHARES = 100  # of a session; each costs a comparison for every request
_ID_ENTROPY = 5  # bytes; 8 letters of base32: no secret, but no two the same


def execute_command(command: Command, user: str, gateway: Gateway) -> Answer:
    """Carry a user's command out and return the answer; raises `RegistrationRefused`."""
    match command:
        case ListSessions():
            return Answer(
                fields={"sessions": [describe_session(one, gateway) for one in gateway.routes.of_user(user)]}
            )
        case _:
            return execute_for(_find(command.key, user, gateway), command, gateway)


def execute_for(
    route: Route | DetachedRoute, command: StopSession | ShareSession | RevokeShare, gateway: Gateway
) -> Answer:
    """Carry a command about this session out and return the answer; raises `RegistrationRefused`."""
    match command:
        case StopSession():
            return _stop(route)
        case ShareSession():
            return _share(route, command, gateway)
        case RevokeShare(id=share):
            return _revoke(route, share, gateway)


def _find(key: str, user: str, gateway: Gateway) -> Route | DetachedRoute:
    for pattern in gateway.patterns:
        holder = gateway.routes.find(pattern.format_host(key, user_label(user)))
        if isinstance(holder, Route | DetachedRoute):
            return holder
    raise RegistrationRefused(
        f"you have no session with the key {key[:63]!a} here", advice="`ls` shows those you have"
    )


def describe_session(route: Route | DetachedRoute, gateway: Gateway) -> dict[str, object]:
    """Return what is told of a session, for JSON; times are Unix times."""
    if isinstance(route, DetachedRoute):
        state, since = "lost", route.since
    elif route.starting_since is not None:
        state, since = "starting", route.starting_since
    else:
        state, since = "live", route.live_since
    shares = [describe_share(share) for share in route.access.shares]
    told: dict[str, object] = {
        "key": route.key,
        "urls": gateway.url_hosts(route.key, route.user or ""),
        "state": state,
        "since": since,
        "node": route.node,
        "until": route.until,
        "shares": shares,
    }
    if isinstance(route, Route):
        visitors = Counter(route.grants())
        for share in shares:
            share["visitors"] = visitors[str(share["id"])]
        told |= {
            "visitors": visitors.total(),
            "ownVisitors": visitors[OWNER],
            "idleUntil": route.idle_until,
            "requests": route.traffic.requests,
            "bytesIn": route.traffic.to_application,
            "bytesOut": route.traffic.to_visitors,
        }
    return told


def _stop(route: Route | DetachedRoute) -> Answer:
    if isinstance(route, DetachedRoute):
        route.stop_requested = True
        route.event_log.note("The owner asked to stop the application, which will be told when its link is back")
        return Answer(fields={"state": "lost"})
    if route.tell is None:
        raise RegistrationRefused(
            "the client of that session cannot be told to stop", advice="end it where it runs"
        )
    route.tell(Stop())
    route.event_log.note("The owner asked to stop the application")
    return Answer(fields={"state": "live"})


def _share(route: Route | DetachedRoute, command: ShareSession, gateway: Gateway) -> Answer:
    hashes = {route.access.owner, EMPTY_TOKEN_HASH, *(share.link_hash for share in route.access.shares)}
    if command.auth in hashes:
        raise RegistrationRefused(
            "auth is that of an empty token, or of one in use", advice="choose another token"
        )
    if len(route.access.shares) >= _MAX_SHARES:
        raise RegistrationRefused(
            f"the session has {_MAX_SHARES} shares, the most there can be", advice="revoke one first"
        )
    now = time.time()
    share = Share(
        id=base64.b32encode(secrets.token_bytes(_ID_ENTROPY)).decode().lower(),
        label=command.label,
        created=now,
        expires=None if command.seconds is None else now + command.seconds,
        link_hash=command.auth,
        token_hash=None if command.is_once else command.auth,
        is_once=command.is_once,
    )
    gateway.routes.set_access(route, route.access.with_share(share))
    route.event_log.note(f"Shared: {share.label or share.id}")
    urls = gateway.url_hosts(route.key, route.user or "")
    return Answer(fields={"share": describe_share(share), "urls": urls})


def _revoke(route: Route | DetachedRoute, share: str, gateway: Gateway) -> Answer:
    if share not in {one.id for one in route.access.shares}:
        raise RegistrationRefused("the session has no share of that id", advice="`ls` shows those that it has")
    gateway.routes.set_access(route, route.access.without([share]))
    route.event_log.note("A share was revoked")
    return Answer(fields={})
