"""The client's events, which programs read."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.output import events
from conductor_trio.control.events import Stop
from conductor_trio.control.messages import JSONObject

BANNER: JSONObject = {"directory": "/d", "status": "ok", "more": 1}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (events.Execute(command=("a", "b"), pid=7), {"state": "execute", "command": ["a", "b"], "pid": 7}),
        (
            events.Execute(command=("a",), pid=7, recipe="lab"),
            {"state": "execute", "command": ["a"], "pid": 7, "recipe": "lab"},
        ),
        (events.Connect(user="u", host="h", port=22), {"state": "connect", "user": "u", "host": "h", "port": 22}),
        (
            events.Connect(user=None, host="h", port=None),
            {"state": "connect", "user": None, "host": "h", "port": None},
        ),
        (
            events.ControlConnect(path="/c", banner=BANNER),
            {"state": "controlConnect", "path": "/c", "banner": BANNER},
        ),
        (
            events.Live(token="tok", key="k", urls=("a", "b")),
            {
                "state": "live",
                "config": {"auth": "tok", "key": "k", "urls": ["a", "b"]},
                "url": "https://a/_conductor/auth/tok",
            },
        ),
        (
            events.Live(token="tök", key=None, urls=("a.localhost:8888",)),
            {
                "state": "live",
                "config": {"auth": "tök", "key": "", "urls": ["a.localhost:8888"]},
                "url": "http://a.localhost:8888/_conductor/auth/t%C3%B6k",
            },
        ),
        (
            events.Live(token="tok", key=None, urls=()),
            {"state": "live", "config": {"auth": "tok", "key": "", "urls": []}, "url": None},
        ),
        (events.Data(kind="stderr", text="é\n"), {"state": "data", "kind": "stderr", "data": "é\n"}),
        (events.Dead(what="lost"), {"state": "dead", "reason": "lost"}),
        (
            events.Reconnecting(seconds=0.15049, what="lost", attempt=2),
            {"state": "reconnecting", "in": 0.15, "reason": "lost", "attempt": 2},
        ),
        (
            events.Starting(token="tok", key="k", urls=("a",)),
            {"state": "starting", "config": {"auth": "tok", "key": "k", "urls": ["a"]}},
        ),
        (events.Warned(text="why"), {"state": "warning", "reason": "why"}),
        (events.Warned(text="why", port=8000), {"state": "warning", "reason": "why", "port": 8000}),
        (
            events.Notice(about="drain", text="full", since=1e9),
            {"state": "notice", "about": "drain", "text": "full", "since": 1e9},
        ),
        (
            events.make_stopping(Stop(by="operator", reason="noise")),
            {
                "state": "stopping",
                "by": "operator",
                "reason": "the gateway's operator has ended the session: noise",
            },
        ),
        (
            events.make_stopping(Stop(by="operator")),
            {"state": "stopping", "by": "operator", "reason": "the gateway's operator has ended the session"},
        ),
        (events.Ending(signal="SIGINT"), {"state": "ending", "signal": "SIGINT"}),
        (
            events.IdleWarned(idle=6480.4, left=719.6, ends=1e9),
            {"state": "idle", "for": 6480, "in": 720, "ends": 10**9},
        ),
        (events.IdleOver(idle=0.2), {"state": "idle", "for": 0, "in": None, "ends": None}),
        (events.IdleVetoed(idle=7200), {"state": "idle", "for": 7200, "in": None, "ends": None, "busy": True}),
        (events.Stopping(by="idle", why="why"), {"state": "stopping", "by": "idle", "reason": "why"}),
        (events.Failed(what="why", hop="here"), {"state": "failed", "reason": "why", "hop": "here"}),
        (
            events.Failed(what="why", advice="do this", hop="ssh", tells_exit=True),
            {"state": "failed", "reason": "why; do this", "hop": "ssh"},
        ),
        (events.Dead(what="lost", advice="do this"), {"state": "dead", "reason": "lost; do this"}),
        (events.Exit(status=-15), {"state": "exit", "status": -15}),
    ],
)
def test_events_are_the_contracts(event: events.Event, expected: object) -> None:
    line = events.format_event(event)
    assert json.loads(line) == expected
    assert line == json.dumps(expected).encode() + b"\n"
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


@given(st.text())
def test_any_text_is_one_line(text: str) -> None:
    line = events.format_event(events.Data(kind="stdout", text=text))
    assert line.count(b"\n") == 1
    assert json.loads(line)["data"] == text


@given(st.binary(), st.lists(st.integers(min_value=0, max_value=100)))
def test_any_cut_gives_the_same_text(data: bytes, cuts: list[int]) -> None:
    decoder = events.TextDecoder()
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    text = "".join(decoder.decode(piece) for piece in pieces) + decoder.decode(b"", final=True)
    assert text == data.decode("utf-8", "replace")
