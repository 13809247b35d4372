"""wire/report: the client's events, which programs read."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.output import events
from conductor_trio.control.messages import Banner

BANNER = Banner(directory="/d", raw={"directory": "/d", "status": "ok", "more": 1})


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (events.execute(["a", "b"], 7), {"state": "execute", "command": ["a", "b"], "pid": 7}),
        (
            events.execute(["a"], 7, "lab"),
            {"state": "execute", "command": ["a"], "pid": 7, "recipe": "lab"},
        ),
        (events.connect("u", "h", 22), {"state": "connect", "user": "u", "host": "h", "port": 22}),
        (events.connect(None, "h", None), {"state": "connect", "user": None, "host": "h", "port": None}),
        (events.control_connect("/c", BANNER), {"state": "controlConnect", "path": "/c", "banner": BANNER.raw}),
        (
            events.live("tok", "k", ("a", "b")),
            {"state": "live", "config": {"auth": "tok", "key": "k", "urls": ["a", "b"]}},
        ),
        (
            events.live("tok", None, ("a",)),
            {"state": "live", "config": {"auth": "tok", "key": "", "urls": ["a"]}},
        ),
        (events.data("stderr", "é\n"), {"state": "data", "kind": "stderr", "data": "é\n"}),
        (events.dead("lost"), {"state": "dead", "reason": "lost"}),
        (
            events.reconnecting(0.15049, "lost", 2),
            {"state": "reconnecting", "in": 0.15, "reason": "lost", "attempt": 2},
        ),
        (
            events.starting("tok", "k", ("a",)),
            {"state": "starting", "config": {"auth": "tok", "key": "k", "urls": ["a"]}},
        ),
        (events.warning("why"), {"state": "warning", "reason": "why"}),
        (events.ending("SIGINT"), {"state": "ending", "signal": "SIGINT"}),
        (events.failed("why", "here"), {"state": "failed", "reason": "why", "hop": "here"}),
        (events.exit_(-15), {"state": "exit", "status": -15}),
    ],
)
def test_events_are_the_contracts(event: events.Event, expected: object) -> None:
    line = events.format_event(event)
    assert json.loads(line) == expected
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


@given(st.text())
def test_any_text_is_one_line(text: str) -> None:
    line = events.format_event(events.data("stdout", text))
    assert line.count(b"\n") == 1
    assert json.loads(line)["data"] == text


@given(st.binary(), st.lists(st.integers(min_value=0, max_value=100)))
def test_any_cut_gives_the_same_text(data: bytes, cuts: list[int]) -> None:
    decoder = events.TextDecoder()
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    text = "".join(decoder.decode(piece) for piece in pieces) + decoder.decode(b"", final=True)
    assert text == data.decode("utf-8", "replace")
