r"""The relay socket as the server finds it, asked before the registration: extension ``relay``.

The dialogue after the greeting::

    client → server   {"relay": "inspect"}
    server → client   {"status": "ok", "relay": "open"}  or  {"status": "ok", "relay": "closed"}

*Open* tells that the server can connect to it as it is; then the client has nothing more to do over there, for
which it would need a login shell. It may ask again, and registers as ever.
"""

from __future__ import annotations

from conductor_trio.control.messages import JSONObject, format_object, parse_from_server
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.message import Message


class InspectRelay(Message):
    """Asks whether the server can use the relay socket as it is."""


class RelayInspected(Message):
    """The answer."""

    is_open: bool


def format_inspection() -> bytes:
    """Write the client's question."""
    return format_object({"relay": "inspect"})


def read_inspection(message: JSONObject) -> InspectRelay | None:
    """Return the client's question, if the object is that."""
    return InspectRelay() if message.get("relay") == "inspect" else None


def format_inspected(answer: RelayInspected) -> bytes:
    """Write the server's answer."""
    return format_object({"status": "ok", "relay": "open" if answer.is_open else "closed"})


def parse_inspected(line: bytes) -> RelayInspected:
    """Read the server's answer; raises `RegistrationRefused` with its reason, or `RemoteProtocolError`."""
    match parse_from_server(line, "answer"):
        case {"relay": "open"}:
            return RelayInspected(is_open=True)
        case {"relay": "closed"}:
            return RelayInspected(is_open=False)
    raise RemoteProtocolError("the server's answer does not tell how the relay socket is")
