"""The client's events: one JSON object a line on its standard output.

The contract's states are ``execute``, ``connect``, ``controlConnect``, ``live``, ``data``, ``dead``, ``failed``
and ``exit``; ``starting``, ``reconnecting``, ``warning``, ``idle``, ``stopping`` and ``ending`` are ours. Programs
read them, so none changes its meaning; fields and states may be added.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from typing import Literal

from conductor_trio.control.messages import Banner

#: An event, to be written as JSON or shown.
Event = Mapping[str, object]

#: What failed: this host, the way to the gateway, the server that is to be there, or what was agreed on with it.
Hop = Literal["here", "ssh", "server", "gateway"]


def format_event(event: Event) -> bytes:
    """Return the line that programs read."""
    return json.dumps(event).encode() + b"\n"


def _event(state: str, **fields: object) -> Event:
    return {"state": state, **fields}


def execute(command: list[str], pid: int, recipe: str | None = None) -> Event:
    """The application was started, with what a recipe knows about it, if one does."""
    return _event("execute", command=command, pid=pid, **({"recipe": recipe} if recipe else {}))


def connect(user: str | None, host: str | None, port: int | None) -> Event:
    """SSH is up; null where the user gave nothing."""
    return _event("connect", user=user, host=host, port=port)


def control_connect(path: str, banner: Banner) -> Event:
    """The control channel is up."""
    return _event("controlConnect", path=path, banner=banner.raw)


def live(auth: str, key: str | None, urls: tuple[str, ...]) -> Event:
    """Visitors can use it, at ``http(s)://<urls[0]>/_conductor/auth/<auth>``.

    A key that neither the user nor the server has named is the empty string, as in the original.
    """
    return _event("live", config=_config(auth, key, urls))


def starting(auth: str, key: str | None, urls: tuple[str, ...]) -> Event:
    """The name is there, and visitors are told that the application is starting; fields as in ``live``."""
    return _event("starting", config=_config(auth, key, urls))


def _config(auth: str, key: str | None, urls: tuple[str, ...]) -> dict[str, object]:
    return {"auth": auth, "key": key or "", "urls": list(urls)}


def data(kind: str, text: str) -> Event:
    """The application wrote something; `kind` is ``stdout`` or ``stderr``."""
    return _event("data", kind=kind, data=text)


def dead(reason: str) -> Event:
    """The control channel was lost; the client will have another."""
    return _event("dead", reason=reason)


def reconnecting(seconds: float, reason: str, attempt: int) -> Event:
    """There is no connection for that reason; after so many seconds comes that attempt of this outage, from 1."""
    return _event("reconnecting", **{"in": round(seconds, 3), "reason": reason, "attempt": attempt})


def warning(reason: str) -> Event:
    """It goes on, but there is something that the user should know."""
    return _event("warning", reason=reason)


def ending(signal: str) -> Event:
    """The client was asked to end, by the signal of that name, and ends the application first."""
    return _event("ending", signal=signal)


def idle(seconds: float, left: float, ends: float) -> Event:
    """Nobody has visited for so long, and the application ends for it in so many seconds, at that Unix time."""
    return _event("idle", **{"for": round(seconds), "in": round(left), "ends": round(ends)})


def used_again(seconds: float) -> Event:
    """Somebody has visited after a warning, so many seconds ago, and the application goes on."""
    return _event("idle", **{"for": round(seconds), "in": None, "ends": None})


def vetoed(seconds: float) -> Event:
    """Nobody has visited for so long, and the application goes on because it is busy."""
    return _event("idle", **{"for": round(seconds), "in": None, "ends": None, "busy": True})


def stopping(by: str, reason: str) -> Event:
    """The application is ended, ``by`` its ``owner`` from elsewhere, or because it was ``idle``."""
    return _event("stopping", by=by, reason=reason)


def failed(reason: str, hop: Hop | None = None) -> Event:
    """The client cannot go on."""
    return _event("failed", reason=reason, **({"hop": hop} if hop else {}))


def exit_(status: int) -> Event:
    """The application ended: its status, or minus the number of the signal that ended it."""
    return _event("exit", status=status)


class TextDecoder:
    """Turns one output of the application into text, across any cut of its bytes.

    What is not UTF-8 becomes U+FFFD; nothing that came is left out.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def decode(self, chunk: bytes, *, final: bool = False) -> str:
        """Return the text that is complete by now; with `final`, all that is left."""
        return self._decoder.decode(chunk, final)
