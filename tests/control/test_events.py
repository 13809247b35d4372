"""The control channel's events: their bytes, and what any line is read as."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.control.events import (
    Event,
    Leave,
    Move,
    Notice,
    Output,
    Ping,
    Pong,
    Probe,
    Probed,
    Ready,
    Replaced,
    Stop,
    format_event,
    parse_event,
)
from conductor_trio.limits.constants import MAX_OUTPUT_LINE, MAX_OUTPUT_LINES

#: Each event, and what it has been on the wire from the first.
WIRE: list[tuple[Event, bytes]] = [
    (Ping(idle=12.5, visitors=3), b'{"event": "ping", "idle": 12.5, "visitors": 3}\n'),
    (Ping(idle=0.0, visitors=0), b'{"event": "ping", "idle": 0.0, "visitors": 0}\n'),
    (Ping(), b'{"event": "ping"}\n'),
    (Pong(), b'{"event": "pong"}\n'),
    (Pong(ends=1.8e9), b'{"event": "pong", "ends": 1800000000.0}\n'),
    (Output(lines=("a", "ä")), b'{"event": "output", "lines": ["a", "\\u00e4"]}\n'),
    (Output(lines=()), b'{"event": "output", "lines": []}\n'),
    (Leave(), b'{"event": "leave"}\n'),
    (Ready(), b'{"event": "ready"}\n'),
    (Probe(nonce="0123456789abcdef" * 2), b'{"event": "probe", "nonce": "0123456789abcdef0123456789abcdef"}\n'),
    (Probed(), b'{"event": "probe"}\n'),
    (Probed(reason="no"), b'{"event": "probe", "reason": "no"}\n'),
    (Stop(), b'{"event": "stop"}\n'),
    (Stop(by="operator"), b'{"event": "stop", "by": "operator"}\n'),
    (Stop(by="operator", reason="noise"), b'{"event": "stop", "by": "operator", "reason": "noise"}\n'),
    (
        Notice(about="announcement", text="Down at noon", since=1.8e9),
        b'{"event": "notice", "about": "announcement", "text": "Down at noon", "since": 1800000000.0}\n',
    ),
    (
        Notice(about="drain", text="no new ones", since=1.8e9),
        b'{"event": "notice", "about": "drain", "text": "no new ones", "since": 1800000000.0}\n',
    ),
    (Move(), b'{"event": "move"}\n'),
    (Replaced(), b'{"event": "replaced"}\n'),
]

some_events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Ping,
        idle=st.none() | st.floats(0, 1e9),
        visitors=st.none() | st.integers(0, 1 << 40),
    ),
    st.builds(Probe, nonce=st.from_regex(r"[0-9a-f]{32}", fullmatch=True)),
    st.builds(Probed, reason=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=99)),
    st.builds(Pong, ends=st.none() | st.floats(1, 4e9)),
    st.builds(Stop, by=st.just("operator"), reason=st.none() | st.text(min_size=1, max_size=99)),
    st.builds(
        Notice,
        about=st.sampled_from(["announcement", "drain"]),
        text=st.text(min_size=1, max_size=99),
        since=st.floats(1, 4e9),
    ),
    st.sampled_from([Leave(), Ready(), Stop(), Move(), Replaced()]),
)


@pytest.mark.parametrize(("event", "line"), WIRE)
def test_the_bytes(event: Event, line: bytes) -> None:
    assert format_event(event) == line
    assert parse_event(line[:-1]) == event


@given(some_events)
def test_events_read_back(event: Event) -> None:
    line = format_event(event)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert parse_event(line[:-1]) == event


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ({"event": "ping", "idle": 7, "visitors": 1, "later": []}, Ping(idle=7.0, visitors=1)),
        ({"event": "ping", "idle": True, "visitors": True}, Ping()),
        ({"event": "ping", "idle": "7", "visitors": 1.5}, Ping()),
        ({"event": "ping", "idle": 10**400}, Ping()),
        ({"event": "ping", "idle": -1}, Ping()),
        ({"event": "pong", "ends": 1_800_000_000}, Pong(ends=1.8e9)),
        ({"event": "pong", "ends": 0}, Pong()),
        ({"event": "pong", "ends": 10**400}, Pong()),
        ({"event": "pong", "ends": False}, Pong()),
        ({"event": "pong", "ends": None}, Pong()),
        ({"event": "probe", "reason": 7}, Probed()),
    ],
)
def test_a_field_that_cannot_be_is_not_told(line: dict[str, object], event: Event) -> None:
    assert parse_event(json.dumps(line).encode()) == event


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"{}", b"[]", b"\xff", b"ping"),
        *(b'{"event": "later"}', b'{"event": []}', b'{"event": "probe", "nonce": "0"}'),
    ],
)
def test_what_is_no_event_that_we_know_is_none(line: bytes) -> None:
    assert parse_event(line) is None


def test_of_the_output_as_much_is_taken_as_is_shown() -> None:
    lines = [str(number) for number in range(99)]
    assert read(lines) == Output(lines=tuple(lines[-MAX_OUTPUT_LINES:]))
    [line] = read(["ä" * 999]).lines
    assert line == "ä" * MAX_OUTPUT_LINE
    [line] = read(["\x1b]0;title\x07\tto the right\u202e" + "\x00" * 999]).lines
    assert line.startswith("\\x1b]0;title\\x07\tto the right\\u202e\\x00") and len(line) == MAX_OUTPUT_LINE


def read(lines: list[str]) -> Output:
    output = parse_event(json.dumps({"event": "output", "lines": lines}).encode())
    assert isinstance(output, Output)
    return output


@pytest.mark.parametrize("lines", [None, "text", [1], [["a"]], {}])
def test_what_is_no_output(lines: object) -> None:
    assert parse_event(json.dumps({"event": "output", "lines": lines}).encode()) is None
