r"""The control channel's events, which follow the registration in any order: one JSON object a line.

============ ================= ==================================================== ===========================
event        from              fields                                               needs, in the registration
============ ================= ==================================================== ===========================
``ping``     server            ``idle``: seconds, ``visitors``: connections         ``resume``
``pong``     client            ``ends``: Unix time; may be absent                   ``resume``
``leave``    client                                                                 ``resume``
``output``   client            ``lines``: a list of texts                           ``output``
``ready``    client, answered                                                       ``starting``
             by the server
``stop``     server            ``by``: ``operator``, ``reason``: text; both absent    ``owner``
                               where the owner has asked
``probe``    client, answered  ``nonce``: 32 hexadecimal digits                     ``probe``
             by the server     ``reason``: text, only where it failed
``move``     server                                                                 ``resume``
``replaced`` server                                                                 ``resume``
``notice``   server            ``about``: ``announcement`` or ``drain``;              ``notices``
                               ``text``; ``since``: Unix time
============ ================= ==================================================== ===========================

For example ``{"event": "ping", "idle": 12.5, "visitors": 0}``. Which end may send which in which state is in the
tables of `conductor_trio.control.states`. To a client, an event that it does not know is no error.
"""

from __future__ import annotations

import re
from typing import Literal

from conductor_trio.control.messages import JSONObject, format_object, parse_object, parse_time
from conductor_trio.limits.constants import MAX_COUNT, MAX_NOTICE_TEXT, MAX_OUTPUT_LINE, MAX_OUTPUT_LINES, MAX_TIME
from conductor_trio.message import Message
from conductor_trio.printable import escape
from conductor_trio.strict_json import is_count, is_number


class Ping(Message):
    """From the server, every few seconds: either end knows by the silence that the link is dead.

    `idle` is for how many seconds nothing has gone through, `visitors` counts connections; None where not told.
    """

    idle: float | None = None
    visitors: int | None = None


class Pong(Message):
    """From the client: the answer to `Ping`.

    `ends` is when (Unix time) the application ends because nobody uses it, if it is to.
    """

    ends: float | None = None


class Leave(Message):
    """From the client: it ends on purpose, and so does the name."""


class Ready(Message):
    """From the client: the application listens; from the server, its answer: visitors see it."""


class Output(Message):
    """From the client, while its application starts: the last lines of what that says, for its owner to see."""

    lines: tuple[str, ...]


class Probe(Message):
    """From the client: connect to the relay socket, and say the nonce and a newline there.

    The client sees it arrive, and knows that the whole way stands.
    """

    nonce: str


class Probed(Message):
    """From the server, its answer to `Probe`: that is said, or cannot be, for that `reason`."""

    reason: str | None = None


class Stop(Message):
    """From the server: the owner wants the application to end, or the gateway's operator does, and says why."""

    by: Literal["operator"] | None = None
    reason: str | None = None


class Move(Message):
    """From the server: register again, on another channel; this one is served to its end."""


class Replaced(Message):
    """From the server: another session has taken the name; this channel ends."""


class Notice(Message):
    """From the server: what the gateway's operator has everybody know, since then (Unix time).

    It is said to each channel anew. Since when it stands tells whether it is another.
    """

    about: Literal["announcement", "drain"]
    text: str
    since: float


#: What a client says, and what a server says.
ClientEvent = Ready | Pong | Output | Probe | Leave
ServerEvent = Ping | Ready | Probed | Stop | Move | Replaced | Notice

Event = ClientEvent | ServerEvent

_NAMES: dict[type[Event], str] = {
    Ping: "ping",
    Pong: "pong",
    Leave: "leave",
    Output: "output",
    Ready: "ready",
    Probe: "probe",
    Probed: "probe",
    Stop: "stop",
    Move: "move",
    Replaced: "replaced",
    Notice: "notice",
}


def format_event(event: Event) -> bytes:
    """Write an event as a line; a field that is None is left out."""
    fields = {name: value for name, value in vars(event).items() if value is not None}
    return format_object({"event": _NAMES[type(event)], **fields})


def parse_event(line: bytes) -> Event | None:
    """Read an event; None for anything else, among it what later versions may say."""
    try:
        message = parse_object(line)
    except ValueError:
        return None
    match message.get("event"):
        case "ping":
            return Ping(idle=_parse_seconds(message), visitors=_parse_count(message))
        case "pong":
            return Pong(ends=parse_time(message.get("ends")))
        case "probe":
            return _parse_probe(message)
        case "leave":
            return Leave()
        case "output":
            return _parse_output(message)
        case "ready":
            return Ready()
        case "stop":
            return _parse_stop(message)
        case "move":
            return Move()
        case "replaced":
            return Replaced()
        case "notice":
            return _parse_notice(message)
    return None


def _parse_output(message: JSONObject) -> Output | None:
    """Read the lines, as many as are shown; None where they are no texts."""
    lines = message.get("lines")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        return None
    last = lines[-MAX_OUTPUT_LINES:]
    return Output(lines=tuple(escape(line[:MAX_OUTPUT_LINE], keep="\t")[:MAX_OUTPUT_LINE] for line in last))


def _parse_probe(message: JSONObject) -> Probe | Probed | None:
    """Read either end's, which have the same name; None where the nonce is none."""
    nonce, reason = message.get("nonce"), message.get("reason")
    if nonce is None:
        return Probed(reason=reason if isinstance(reason, str) else None)
    is_nonce = isinstance(nonce, str) and re.fullmatch(r"[0-9a-f]{32}", nonce)
    return Probe(nonce=nonce) if is_nonce and isinstance(nonce, str) else None


def _parse_stop(message: JSONObject) -> Stop:
    """Read the wish, whoever has it: what tells more of it may be of a later version."""
    if message.get("by") != "operator":
        return Stop()
    reason = message.get("reason")
    return Stop(by="operator", reason=_cut(reason) if isinstance(reason, str) and reason else None)


def _parse_notice(message: JSONObject) -> Notice | None:
    about, text, since = message.get("about"), message.get("text"), parse_time(message.get("since"))
    if about not in ("announcement", "drain") or not isinstance(text, str) or not text or since is None:
        return None
    return Notice(about="drain" if about == "drain" else "announcement", text=_cut(text), since=since)


def _cut(text: str) -> str:
    return text[:MAX_NOTICE_TEXT]


def _parse_seconds(message: JSONObject) -> float | None:
    idle = message.get("idle")
    return float(idle) if is_number(idle) and 0 <= idle < MAX_TIME else None


def _parse_count(message: JSONObject) -> int | None:
    visitors = message.get("visitors")
    return visitors if is_count(visitors, MAX_COUNT) else None
