"""Rows of the conformance tables: one message each, the clause that rules on it, and what is to come of it.

A request either reaches the application as exactly one message, or not at all and is answered here. `passes`,
`refused`, `answered`, `returns` and `broken` make the rows; `check_row` runs a row through a real visitor's
connection, once in the way of an application that answers at once and once in that of a slow one, in which
the visitor is watched while the application thinks. Clauses are of RFC 9112 unless they name another.
The tables are in `tests/server/proxy/conformance`.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from conductor_trio.limits.server import ServerLimits
from tests.support.engine import (
    HOST,
    OK,
    Application,
    Message,
    forwarding_for,
    open_engine,
    parse_strictly,
    request,
    take_message,
)


@attrs.frozen(kw_only=True)
class Row:
    """One request, what the application must receive, and what the visitor must."""

    name: str
    clause: str
    sends: bytes
    reaches: bytes | None
    answer: bytes = OK
    status: int = 200
    shows: bytes | None = None  # the response's bytes, but for Date
    is_kept: bool = True
    unix: bool = False


def get(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1") -> bytes:
    return request(line, fields)


def post(fields: bytes, body: bytes = b"", line: bytes = b"POST / HTTP/1.1") -> bytes:
    return request(line, fields, body)


def upstream(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1", body: bytes = b"", host: bytes = HOST) -> bytes:
    """Write what the application receives; the forwarding fields are added."""
    return line + b"\r\nHost: " + host + b"\r\n" + fields + forwarding_for(host) + b"\r\n" + body


def passes(name: str, clause: str, sends: bytes, reaches: bytes, *, is_kept: bool = True) -> Row:
    """The request goes on, as `reaches`, and is answered by the application."""
    return Row(name=name, clause=clause, sends=sends, reaches=reaches, is_kept=is_kept)


def refused(name: str, clause: str, sends: bytes, status: int = 400) -> Row:
    """The request does not go on; it is answered by an error, and the connection ends."""
    return Row(name=name, clause=clause, sends=sends, reaches=None, status=status, is_kept=False)


def answered(name: str, clause: str, sends: bytes, status: int, *, is_kept: bool = True) -> Row:
    """The request does not go on; the connection stays."""
    return Row(name=name, clause=clause, sends=sends, reaches=None, status=status, is_kept=is_kept)


def returns(
    name: str, clause: str, answer: bytes, shows: bytes, *, sends: bytes | None = None, is_kept: bool = True
) -> Row:
    """The application's answer goes to the visitor as `shows`."""
    sends = get() if sends is None else sends
    method = sends.partition(b" ")[0]
    status = int(shows.rpartition(b"HTTP/1.1 ")[2][:3])
    reaches = upstream(line=method + b" / HTTP/1.1")
    return Row(
        name=name,
        clause=clause,
        sends=sends,
        reaches=reaches,
        answer=answer,
        status=status,
        shows=shows,
        is_kept=is_kept,
    )


def broken(name: str, clause: str, answer: bytes, sends: bytes | None = None) -> Row:
    """The application's answer is not passed on: 502."""
    row = returns(name, clause, answer, b"HTTP/1.1 502 Bad Gateway\r\n", sends=sends)
    return attrs.evolve(row, shows=None)


def chunked(*lines: bytes, fields: bytes = b"") -> bytes:
    return post(fields + b"Transfer-Encoding: chunked\r\n", b"".join(lines))


HTTP10 = request(b"GET / HTTP/1.0")
HTTP10_KEPT = request(b"GET / HTTP/1.0", b"Connection: keep-alive\r\n")


def unordered(message: Message) -> Message:
    """Return a message with its fields sorted: the order of different names says nothing (RFC 9110 5.3)."""
    return attrs.evolve(message, fields=tuple(sorted(message.fields)))


def unordered_head(data: bytes) -> list[bytes]:
    """Return the lines of a response's heads, sorted, without Date, and its body."""
    lines: list[bytes] = []
    while True:
        head, _, data = data.partition(b"\r\n\r\n")
        status, *fields = head.split(b"\r\n")
        lines += [status, *sorted(field for field in fields if not field.startswith(b"Date: "))]
        if not status.startswith(b"HTTP/1.1 1"):
            return [*lines, data]


def by_row(rows: list[Row]) -> pytest.MarkDecorator:
    """Run a test with each row, in the way of an application that answers at once and in that of a slow one."""
    ways = {"at-once": float("inf"), "watched": 0.0}
    return pytest.mark.parametrize(
        ("row", "watch_delay"),
        [
            pytest.param(row, delay, id=f"{row.clause} {row.name}"[:80] + f"-{way}")
            for row in rows
            for way, delay in ways.items()
        ],
    )


async def check_row(row: Row, watch_delay: float, directory: Path) -> None:
    """Send the row's request as a visitor, and check what the application and the visitor get."""
    application = Application(answer=row.answer)
    method = row.sends.lstrip(b"\r\n ").partition(b" ")[0]
    async with open_engine(directory, application, limits=ServerLimits(watch_delay=watch_delay)) as engine:
        visitor = engine.connect(unix=row.unix)
        await visitor.send(row.sends)
        response = await visitor.receive_response(b"HEAD" if method == b"HEAD" else b"GET")
        assert response.status == row.status
        if row.shows is not None:
            assert unordered_head(response.raw) == unordered_head(row.shows)
        # Whoever has just been let in goes on at a worker, and so over another connection.
        if row.is_kept and not (engine.worker is not None and row.status in (302, 303)):
            await visitor.send(request(b"OPTIONS * HTTP/1.1"))
            assert (await visitor.receive_response()).status == 200
            await visitor.send_eof()
        elif response.body or method == b"HEAD":
            assert response.values(b"connection") == [b"close"]
        await visitor.wait_closed()
        received = [parse_strictly(bytes(connection.received)) for connection in engine.origin.connections]
    expected = [] if row.reaches is None else [[unordered(take_message(row.reaches)[0])]]
    assert [[unordered(message) for message in messages] for messages in received] == expected
