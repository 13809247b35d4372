"""The client's events: values, and one JSON object a line on its standard output for programs.

The contract's states are ``execute``, ``connect``, ``controlConnect``, ``live``, ``data``, ``dead``, ``failed``
and ``exit``; ``starting``, ``reconnecting``, ``warning``, ``idle``, ``notice``, ``stopping`` and ``ending`` are
ours. Programs read them, so none changes its meaning; fields and states may be added.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Literal, assert_never

from conductor_trio.access.login_link import format_login_link
from conductor_trio.errors import ConductorError, Hop, format_text
from conductor_trio.message import Message

if TYPE_CHECKING:
    from conductor_trio.control.events import Stop
    from conductor_trio.control.messages import JSONObject


class Execute(Message):
    """The application was started; `recipe` is the name of the one that added to its command."""

    command: tuple[str, ...]
    pid: int
    recipe: str | None = None


class Connect(Message):
    """SSH is up, or the server is on this host; None where the user gave nothing."""

    user: str | None
    host: str | None
    port: int | None


class ControlConnect(Message):
    """The control channel to the socket at `path` is up; `banner` is the server's greeting as it came."""

    path: str
    banner: JSONObject


class Live(Message, hides=("token",)):
    """Visitors can use the application, at ``http(s)://<urls[0]>/_conductor/auth/<token>``."""

    token: str
    key: str | None
    urls: tuple[str, ...]

    @property
    def url(self) -> str | None:
        """The login link; None where the server has named no host."""
        return format_login_link(self.urls[0], self.token) if self.urls else None


class Starting(Message, hides=("token",)):
    """The host names are registered, and visitors are told that the application is starting."""

    token: str
    key: str | None
    urls: tuple[str, ...]


class Data(Message):
    """The application wrote `text` to its standard output or standard error."""

    kind: Literal["stdout", "stderr"]
    text: str


class Dead(Message):
    """The control channel was lost; the client will dial again."""

    what: str
    advice: str | None = None


class Reconnecting(Message):
    """There is no connection; in so many `seconds` comes the attempt of that number in this outage, from 1."""

    seconds: float
    what: str
    advice: str | None = None
    attempt: int


class Warned(Message):
    """The client goes on, but there is something that the user should know.

    `port` is the TCP port on which the application listens instead of its socket, or of the port that it was told.
    """

    text: str
    port: int | None = None


class IdleWarned(Message):
    """Nobody has visited for `idle` seconds; the application ends in `left` seconds, at `ends` (Unix time)."""

    idle: float
    left: float
    ends: float


class IdleOver(Message):
    """After a warning somebody has visited, `idle` seconds ago, and the application goes on."""

    idle: float


class IdleVetoed(Message):
    """Nobody has visited for `idle` seconds, and the application goes on because it is busy."""

    idle: float


class Stopping(Message):
    """The application is ended, because its owner or the gateway's operator has asked for it, or it was idle."""

    by: Literal["owner", "operator", "idle"]
    why: str


class Notice(Message):
    """What the gateway's operator has everybody know, since then (Unix time); the session goes on."""

    about: Literal["announcement", "drain"]
    text: str
    since: float


class Ending(Message):
    """The client was asked to end, by the signal of that name, and ends the application first."""

    signal: str


class Failed(Message):
    """The client cannot go on; `tells_exit` where that is the application's exit, told in words already."""

    what: str
    advice: str | None = None
    hop: Hop
    tells_exit: bool = False


class Exit(Message):
    """The application ended: its status, or minus the number of the signal that ended it."""

    status: int


def make_stopping(stop: Stop) -> Stopping:
    """Return the event for a wish to stop that came over the control channel."""
    if stop.by is None:
        return Stopping(by="owner", why="its owner has asked for it from elsewhere")
    because = f": {stop.reason}" if stop.reason else ""
    return Stopping(by="operator", why=f"the gateway's operator has ended the session{because}")


def make_failed(error: ConductorError) -> Failed:
    """Return the event for an error that ends the client; at this host, unless the error names another hop."""
    return Failed(what=error.what, advice=error.advice, hop=error.hop or "here")


