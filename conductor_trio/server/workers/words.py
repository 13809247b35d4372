"""What a worker and the control process say on a connection of the internal socket, sans-IO.

::

    worker → control    <length, two bytes> {"address": "192.0.2.1", "https": true, "may_return": true, …}
                        the request as it came, and what follows it
    control → worker    {"forward": true}     forward it yourself: the visitor may; nothing follows
                        {"mine": true}        the response follows, whenever it comes
                        HTTP/1.1 …            the response

Unless the request is returned, the visitor's connection is the control process's from then on. That ends it once
what follows is better asked of a worker.
"""

from __future__ import annotations

import json
import struct

import attrs

from conductor_trio.errors import UpstreamFault
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import MAX_ADDRESS_TEXT
from conductor_trio.strict_json import parse_json

#: The length of what a worker says first.
LENGTH = struct.Struct("!H")
FORWARD = b'{"forward": true}\n'
MINE = b'{"mine": true}\n'


@attrs.frozen(kw_only=True)
class Failure:
    """How the application of that route failed at the request, and since when it does (Unix time).

    So there is nothing to forward while the route is that one.
    """

    route_id: str
    status: int
    fault: UpstreamFault
    what: str
    since: float


@attrs.frozen(kw_only=True)
class Introduction:
    """Who the visitor is: the address, "" for a UNIX socket's, and whether they came by HTTPS.

    `may_return` tells whether the worker can forward the request itself, if it is told that the visitor may;
    `is_counted` that it has begun to, and so has counted it.
    """

    address: str
    is_https: bool
    may_return: bool
    is_counted: bool = False
    failure: Failure | None = None


def format_introduction(introduction: Introduction) -> bytes:
    """Write what a worker says first, with its length."""
    told: dict[str, object] = {
        "address": introduction.address,
        "https": introduction.is_https,
        "may_return": introduction.may_return,
        "counted": introduction.is_counted,
    }
    if (failure := introduction.failure) is not None:
        told["failure"] = [failure.route_id, failure.status, failure.fault.name, failure.what, failure.since]
    text = json.dumps(told).encode()
    return LENGTH.pack(len(text)) + text


def parse_introduction(text: bytes) -> Introduction:
    """Read it, without its length; raises ValueError."""
    match parse_json(text):
        case {
            "address": str() as address,
            "https": bool() as is_https,
            "may_return": bool() as may_return,
            **more,
        } if len(address) <= MAX_ADDRESS_TEXT:
            failure = _parse_failure(more.get("failure"))
            return Introduction(
                address=address,
                is_https=is_https,
                may_return=may_return,
                is_counted=more.get("counted") is True,
                failure=failure,
            )
    raise ValueError("no introduction")


def _parse_failure(value: object) -> Failure | None:
    match value:
        case None:
            return None
        case [str() as route_id, int() as status, str() as fault, str() as what, float() as since] if (
            fault in UpstreamFault.__members__
        ):
            return Failure(route_id=route_id, status=status, fault=UpstreamFault[fault], what=what, since=since)
    raise ValueError("no failure")


def format_as_received(head: RequestHead) -> bytes:
    """Write a request's head as it came, cookies of ours and all."""
    fields = head.parsed
    host = b""
    if fields.reading.host is None and head.authority is not None:  # it stood in the target alone
        port = head.authority.port
        host = (
            b"Host: %b\r\n" % (head.authority.host if port is None else f"{head.authority.host}:{port}").encode()
        )
    version = b"1" if head.is_http11 else b"0"
    return b"%b %b HTTP/1.%b\r\n%b%b" % (head.method, head.target, version, host, fields.block)


def read_reply(data: bytes) -> tuple[bool, bytes] | None:
    """Return whether the worker is to forward it, and what of the response is here; None where more is to come."""
    if not data.startswith(b"{"):
        return (False, data) if data else None
    line, found, rest = data.partition(b"\n")
    if not found:
        return None
    return line + found == FORWARD, rest
