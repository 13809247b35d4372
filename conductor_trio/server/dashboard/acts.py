"""What an operator does in the dashboard: the commands of the command line, carried out by the same service."""

from __future__ import annotations

import pwd

import attrs
import trio

from conductor_trio.control.messages import JSONObject
from conductor_trio.errors import CommandRefused
from conductor_trio.limits.constants import MAX_DESCRIBED_AT_ONCE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import take_turn
from conductor_trio.server.admin.messages import (
    Announce,
    Command,
    EndBlock,
    EndSessions,
    Reload,
    SetBlock,
    SetDrain,
    ShowSession,
    read_command,
)
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.admin.service import AdminService
from conductor_trio.server.orders.blocks import Blocked
from conductor_trio.server.orders.networks import Networks, parse_network
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.thread import run_in_thread

#: What the page asks for; the rest is for the command line.
_ALLOWED = (Announce, EndBlock, EndSessions, SetBlock, SetDrain, ShowSession)


@attrs.frozen(eq=False)
class Acts:
    """Carries out what a dashboard asks for."""

    _service: AdminService
    _routes: RouteTable
    _limits: ServerLimits

    async def execute(self, told: JSONObject, operator: Operator) -> JSONObject:
        """Carry a command out to its end, and return what is told of it; raises `CommandRefused`."""
        command = await self._read(told)
        if isinstance(command, SetBlock) and command.kind is Blocked.NETWORK:
            _spare_oneself(command, operator)
        answer = self._service.execute(command, operator)
        count = 0
        for step, item in enumerate(answer.items, start=1):
            count += item is not None
            if not step % MAX_DESCRIBED_AT_ONCE:
                await take_turn()
        return {"count": count, **answer.fields()}

    async def _read(self, told: JSONObject) -> Command:
        if told.get("command") == "block" and isinstance(target := told.get("target"), str):
            told = told | await self._find_target(target.strip())
        command = read_command(told)
        if isinstance(command, Reload) or not isinstance(command, _ALLOWED):
            raise CommandRefused("the dashboard does not do that", advice="use the command line")
        return command

    async def _find_target(self, target: str) -> JSONObject:
        """Return whether a user or a network is meant; raises `CommandRefused` where there is no such user."""
        try:
            return {"network": parse_network(target)}
        except ValueError as error:
            if not target or "/" in target or ":" in target:
                raise CommandRefused(f"{error}") from None
        if not self._routes.of_user(target):
            await self._look_up(target)
        return {"user": target}

    async def _look_up(self, user: str) -> None:
        """Raise `CommandRefused` unless this host knows the user; a directory service can hang."""
        with trio.move_on_after(self._limits.user_lookup_timeout):
            if await run_in_thread(lambda: _is_user(user), abandon_on_cancel=True):
                return
            raise CommandRefused(f"{user[:100]!a} is neither a user of this host nor a network")
        raise CommandRefused("the gateway could not look up that user in time", advice="try again")


def _is_user(user: str) -> bool:
    try:
        return pwd.getpwnam(user).pw_name == user
    except (KeyError, ValueError):
        return False


def _spare_oneself(command: SetBlock, operator: Operator) -> None:
    """Raise `CommandRefused` where an operator would lock themselves out."""
    if operator.address is not None and Networks([command.name]).has(operator.address):
        raise CommandRefused(
            f"you come from {command.name} yourself, and would be out",
            advice="`conductor-trio-server block` on the gateway's host does it",
        )
