"""What the server says of the relay socket before a registration: the lines to the letter."""

from __future__ import annotations

import json

import pytest

from conductor_trio.control.relay_inspection import (
    InspectRelay,
    RelayInspected,
    format_inspected,
    format_inspection,
    parse_inspected,
    read_inspection,
)
from conductor_trio.errors import RegistrationRefused, RemoteProtocolError


def test_the_question_to_the_letter() -> None:
    assert format_inspection() == b'{"relay": "inspect"}\n'
    assert read_inspection(json.loads(format_inspection())) == InspectRelay()
    assert read_inspection({"relay": "inspect", "later": 1}) == InspectRelay()


@pytest.mark.parametrize("message", [{}, {"relay": "look"}, {"relay": True}, {"auth": "x"}, {"command": "list"}])
def test_what_asks_something_else(message: dict[str, object]) -> None:
    assert read_inspection(message) is None


@pytest.mark.parametrize(("is_open", "word"), [(True, "open"), (False, "closed")])
def test_the_answer_to_the_letter(is_open: bool, word: str) -> None:
    line = format_inspected(RelayInspected(is_open=is_open))
    assert line.endswith(b"\n")
    assert json.loads(line) == {"status": "ok", "relay": word}
    assert parse_inspected(line) == RelayInspected(is_open=is_open)


def test_an_answer_that_tells_nothing_is_none() -> None:
    with pytest.raises(RemoteProtocolError, match="does not tell how the relay socket is"):
        parse_inspected(b'{"status": "ok", "relay": "ajar"}')


def test_a_refusal_has_its_reason() -> None:
    with pytest.raises(RegistrationRefused, match="not today"):
        parse_inspected(b'{"status": "error", "reason": "not today"}')
