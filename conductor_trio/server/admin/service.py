"""The operator's commands, carried out: what is told, and what is done. Each act has an entry in both logs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import assert_never

import attrs
import trio

from conductor_trio.access.login_link import format_login_link
from conductor_trio.control.messages import JSONObject
from conductor_trio.errors import CommandRefused
from conductor_trio.limits.constants import DASHBOARD_TIME, MAX_BLOCKS
from conductor_trio.log import OPERATOR
from conductor_trio.server.admin.description import Describer
from conductor_trio.server.admin.entries import Entries
from conductor_trio.server.admin.messages import (
    Announce,
    Command,
    EndBlock,
    EndSessions,
    ListLinks,
    ListSessions,
    MakeLink,
    RevokeLinks,
    SetBlock,
    SetDrain,
    ShowConfiguration,
    ShowOrders,
    ShowSession,
    ShowUsage,
)
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.operation.reload import Reloads
from conductor_trio.server.orders.blocks import Block, Blocked
from conductor_trio.server.orders.orders import Announcement, Drain
from conductor_trio.server.orders.saved import describe_block, describe_orders
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.sessions.owner_service import OwnerService


def _nothing() -> JSONObject:
    return {}


@attrs.frozen(kw_only=True)
class Answer:
    """What comes of a command: a list, whose items are made one after the other, and fields that follow on it.

    None among the items is a step without one. An act is carried out by the time that all of them have been made,
    whether or not anybody reads them.
    """

    items: Iterable[JSONObject | None] = ()
    fields: Callable[[], JSONObject] = _nothing
    is_act: bool = False


class AdminService:
    """Carries out the operator's commands, whichever way they come."""

    def __init__(
        self,
        context: SessionContext,
        service: OwnerService,
        configuration: Mapping[str, object],
        reloads: Reloads,
        entries: Entries | None = None,
    ) -> None:
        self._context = context
        self._configuration = configuration
        self._reloads = reloads
        self._entries = entries
        self._describer = Describer(context, service)

    def execute(self, command: Command, operator: Operator) -> Answer:
        """Carry a command out and return the answer, whose items the caller takes; raises `CommandRefused`."""
        match command:
            case ListSessions() | ShowSession() | ShowOrders() | ShowUsage() | ShowConfiguration():
                return self._show(command)
            case EndSessions():
                return self._end(command, operator)
            case SetBlock():
                return self._block(command, operator)
            case EndBlock(kind=kind, name=name):
                if not self._context.orders.unblock(kind, name):
                    raise CommandRefused(f"{name} is not blocked", advice="`block` alone shows who is")
                self._note("unblock", operator, **{_TARGETS[kind]: name})
                return Answer(is_act=True)
            case SetDrain():
                return self._drain(command, operator)
            case MakeLink() | ListLinks() | RevokeLinks():
                return self._serve_links(command, operator)
            case Announce(text=text):
                announcement = Announcement(text=text, since=time.time()) if text else None
                self._context.orders.announce(announcement)
                self._note("announce", operator, text=text)
                return Answer(fields=self._describe_orders, is_act=True)
        assert_never(command)

    async def reload(self, operator: Operator) -> JSONObject | None:
        """Have a successor apply the file, and return what is to be told; None where it is the one to be asked.

        Raises `CommandRefused` with the reason why everything stays as it is.
        """
        self._note("reload", operator)
        report = await self._reloads.ask()
        if report is not None and report.failure is not None:
            raise CommandRefused(report.failure, exit=report.status)
        return None if report is None else {"notes": report.notes}

    def _show(self, command: ListSessions | ShowSession | ShowOrders | ShowUsage | ShowConfiguration) -> Answer:
        routes = self._context.routes
        match command:
            case ListSessions(user=user):
                return self._list(routes.snapshot().routes if user is None else tuple(routes.of_user(user)))
            case ShowSession(host=host):
                session = self._describer.describe_fully(self._find(host))
                return Answer(fields=lambda: {"session": session})
            case ShowOrders():
                return Answer(fields=self._describe_orders)
            case ShowUsage():
                return Answer(items=self._describer.describe_usage(), fields=self._describe_server)
            case ShowConfiguration():
                return self._show_configuration()
        assert_never(command)

    def _show_configuration(self) -> Answer:
        settings = self._configuration["settings"]
        assert isinstance(settings, list)
        return Answer(items=settings, fields=lambda: {"pid": os.getpid(), "file": self._configuration["file"]})

    def _list(self, routes: tuple[Route, ...]) -> Answer:
        return Answer(items=self._describer.describe_all(routes), fields=self._describe_orders)

    def _describe_orders(self) -> JSONObject:
        return {"orders": describe_orders(self._context.orders)}

    def _describe_server(self) -> JSONObject:
        context = self._context
        delay, holdings = context.ledger.fairness.delay, context.holdings
        return {
            "time": trio.current_time(),
            "sessions": len(context.routes),
            "lost": context.routes.detached,
            "requests": context.counters.requests_total,
            "held": holdings.total,
            "loopDelayPeak": round(delay.longest, 6),
            **self._describe_orders(),
        }

    def _find(self, host: str) -> Route:
        route = self._context.routes.find(host.lower().rstrip("."))
        if route is None or route.has_ended:
            raise CommandRefused(
                f"no session has the host name {host[:253]!a}", advice="`ls` shows those there are"
            )
        return route

    def _end(self, command: EndSessions, operator: Operator) -> Answer:
        routes = self._context.routes
        if command.host is not None:
            found: tuple[Route, ...] = (self._find(command.host),)
        elif command.user is not None:
            found = tuple(routes.of_user(command.user))
        else:
            found = routes.snapshot().routes
        whose = found[0].user if command.host is not None else command.user
        whom = {"host": command.host, "whose": whose, "is_all": not (command.host or command.user)}
        self._note("end", operator, **whom, sessions=len(found), reason=command.reason)
        return Answer(items=self._end_all(found, command.reason), is_act=True)

    def _end_all(self, routes: tuple[Route, ...], reason: str) -> Iterator[JSONObject | None]:
        for one in routes:
            route = self._context.routes.get(one.id)
            if route is None or route.has_ended:
                yield None
            else:
                ending = self._context.ends.end(route, reason)
                yield {"host": route.hosts[0], "user": route.user, "key": route.key, "ending": ending.value}

    def _block(self, command: SetBlock, operator: Operator) -> Answer:
        orders = self._context.orders
        others = [block for block in orders.blocks if (block.kind, block.name) != (command.kind, command.name)]
        if len(others) >= MAX_BLOCKS:
            raise CommandRefused(
                f"{MAX_BLOCKS} users and networks are blocked, the most there can be", advice="unblock some"
            )
        now = time.time()
        until = None if command.seconds is None else now + command.seconds
        block = Block(kind=command.kind, name=command.name, since=now, until=until, reason=command.reason)
        orders.block(block)
        self._note("block", operator, until=until, reason=command.reason, **{_TARGETS[block.kind]: block.name})
        running = len(self._context.routes.of_user(block.name)) if block.kind is Blocked.USER else 0
        return Answer(fields=lambda: {"block": describe_block(block), "running": running}, is_act=True)

    def _drain(self, command: SetDrain, operator: Operator) -> Answer:
        orders = self._context.orders
        if command.is_on:
            orders.set_drain(Drain(since=time.time(), reason=command.reason))
        elif orders.drain is not None:
            orders.set_drain(None)
        else:
            raise CommandRefused("new sessions are taken: there is no drain to end")
        self._note("drain" if command.is_on else "drain_ended", operator, reason=command.reason)
        return Answer(fields=lambda: self._describe_orders() | {"running": len(self._context.routes)}, is_act=True)

    def _serve_links(self, command: MakeLink | ListLinks | RevokeLinks, operator: Operator) -> Answer:
        entries, now = self._entries, time.time()
        if entries is None:
            raise CommandRefused("this server has no dashboard", advice="set admin_host")
        match command:
            case ListLinks():
                return Answer(items=entries.describe(now))
            case RevokeLinks(user=user):
                links, opened = entries.revoke(user)
                self._note("links_revoked", operator, whose=user, links=links, entries=opened)
                return Answer(fields=lambda: {"links": links, "entries": opened}, is_act=True)
            case MakeLink():
                token, until = entries.make_link(operator, now)
                self._note("link", operator, until=until)
                link = format_login_link(entries.host, token)
                return Answer(fields=lambda: {"link": link, "until": until, "lasts": DASHBOARD_TIME}, is_act=True)
        assert_never(command)

    def _note(self, act: str, operator: Operator, **fields: object) -> None:
        # Whom it is about is the `user` of all entries; `whose` is what it was called here alone.
        told = {**operator.describe(), **({"user": fields["whose"]} if "whose" in fields else {}), **fields}
        self._context.log.info(OPERATOR + act, **told)
        self._context.audit.note(OPERATOR + act, **told)


_TARGETS = {Blocked.USER: "whose", Blocked.NETWORK: "network"}
