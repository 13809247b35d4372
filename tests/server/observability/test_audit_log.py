"""The audit log: an event and its fields, a line each; without a reader it costs nothing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.grants import OWNER, Access, Principal
from conductor_trio.access.tokens import hash_token
from conductor_trio.server.observability.access_log import format_json
from conductor_trio.server.observability.audit_log import AuditLog, describe_grant, name_grant
from tests.support.observing import KeptLines
from tests.support.shares import make_named, make_share

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def test_an_event_has_its_time_and_fields() -> None:
    lines = KeptLines()
    AuditLog(lines, clock=lambda: 1_700_000_000.5).note("session_ended_by_admin", admin="root", host="a.test")
    assert lines.lines == [
        {"time": "2023-11-14T22:13:20.500Z", "event": "session_ended_by_admin", "admin": "root", "host": "a.test"}
    ]


def test_without_a_sink_nothing_happens() -> None:
    audit = AuditLog()
    assert not audit.is_kept
    audit.note("anything", at=object())


@given(st.dictionaries(st.text(), values))
def test_no_field_breaks_a_line(fields: dict[str, Any]) -> None:
    text = format_json(fields)
    assert text.endswith("\n") and text[:-1].isascii() and text[:-1].isprintable()
    assert json.loads(text) == fields


def test_a_share_is_told_with_its_label() -> None:
    share = make_share(id="abc")
    access = Access(owner_hash=hash_token(b"t"), shares=(share,))
    assert describe_grant(access, OWNER) == {
        "grant": "owner",
        "share": None,
        "label": None,
        "identity": None,
    }
    assert describe_grant(access, Principal("abc")) == {
        "grant": "share",
        "share": "abc",
        "label": "friend",
        "identity": None,
    }
    assert describe_grant(access, Principal("gone"))["label"] is None


def test_who_was_named_is_told_by_name_and_so_is_whoever_the_sign_on_knows() -> None:
    share = make_named("@staff", id="abc")
    access = Access(owner_hash=hash_token(b"t"), shares=(share,))
    assert describe_grant(access, Principal("abc"), "bob") == {
        "grant": "identity",
        "share": "abc",
        "label": "",
        "identity": "bob",
    }
    assert describe_grant(access, OWNER, "alice")["identity"] == "alice"
    assert name_grant(access, OWNER) == "owner" and name_grant(access, Principal("gone")) == "share"
