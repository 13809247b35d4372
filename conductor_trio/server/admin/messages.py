r"""The operator's commands and their answers over ``<runtime>/admin``: one JSON object a line, both ends, sans-IO.

The dialogue::

    operator → server   {"command": "sessions", "user": "<name>" | null}
                        {"command": "session", "host": "<host name>"}
                        {"command": "end", "host": "<host name>", "reason": "<text>"}    or "user", or "all": true
                        {"command": "block", "user": "<name>", "for": <seconds> | null, "reason": "<text>"}
                        {"command": "block", "network": "<network>", "for": …, "reason": …}
                        {"command": "unblock", "user": "<name>"}                         or with "network"
                        {"command": "drain", "on": <bool>, "reason": "<text>"}
                        {"command": "announce", "text": "<text>"}                        "" for nothing any more
                        {"command": "orders"}
                        {"command": "usage"}
                        {"command": "link"}                                              to the dashboard
                        {"command": "links"}
                        {"command": "revoke", "user": "<name>" | null}
                        {"command": "config"}
                        {"command": "reload"}
    server → operator   {"item": {…}}          any number of them, for a list
                        {"status": "ok", "count": <number of items>, …}
                        or {"status": "error", "reason": "<text>", "what": "<text>", "advice": "<text>"}

Each command has one answer, in order. That to ``reload`` is the last one of its connection: ``notes`` once a
successor serves, or why everything stays as it is, with ``exit``, the status of the program that found so.
Fields that are not named here are ignored. A command can be given again where no answer came: what is so already
is so then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from conductor_trio.control.messages import JSONObject, format_object, parse_object
from conductor_trio.errors import CommandRefused, RemoteProtocolError, format_text
from conductor_trio.limits.constants import MAX_BLOCK_TIME, MAX_ORDER_TEXT
from conductor_trio.server.orders.blocks import Blocked
from conductor_trio.server.orders.networks import parse_network
from conductor_trio.strict_json import is_number

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@attrs.frozen(kw_only=True)
class ListSessions:
    """Asks for all sessions, or those of a user."""

    user: str | None = None


@attrs.frozen(kw_only=True)
class ShowSession:
    """Asks for all that is known of the session that has a host name."""

    host: str


@attrs.frozen(kw_only=True)
class EndSessions:
    """Asks to end the session that has a host name, or those of a user, or, with neither, all."""

    host: str | None = None
    user: str | None = None
    reason: str = ""


@attrs.frozen(kw_only=True)
class SetBlock:
    """Asks to keep a user or a network out, for so many seconds, or for good."""

    kind: Blocked
    name: str
    seconds: float | None = None
    reason: str = ""


@attrs.frozen(kw_only=True)
class EndBlock:
    """Asks to keep a user or a network out no longer."""

    kind: Blocked
    name: str


@attrs.frozen(kw_only=True)
class SetDrain:
    """Asks to take no new sessions, or to take them again."""

    is_on: bool
    reason: str = ""


@attrs.frozen(kw_only=True)
class Announce:
    """Asks to have everybody read a text; an empty one is none."""

    text: str


@attrs.frozen
class ShowOrders:
    """Asks for the orders that stand."""


@attrs.frozen
class ShowUsage:
    """Asks who uses what; from the first time on, the processor's use is measured while the connection stands."""


@attrs.frozen
class MakeLink:
    """Asks for a one-time link to the dashboard."""


@attrs.frozen
class ListLinks:
    """Asks which links to the dashboard there are, and who was let in."""


@attrs.frozen(kw_only=True)
class RevokeLinks:
    """Asks to end all links to the dashboard and whatever was opened by them, or those of a user."""

    user: str | None = None


@attrs.frozen
class ShowConfiguration:
    """Asks for the settings that are in force, and where each is said."""


@attrs.frozen
class Reload:
    """Asks to have a successor apply the file."""


#: What is carried out at once.
Command = (
    ListSessions
    | ShowSession
    | EndSessions
    | SetBlock
    | EndBlock
    | SetDrain
    | Announce
    | ShowOrders
    | ShowUsage
    | MakeLink
    | ListLinks
    | RevokeLinks
    | ShowConfiguration
)


#: Those without fields.
_ALONE: Mapping[str, type[ShowOrders | ShowUsage | MakeLink | ListLinks | ShowConfiguration | Reload]] = {
    "orders": ShowOrders,
    "usage": ShowUsage,
    "link": MakeLink,
    "links": ListLinks,
    "config": ShowConfiguration,
    "reload": Reload,
}
_NAMES = {kind: name for name, kind in _ALONE.items()}


def parse_command(line: bytes) -> Command | Reload:
    """Read a command; raises `CommandRefused` with what is wrong."""
    try:
        message = parse_object(line)
    except ValueError as error:
        raise CommandRefused(f"the command is {error}") from None
    return read_command(message)


