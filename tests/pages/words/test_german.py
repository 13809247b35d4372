"""What happened in a session is told in German, too: whatever the control plane notes is in the table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import conductor_trio
from conductor_trio.pages.words.german import GERMAN

SESSIONS = Path(conductor_trio.__file__).parent / "server" / "sessions"


def noted() -> Iterator[str]:
    """Yield what is noted in a session's event log, up to a colon."""
    for path in SESSIONS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="note" | "_note" as name, value=value), args=[*_, said]) if (
                    name == "_note" or "event_log" in ast.unparse(value)
                ):
                    yield from (text.split(": ")[0] for text in texts(said))


def texts(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may be."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*texts(body), *texts(orelse))
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            yield text
        case ast.BinOp(left=left):
            yield from texts(left)


def test_every_event_has_its_words() -> None:
    found = set(noted())
    assert len(found) > 10
    assert found == set(GERMAN.events)
