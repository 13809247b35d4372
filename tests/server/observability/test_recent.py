"""The last events of the audit log."""

from __future__ import annotations

from conductor_trio.limits.constants import MAX_RECENT_EVENTS, MAX_RECENT_TEXT
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.recent import RecentEvents


def test_what_is_short_is_told_and_ids_are_not() -> None:
    recent = RecentEvents()
    audit = AuditLog(clock=lambda: 7.0, recent=recent)
    assert audit.is_kept and not audit.is_written
    audit.note("ended", host="a.test", session="0123", reason="", is_all=False, hosts=["a.test"], text="x" * 999)
    assert list(recent.since(0)) == [
        {"at": 7.0, "event": "ended", "fields": {"host": "a.test", "text": "x" * MAX_RECENT_TEXT}}
    ]


def test_so_many_are_kept_and_each_is_told_once() -> None:
    recent = RecentEvents()
    for number in range(MAX_RECENT_EVENTS + 5):
        recent.note("event", float(number), {})
    kept = [told["at"] for told in recent.since(0)]
    assert kept == [float(number) for number in range(5, MAX_RECENT_EVENTS + 5)]
    assert [told["at"] for told in recent.since(recent.count - 2)] == kept[-2:]
    assert list(recent.since(recent.count)) == []