def read_command(message: JSONObject) -> Command | Reload:
    """Read a command that is JSON already; raises `CommandRefused` with what is wrong."""
    match message.get("command"):
        case "sessions":
            return ListSessions(user=_name(message, "user"))
        case "session":
            return ShowSession(host=_required(message, "host"))
        case "end":
            return _parse_end(message)
        case "block":
            kind, name = _target(message)
            return SetBlock(kind=kind, name=name, seconds=_seconds(message), reason=_text(message, "reason"))
        case "unblock":
            kind, name = _target(message)
            return EndBlock(kind=kind, name=name)
        case "drain":
            if not isinstance(is_on := message.get("on"), bool):
                raise CommandRefused("on is neither true nor false")
            return SetDrain(is_on=is_on, reason=_text(message, "reason"))
        case "announce":
            return Announce(text=_text(message, "text"))
        case "revoke":
            return RevokeLinks(user=_name(message, "user"))
        case str(name) if name in _ALONE:
            return _ALONE[name]()
    raise CommandRefused("this server does not know that command", advice="it may be older: reload it")


def format_command(command: Command | Reload) -> bytes:
    """Write a command."""
    return format_object(_describe(command))


def _describe(command: Command | Reload) -> JSONObject:
    match command:
        case ListSessions(user=user):
            return {"command": "sessions", "user": user}
        case ShowSession(host=host):
            return {"command": "session", "host": host}
        case EndSessions(host=host, user=user, reason=reason):
            whom: JSONObject = {"host": host} if host is not None else {"user": user}
            return {"command": "end", **(whom if host or user else {"all": True}), "reason": reason}
        case SetBlock(kind=kind, name=name, seconds=seconds, reason=reason):
            return {"command": "block", kind.value: name, "for": seconds, "reason": reason}
        case EndBlock(kind=kind, name=name):
            return {"command": "unblock", kind.value: name}
        case SetDrain(is_on=is_on, reason=reason):
            return {"command": "drain", "on": is_on, "reason": reason}
        case Announce(text=text):
            return {"command": "announce", "text": text}
        case RevokeLinks(user=user):
            return {"command": "revoke", "user": user}
        case _:
            return {"command": _NAMES[type(command)]}


def format_item(item: Mapping[str, object]) -> bytes:
    """Write one of a list."""
    return format_object({"item": item})


def format_end(count: int, fields: Mapping[str, object]) -> bytes:
    """Write the end of an answer."""
    return format_object({"status": "ok", "count": count, **fields})


def format_refusal(error: CommandRefused) -> bytes:
    """Write why a command is not carried out."""
    return format_object(
        {
            "status": "error",
            "reason": format_text(error.what, error.advice),
            "what": error.what,
            "advice": error.advice,
            **({} if error.exit is None else {"exit": error.exit}),
        }
    )


def parse_answer(line: bytes) -> tuple[JSONObject, bool]:
    """Read a line of an answer: an item, or the end, and which of them it is (true for the end).

    Raises `CommandRefused` with the reason that the server gives, or `RemoteProtocolError`.
    """
    try:
        message = parse_object(line)
    except ValueError as error:
        raise RemoteProtocolError(f"the server's answer is {error}") from None
    match message:
        case {"item": dict() as item}:
            return item, False
        case {"status": "ok"}:
            return message, True
        case {"status": "error", "what": str(what), "advice": (str() | None) as advice} if what:
            status = message.get("exit")
            raise CommandRefused(what, advice=advice, exit=status if isinstance(status, int) else None)
        case {"status": "error", "reason": str(reason)} if reason:
            raise CommandRefused(reason)
    raise RemoteProtocolError("the server's answer is none")


def _parse_end(message: JSONObject) -> EndSessions:
    host, user, is_all = _name(message, "host"), _name(message, "user"), message.get("all") is True
    if (host is not None) + (user is not None) + is_all != 1:
        raise CommandRefused("one of host, user and all is needed")
    return EndSessions(host=host, user=user, reason=_text(message, "reason"))


def _target(message: JSONObject) -> tuple[Blocked, str]:
    user, network = _name(message, "user"), _name(message, "network")
    if user is not None and network is None:
        return Blocked.USER, user
    if user is None and network is not None:
        try:
            return Blocked.NETWORK, parse_network(network)
        except ValueError as error:
            raise CommandRefused(f"{error}") from None
    raise CommandRefused("either a user or a network is needed")


def _name(message: JSONObject, field: str) -> str | None:
    name = message.get(field)
    if name is None:
        return None
    if not isinstance(name, str) or not name or _UNPRINTABLE.search(name):
        raise CommandRefused(f"{field} is no name")
    return name


def _required(message: JSONObject, field: str) -> str:
    name = _name(message, field)
    if name is None:
        raise CommandRefused(f"{field} is missing")
    return name


def _seconds(message: JSONObject) -> float | None:
    seconds = message.get("for")
    if seconds is None:
        return None
    if not is_number(seconds) or not 0 < seconds <= MAX_BLOCK_TIME:
        raise CommandRefused("a block lasts for ten years at most, or until it is ended")
    return float(seconds)


def _text(message: JSONObject, field: str) -> str:
    text = message.get(field, "")
    if not isinstance(text, str) or len(text) > MAX_ORDER_TEXT or _UNPRINTABLE.search(text):
        raise CommandRefused(f"{field} is no line of at most {MAX_ORDER_TEXT} printable characters")
    return text.strip()
