"""What a server and the successor that it starts tell each other."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.server.operation.succession import (
    Report,
    Succession,
    open_report,
    parse_report,
    succession_environment,
)


def test_what_the_successor_says_arrives() -> None:
    with open_report() as pipe:
        assert pipe.read() == Report()
        environment = {"A": "b", **succession_environment(os.dup(pipe.writing), {"runtime_dir": "/run/x"})}
        succession = Succession.find(environment)
        assert succession.in_force == {"runtime_dir": "/run/x"}
        succession.begin(environment)
        assert environment == {"A": "b"}  # nobody else is told
        succession.note("one")
        succession.note("two")
        succession.fail("file:3: wrong", 2)
        succession.end()
        succession.end()
        assert pipe.read() == Report(notes=("one", "two"), failure="file:3: wrong", status=2)
        assert succession.notes == ["one", "two"]


def test_it_is_not_left_to_what_the_successor_starts() -> None:
    with open_report() as pipe:
        descriptor = os.dup(pipe.writing)
        os.set_inheritable(descriptor, True)
        environment = succession_environment(descriptor, {})
        succession = Succession.find(environment)
        assert os.get_inheritable(descriptor)  # it may begin anew, before
        succession.begin(environment)
        assert not os.get_inheritable(descriptor)
        succession.end()


def test_who_was_started_by_nobody_tells_nobody() -> None:
    succession = Succession.find({})
    succession.begin({})
    succession.note("one")
    succession.fail("two", 1)
    succession.end()
    assert succession.in_force == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"report": 2, "in_force": {}}', '{"report": 9999, "in_force": {}}']
)
def test_what_is_no_pipe_of_ours_is_left_alone(text: str) -> None:
    [name] = succession_environment(3, {})
    succession = Succession.find({name: text})
    succession.note("one")
    assert succession.in_force == {}


@given(st.lists(st.binary() | st.sampled_from([b'{"note": "n"}', b'{"failed": "f", "status": 1}'])))
def test_any_lines_are_a_report(lines: list[bytes]) -> None:
    report = parse_report(lines)
    assert report.notes == ("n",) * lines.count(b'{"note": "n"}')
