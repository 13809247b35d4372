"""Owners' commands, executed: a user's own sessions listed, stopped, shared; and what is told of a session."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Hashable

import attrs

from conductor_trio.access.grants import GROUP_MARK, OWNER, Access, Share
from conductor_trio.access.tokens import EMPTY_TOKEN_HASH, TokenHash
from conductor_trio.control.events import Stop
from conductor_trio.control.owner_commands import (
    Answer,
    Command,
    ListSessions,
    RevokeShare,
    ShareSession,
    StopSession,
    describe_share,
    format_session,
)
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.constants import MAX_DESCRIBED_AT_ONCE
from conductor_trio.server.accounts.fairness import take_turn
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Detached, Ended, Live, SessionState, Starting
from conductor_trio.server.sessions.context import SessionContext

_ID_ENTROPY = 5  # bytes; 8 letters of base32: no secret, but no two the same


class OwnerService:
    """What owners, and the server's own pages, ask of the control plane: `routing.ports.SessionService`."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context

    async def execute(self, command: Command, user: str) -> Answer:
        """Execute a user's command and return the answer; raises `RegistrationRefused`."""
        match command:
            case ListSessions():
                return Answer(fields={}, sessions=await self._list(user))
            case _:
                return self.execute_for(self._find(command.key, user), command)

    async def _list(self, user: str) -> tuple[bytes, ...]:
        """Return what is told of a user's sessions, each as it is when its turn comes: all take a second."""
        routes, sessions = self._context.routes, []
        for number, one in enumerate(routes.of_user(user), start=1):
            if (route := routes.get(one.id)) is not None and not route.has_ended:
                sessions.append(format_session(self.describe(route) | {"command": route.command}))
            if not number % MAX_DESCRIBED_AT_ONCE:
                await take_turn()
        return tuple(sessions)

    def execute_for(self, route: Route, command: StopSession | ShareSession | RevokeShare) -> Answer:
        """Execute a command about this session and return the answer; raises `RegistrationRefused`."""
        match command:
            case StopSession():
                return self._stop(route)
            case ShareSession():
                return self._share(route, command)
            case RevokeShare(id=share):
                return self._revoke(route, share)

    def _find(self, key: str, user: str) -> Route:
        for host in self._context.naming.hosts(key, user):
            route = self._context.routes.find(host)
            if route is not None and not route.has_ended:
                return route
        raise RegistrationRefused(
            f"you have no session with the key {key[:63]!a} here", advice="`ls` shows those you have"
        )

    def describe(self, route: Route) -> dict[str, object]:
        """Return what is told of a session, for JSON; times are Unix times."""
        state, since = _describe_state(route.state)
        shares = [describe_share(share) for share in route.access.shares]
        told: dict[str, object] = {
            "key": route.key,
            "urls": self._context.naming.url_hosts(route.key, route.user or ""),
            "state": state,
            "since": since,
            "node": route.node,
            "application": route.application,
            "until": route.until,
            "shares": shares,
        }
        if route.is_attached:
            account = self._context.ledger.session(route.id, route.user)
            record = self._context.records.get(route.id)
            visitors = account.visitors()
            for share in shares:
                share["visitors"] = visitors[str(share["id"])]
            told |= {
                "visitors": visitors.total(),
                "ownVisitors": visitors[OWNER],
                "idleUntil": record.idle_until if record else None,
                "requests": account.traffic.requests,
                "bytesIn": account.traffic.to_application,
                "bytesOut": account.traffic.to_visitors,
            }
        return told

    def describe_for_owner(self, route: Route) -> dict[str, object]:
        """Return what the owner alone is told of a session besides, for JSON."""
        output = self.last_output(route.id)
        return {"command": route.command, **({"output": output} if output else {})}

    def last_output(self, route_id: str) -> tuple[str, ...]:
        """Return the last lines of what the application says while it starts, for its owner."""
        record = self._context.records.get(route_id)
        return () if record is None else record.output

    def version(self, route: Route) -> Hashable:
        """Return what is another value whenever something else is told of a session, who gets in apart."""
        record = self._context.records.get(route.id)
        known = None if record is None else (record.idle_until, record.event_log.changes, record.output)
        if not route.is_attached:
            return route.state, known
        account = self._context.ledger.session(route.id, route.user)
        traffic = account.traffic
        counted = traffic.requests, traffic.to_application, traffic.to_visitors, account.present
        return route.state, known, counted, account.presence.count(time.time())

    def describe_people(self, route: Route) -> list[dict[str, object]]:
        """Return who is there, for JSON, who came first before the others; of very many not all."""
        if not route.is_attached:
            return []
        presence = self._context.ledger.session(route.id, route.user).presence
        return [attrs.asdict(one) for one in presence.describe(time.time())]

    def describe_events(self, route_id: str, *, for_owner: bool = True) -> list[dict[str, object]]:
        """Return a session's last events for JSON, the latest last: all of them, or those that others may see."""
        record = self._context.records.get(route_id)
        return record.event_log.describe(for_owner=for_owner) if record else []

    def note_wrong_token(self, route_id: str) -> None:
        """Remember for the owner that somebody has shown a wrong token."""
        self._note(route_id, "A wrong token was shown")

    def note_failure(self, route_id: str, failure: str, where: str) -> None:
        """Remember for the owner how the application failed, and at which request."""
        if (record := self._context.records.get(route_id)) is not None:
            record.event_log.note_failure(failure, where)

    def redeem(self, route: Route, share: Share, token_hash: TokenHash) -> None:
        """Spend a one-time share's link on the browser that will show the token of that hash."""
        spent = attrs.evolve(share, token_hash=token_hash)
        self._context.routes.set_access(route.id, route.access.with_share(spent))
        self._note(route.id, f"One-time link opened: {share.label or share.id}")

    def _note(self, route_id: str, text: str) -> None:
        if (record := self._context.records.get(route_id)) is not None:
            record.event_log.note(text)

    def _stop(self, route: Route) -> Answer:
        host = route.hosts[0]
        self._context.audit.note("stop_requested", host=host, user=route.user, session=route.id)
        record = self._context.records.get(route.id)
        if record is None:
            raise RegistrationRefused("that session has ended")
        if route.is_detached:
            record.stop_requested = True
            self._note(
                route.id, "The owner asked to stop the application, which will be told when its link is back"
            )
            return Answer(fields={"state": "lost"})
        record.stop_requested |= route.is_borrowed
        if record.notify_client is None:
            raise RegistrationRefused(
                "the client of that session cannot be told to stop", advice="end it where it runs"
            )
        record.notify_client(Stop())
        self._note(route.id, "The owner asked to stop the application")
        return Answer(fields={"state": "live"})

    def _share(self, route: Route, command: ShareSession) -> Answer:
        limits, access = self._context.limits, route.access
        grantee = None if command.grantee is None else self._find_grantee(command.grantee, route)
        if grantee is None:
            self._check_link(command, access)
        if len(access.shares) >= limits.max_shares:
            raise RegistrationRefused(
                f"the session has {limits.max_shares} shares, the most there can be", advice="revoke one first"
            )
        own = self._context.routes.of_user(route.user) if route.user is not None else []
        if sum(len(one.access.shares) for one in own) >= limits.max_user_shares:
            raise RegistrationRefused(
                f"your sessions have {limits.max_user_shares} shares, the most for one user",
                advice="revoke one first",
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
            grantee=grantee,
        )
        self._context.routes.set_access(route.id, access.with_share(share))
        self._note(
            route.id, f"Shared: {share.label or share.id}" if grantee is None else f"Let in by name: {grantee}"
        )
        urls = self._context.naming.url_hosts(route.key, route.user or "")
        return Answer(fields={"share": describe_share(share), "urls": urls})

    def _check_link(self, command: ShareSession, access: Access) -> None:
        """Raise `RegistrationRefused` where a link would open nothing, or not this session alone."""
        sign_on = self._context.sign_on
        if sign_on is not None and sign_on.is_needed:
            raise RegistrationRefused(
                "links open nothing here: this gateway lets people in by its single sign-on alone",
                advice="name those whom you let in: `conductor-trio share KEY --with USER`",
            )
        hashes = {access.owner_hash, EMPTY_TOKEN_HASH, *(share.link_hash for share in access.shares)}
        if command.auth in hashes:
            raise RegistrationRefused(
                "auth is that of an empty token, or of one in use", advice="choose another token"
            )

    def _find_grantee(self, name: str, route: Route) -> str:
        """Return the name as the single sign-on says it; raises `RegistrationRefused` where it never will."""
        sign_on = self._context.sign_on
        if sign_on is None:
            raise RegistrationRefused(
                "names mean nothing here: this gateway has no single sign-on that tells who a visitor is",
                advice="give a link: share without --with",
            )
        if not name.startswith(GROUP_MARK):
            user = sign_on.user_of(name)
            if user == route.user:
                raise RegistrationRefused("that is you, and you get in without a share")
            return user
        if sign_on.groups_field is None:
            raise RegistrationRefused(
                "groups mean nothing here: this gateway's single sign-on tells who a visitor is, and no groups",
                advice="name the users",
            )
        if sign_on.groups_separator in name:
            raise RegistrationRefused(
                f"no group has {sign_on.groups_separator!a} in its name here, where it parts one from another",
                advice="share with one group at a time",
            )
        return name

    def _revoke(self, route: Route, share: str) -> Answer:
        if share not in {one.id for one in route.access.shares}:
            raise RegistrationRefused("the session has no share of that id", advice="`ls` shows those that it has")
        self._context.routes.set_access(route.id, route.access.without([share]))
        self._note(route.id, "A share was revoked")
        return Answer(fields={})


def _describe_state(state: SessionState) -> tuple[str, float]:
    """Return the word for a state that owners are told, and since when it is so."""
    match state:
        case Starting(since=since):
            return "starting", since
        case Live(since=since):
            return "live", since
        case Detached(since=since):
            return "lost", since
        case Ended(since=since):
            return "ended", since
