"""wire/report: the client's events, which programs read."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.wire import report
from conductor_trio.wire.control import Banner

BANNER = Banner(directory="/d", raw={"directory": "/d", "status": "ok", "more": 1})


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (report.execute(["a", "b"], 7), {"state": "execute", "command": ["a", "b"], "pid": 7}),
        (
            report.execute(["a"], 7, "lab"),
            {"state": "execute", "command": ["a"], "pid": 7, "recipe": "lab"},
        ),
        (report.connect("u", "h", 22), {"state": "connect", "user": "u", "host": "h", "port": 22}),
        (report.connect(None, "h", None), {"state": "connect", "user": None, "host": "h", "port": None}),
        (report.control_connect("/c", BANNER), {"state": "controlConnect", "path": "/c", "banner": BANNER.raw}),
        (
            report.live("tok", "k", ("a", "b")),
            {"state": "live", "config": {"auth": "tok", "key": "k", "urls": ["a", "b"]}},
        ),
        (
            report.live("tok", None, ("a",)),
            {"state": "live", "config": {"auth": "tok", "key": "", "urls": ["a"]}},
        ),
        (report.data("stderr", "é\n"), {"state": "data", "kind": "stderr", "data": "é\n"}),
        (report.dead("lost"), {"state": "dead", "reason": "lost"}),
        (
            report.reconnecting(0.15049, "lost", 2),
            {"state": "reconnecting", "in": 0.15, "reason": "lost", "attempt": 2},
        ),
        (
            report.starting("tok", "k", ("a",)),
            {"state": "starting", "config": {"auth": "tok", "key": "k", "urls": ["a"]}},
        ),
        (report.warning("why"), {"state": "warning", "reason": "why"}),
        (report.ending("SIGINT"), {"state": "ending", "signal": "SIGINT"}),
        (report.failed("why", "here"), {"state": "failed", "reason": "why", "hop": "here"}),
        (report.exit_(-15), {"state": "exit", "status": -15}),
    ],
)
def test_events_are_the_contracts(event: report.Event, expected: object) -> None:
    line = report.format_event(event)
    assert json.loads(line) == expected
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


@given(st.text())
def test_any_text_is_one_line(text: str) -> None:
    line = report.format_event(report.data("stdout", text))
    assert line.count(b"\n") == 1
    assert json.loads(line)["data"] == text


@given(st.binary(), st.lists(st.integers(min_value=0, max_value=100)))
def test_any_cut_gives_the_same_text(data: bytes, cuts: list[int]) -> None:
    decoder = report.TextDecoder()
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    text = "".join(decoder.decode(piece) for piece in pieces) + decoder.decode(b"", final=True)
    assert text == data.decode("utf-8", "replace")