#: What programs read.
Event = (
    Execute
    | Connect
    | ControlConnect
    | Live
    | Starting
    | Data
    | Dead
    | Reconnecting
    | Warned
    | IdleWarned
    | IdleOver
    | IdleVetoed
    | Stopping
    | Notice
    | Ending
    | Failed
    | Exit
)


class SshLine(Message):
    """ssh wrote a line to its standard error: for people and the log only, since its words are its own.

    `is_repeated` where it is the same line as the one before it, `is_reason` where it is known as the reason of a
    failure, which is told when ssh ends.
    """

    text: str
    is_repeated: bool = False
    is_reason: bool = False


class LoginShell(Message):
    """The user's login shell at the gateway has been given a command, or is done: for people only."""

    is_running: bool


#: What is reported: events, and what only people and the log get.
Report = Event | SshLine | LoginShell


def format_event(event: Event) -> bytes:
    """Return the line that programs read."""
    return json.dumps(_to_json(event)).encode() + b"\n"


def _to_json(event: Event) -> JSONObject:
    match event:
        case Data(kind=kind, text=text):
            return {"state": "data", "kind": kind, "data": text}
        case Execute() | Exit():
            return _application(event)
        case Connect() | ControlConnect() | Live() | Starting():
            return _link(event)
        case Dead() | Reconnecting() | Failed():
            return _trouble(event)
        case IdleWarned() | IdleOver() | IdleVetoed():
            return {"state": "idle", **_idle(event)}
        case Warned(text=text, port=port):
            where: JSONObject = {} if port is None else {"port": port}
            return {"state": "warning", "reason": text, **where}
        case Stopping(by=by, why=why):
            return {"state": "stopping", "by": by, "reason": why}
        case Notice(about=about, text=text, since=since):
            return {"state": "notice", "about": about, "text": text, "since": since}
        case Ending(signal=signal):
            return {"state": "ending", "signal": signal}
        case _:
            assert_never(event)


def _application(event: Execute | Exit) -> JSONObject:
    match event:
        case Execute(command=command, pid=pid, recipe=recipe):
            known: JSONObject = {"recipe": recipe} if recipe else {}
            return {"state": "execute", "command": list(command), "pid": pid, **known}
        case Exit(status=status):
            return {"state": "exit", "status": status}
        case _:
            assert_never(event)


def _link(event: Connect | ControlConnect | Live | Starting) -> JSONObject:
    match event:
        case Connect(user=user, host=host, port=port):
            return {"state": "connect", "user": user, "host": host, "port": port}
        case ControlConnect(path=path, banner=banner):
            return {"state": "controlConnect", "path": path, "banner": banner}
        case Live() | Starting():
            # A key that neither the user nor the server has named is the empty string, as in the original.
            config = {"auth": event.token, "key": event.key or "", "urls": list(event.urls)}
            if isinstance(event, Live):
                return {"state": "live", "config": config, "url": event.url}
            return {"state": "starting", "config": config}
        case _:
            assert_never(event)


def _idle(event: IdleWarned | IdleOver | IdleVetoed) -> JSONObject:
    match event:
        case IdleWarned(idle=idle, left=left, ends=ends):
            return {"for": round(idle), "in": round(left), "ends": round(ends)}
        case IdleOver(idle=idle):
            return {"for": round(idle), "in": None, "ends": None}
        case IdleVetoed(idle=idle):
            return {"for": round(idle), "in": None, "ends": None, "busy": True}
        case _:
            assert_never(event)


def _trouble(event: Dead | Reconnecting | Failed) -> JSONObject:
    reason = format_text(event.what, event.advice)
    match event:
        case Dead():
            return {"state": "dead", "reason": reason}
        case Reconnecting(seconds=seconds, attempt=attempt):
            return {"state": "reconnecting", "in": round(seconds, 3), "reason": reason, "attempt": attempt}
        case Failed(hop=hop):
            return {"state": "failed", "reason": reason, "hop": hop}
        case _:
            assert_never(event)


class TextDecoder:
    """Turns one output of the application into text, across any cut of its bytes.

    What is not UTF-8 becomes U+FFFD; nothing that came is left out.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def decode(self, chunk: bytes, *, final: bool = False) -> str:
        """Return the text that is complete by now; with `final`, all that is left."""
        return self._decoder.decode(chunk, final)
