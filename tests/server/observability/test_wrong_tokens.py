"""Wrong tokens are told by rate: the first at once, then how many; whoever guesses does not fill the disk."""

from __future__ import annotations

from conductor_trio.limits.observability import MAX_WRONG_TOKEN_ACCOUNTS
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.wrong_tokens import WrongTokens
from tests.support.observing import KeptLines
from tests.support.routes import make_route


def test_the_first_is_told_at_once_and_the_others_together() -> None:
    lines = KeptLines()
    wrong, route = WrongTokens(AuditLog(lines)), make_route()
    for _ in range(100):
        wrong.note(route, "192.0.2.1")
    assert [line["count"] for line in lines.lines] == [1]
    wrong.tell()
    assert [line["count"] for line in lines.lines] == [1, 99]
    wrong.tell()
    assert len(lines.lines) == 2
    wrong.note(route, "192.0.2.1")
    assert lines.lines[-1]["count"] == 1 and lines.lines[-1]["host"] == route.hosts[0]


def test_those_who_are_too_many_are_told_together() -> None:
    lines = KeptLines()
    wrong, route = WrongTokens(AuditLog(lines)), make_route()
    for number in range(MAX_WRONG_TOKEN_ACCOUNTS + 50):
        wrong.note(route, f"2001:db8::{number:x}")
    assert len(lines.lines) == MAX_WRONG_TOKEN_ACCOUNTS
    wrong.tell()
    [others] = lines.lines[MAX_WRONG_TOKEN_ACCOUNTS:]
    assert others["count"] == 50 and "address" not in others


def test_without_a_log_nothing_is_kept() -> None:
    wrong = WrongTokens(AuditLog())
    wrong.note(make_route(), "192.0.2.1")
    wrong.tell()
