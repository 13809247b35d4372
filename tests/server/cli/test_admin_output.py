"""What the operator's commands print for people."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.control.messages import JSONObject
from conductor_trio.server.cli import admin_output

NOON = time.mktime((2026, 11, 28, 12, 0, 0, 0, 0, -1))
ORDERS: JSONObject = {
    "blocks": [
        {"user": "mallory", "since": NOON, "until": NOON + 3600, "reason": "noise"},
        {"network": "192.0.2.0/24", "since": NOON, "until": None, "reason": ""},
    ],
    "drain": {"since": NOON, "reason": "new disks"},
    "announcement": {"text": "Down at one", "since": NOON},
}


def session(host: str = "lab-alice.example.org", **changed: object) -> JSONObject:
    told: JSONObject = {
        "host": host,
        "user": "alice",
        "key": "lab",
        "state": "live",
        "since": NOON - 125,
        "node": "node7",
        "visitors": 3,
        "bytesIn": 2048,
        "bytesOut": 5_000_000,
    }
    return told | changed


def test_sessions() -> None:
    lost = session(
        "a-zoe.example.org", user="zoe", state="lost", visitors=None, bytesIn=None, bytesOut=None, node=""
    )
    text = admin_output.format_sessions([lost, session()], {}, NOON, None)
    assert text.splitlines() == [
        "HOST                   USER   STATE  FOR    NODE   VISITORS       IN      OUT",
        "lab-alice.example.org  alice  live   2 min  node7         3  2.0 KiB  4.8 MiB",
        "a-zoe.example.org      zoe    lost   2 min  -             -        -        -",
        "",
        "2 sessions of 2 users, 1 of them lost.",
    ]
    narrow = admin_output.format_sessions([session("x" * 100)], {}, NOON, 80)
    assert all(len(line) <= 80 for line in narrow.splitlines()) and "…" in narrow


def test_there_are_words_for_nothing() -> None:
    assert admin_output.format_sessions([], {}, NOON, 80) == "There are no sessions.\n"
    assert admin_output.format_endings([]) == "There was no session to end.\n"
    assert admin_output.format_blocks({}, 80) == "Nobody is blocked.\n"
    assert admin_output.format_announcement({}) == "Nothing is announced.\n"


def test_orders_that_stand_are_below_the_sessions() -> None:
    text = admin_output.format_sessions([], ORDERS, NOON, None)
    assert text.splitlines() == [
        "There are no sessions.",
        "No new sessions are taken since 2026-11-28 12:00:00: new disks; `drain --end` ends that.",
        "2 users or networks blocked; `block` shows who.",
        "Announced since 2026-11-28 12:00:00: Down at one",
    ]


def test_blocks() -> None:
    assert admin_output.format_blocks(ORDERS, None).splitlines() == [
        "BLOCKED       SINCE                ENDS                 REASON",
        "mallory       2026-11-28 12:00:00  2026-11-28 13:00:00  noise",
        "192.0.2.0/24  2026-11-28 12:00:00  when unblocked       -",
    ]
    first = {"user": "mallory", "since": NOON, "until": NOON + 3600, "reason": "noise"}
    assert admin_output.format_block(first, 0) == "mallory is blocked until 2026-11-28 13:00:00.\n"
    assert admin_output.format_block(first, 2).splitlines()[1] == (
        "2 sessions of theirs go on; `end --user mallory` ends them."
    )


def test_one_session_in_full() -> None:
    shares = [{"id": "x", "label": "Zoe", "expires": NOON, "once": True, "visitors": 0}]
    events = [{"text": "The link is there", "at": NOON, "count": 2}]
    full = session(hosts=["lab-alice.example.org"], comesBack=True, relay="/r", shares=shares, events=events)
    lines = admin_output.format_session(full, NOON).splitlines()
    assert lines[0].split() == ["host", "lab-alice.example.org"]
    [state] = [line for line in lines if line.startswith("state")]
    assert state.endswith("  live since 2026-11-28 11:57:55")
    assert lines[-2].endswith("Zoe, ends 2026-11-28 12:00:00, once, visitors: 0")
    assert lines[-1] == "2026-11-28 12:00:00  The link is there (2 times)"


def test_who_is_let_in_by_name_and_who_is_there() -> None:
    shares = [{"id": "n1", "label": "", "expires": None, "once": False, "visitors": 1, "with": "@staff\x1b"}]
    people = [
        {"by": "n1", "identity": "zo\x1b", "address": "192.0.2.7", "since": NOON, "connections": 1},
        {"by": "owner", "identity": None, "address": None, "since": NOON, "connections": 0},
    ]
    lines = admin_output.format_session(session(shares=shares, people=people), NOON).splitlines()
    assert lines[-3].endswith("n1, with @staff\\x1b, ends with the session, visitors: 1")
    assert lines[-2].endswith("zo\\x1b by n1 from 192.0.2.7 since 2026-11-28 12:00:00, visitors: 1")
    assert lines[-1].endswith("by owner from - since 2026-11-28 12:00:00, visitors: 0")


def test_endings() -> None:
    told: list[JSONObject] = [
        {"host": "a.example", "ending": "told"},
        {"host": "longer.example", "ending": "lost"},
        {"host": "b.example", "ending": "ended"},
    ]
    assert admin_output.format_endings(told).splitlines() == [
        "a.example       told; its client ends it",
        "longer.example  its link is lost; its client will be told when it is back",
        "b.example       ended; its client could not be told why",
    ]


def test_what_others_have_named_commands_no_terminal() -> None:
    text = admin_output.format_sessions([session(node="\x1b[2Jx", host="a\nb")], {}, NOON, None)
    assert "\x1b" not in text and text.count("\n") == 4


anything = st.none() | st.booleans() | st.text() | st.floats() | st.integers() | st.lists(st.none(), max_size=2)


@given(st.dictionaries(st.sampled_from([*session(), "shares", "people", "events", "hosts", "until"]), anything))
def test_whatever_a_server_tells_is_shown(told: JSONObject) -> None:
    assert admin_output.format_sessions([told], told, NOON, 80)
    assert admin_output.format_session(told, NOON)
    assert admin_output.format_endings([told])
    assert admin_output.format_block(told, told)
    assert admin_output.format_blocks({"blocks": [told]}, 80)


def test_links() -> None:
    assert "nobody was let in" in admin_output.format_links([], None)
    one: JSONObject = {"kind": "browser", "user": "\x1b[2Jeve", "since": 0, "until": 60.0}
    text = admin_output.format_links([one, {"kind": "sso"}], 80)
    assert "link, in a browser" in text and "single sign-on" in text and "\x1b" not in text
    assert admin_output.format_revoked({"links": 1, "entries": 2}).startswith("Revoked: 1 link, 2 browsers")
    said = admin_output.format_link_note({"until": 700.0, "lasts": 43200.0}, 100.0)
    assert "within 10 min, for 12 h" in said
    assert admin_output.format_link_note({}, 0.0)
