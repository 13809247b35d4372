"""The operator's commands: what is written reads back, and any bytes give a command, an answer or a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.control.messages import JSONObject
from conductor_trio.errors import CommandRefused, RemoteProtocolError
from conductor_trio.limits.constants import MAX_ORDER_TEXT
from conductor_trio.server.admin.messages import (
    Announce,
    Command,
    EndBlock,
    EndSessions,
    ListLinks,
    ListSessions,
    MakeLink,
    Reload,
    RevokeLinks,
    SetBlock,
    SetDrain,
    ShowConfiguration,
    ShowOrders,
    ShowSession,
    ShowUsage,
    format_command,
    format_end,
    format_item,
    format_refusal,
    parse_answer,
    parse_command,
)
from conductor_trio.server.orders.blocks import Blocked
from tests.support.odd_json import odd_objects

letters = st.characters(categories=["L", "N", "P"])
names = st.text(letters, min_size=1, max_size=30)
texts = st.text(letters, max_size=60)
targets = st.tuples(st.just(Blocked.USER), names) | st.tuples(
    st.just(Blocked.NETWORK), st.sampled_from(["192.0.2.0/24", "2001:db8::/32"])
)
commands: st.SearchStrategy[Command | Reload] = st.one_of(
    st.builds(ListSessions, user=st.none() | names),
    st.builds(ShowSession, host=names),
    st.builds(EndSessions, host=names, reason=texts),
    st.builds(EndSessions, user=names, reason=texts),
    st.builds(EndSessions, reason=texts),
    st.builds(
        lambda target, seconds, reason: SetBlock(kind=target[0], name=target[1], seconds=seconds, reason=reason),
        targets,
        st.none() | st.floats(0.001, 3e8),
        texts,
    ),
    st.builds(lambda target: EndBlock(kind=target[0], name=target[1]), targets),
    st.builds(SetDrain, is_on=st.booleans(), reason=texts),
    st.builds(Announce, text=texts),
    st.builds(RevokeLinks, user=st.none() | names),
    st.sampled_from([ShowOrders(), ShowUsage(), MakeLink(), ListLinks(), ShowConfiguration(), Reload()]),
)


@given(commands)
def test_what_is_written_reads_back(command: Command | Reload) -> None:
    line = format_command(command)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert parse_command(line) == command


@given(
    st.binary(max_size=99)
    | odd_objects({"command": "block", "user": "a", "network": "192.0.2.0/24", "for": 1, "reason": "b"})
    | odd_objects({"command": "end", "host": "a", "user": "b", "all": True, "reason": "b"})
    | odd_objects({"command": "drain", "on": True, "reason": "b"})
)
def test_any_line_is_a_command_or_refused(line: bytes) -> None:
    try:
        command = parse_command(line)
    except CommandRefused as error:
        assert parse_refusal(format_refusal(error)) == (error.what, error.advice)
    else:
        assert parse_command(format_command(command)) == command


def parse_refusal(line: bytes) -> tuple[str, str | None]:
    with pytest.raises(CommandRefused) as caught:
        parse_answer(line)
    return caught.value.what, caught.value.advice


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"command": "fly"}, "does not know that command"),
        ({}, "does not know that command"),
        ({"command": "session"}, "host is missing"),
        ({"command": "session", "host": ""}, "host is no name"),
        ({"command": "end"}, "one of host, user and all"),
        ({"command": "end", "host": "a", "all": True}, "one of host, user and all"),
        ({"command": "end", "host": "a", "user": "b"}, "one of host, user and all"),
        ({"command": "end", "all": "yes"}, "one of host, user and all"),
        ({"command": "block"}, "either a user or a network"),
        ({"command": "block", "user": "a", "network": "192.0.2.1"}, "either a user or a network"),
        ({"command": "block", "network": "192.0.2.1/8"}, "has host bits set"),
        ({"command": "block", "user": "a", "for": 0}, "ten years"),
        ({"command": "block", "user": "a", "for": 1e12}, "ten years"),
        ({"command": "block", "user": "a", "for": True}, "ten years"),
        ({"command": "block", "user": "a", "reason": "two\nlines"}, "reason is no line"),
        ({"command": "announce", "text": "a\x1b[2J"}, "text is no line"),
        ({"command": "announce", "text": "a" * (MAX_ORDER_TEXT + 1)}, "text is no line"),
        ({"command": "drain"}, "neither true nor false"),
        ({"command": "sessions", "user": "a\u202eb"}, "user is no name"),
    ],
)
def test_what_is_wrong_is_said(message: JSONObject, reason: str) -> None:
    with pytest.raises(CommandRefused, match=reason):
        parse_command(json.dumps(message).encode())


def test_networks_are_written_in_one_way() -> None:
    line = json.dumps({"command": "unblock", "network": "2001:DB8::/32"}).encode()
    assert parse_command(line) == EndBlock(kind=Blocked.NETWORK, name="2001:db8::/32")


def test_answers_read_back() -> None:
    assert parse_answer(format_item({"host": "a"})) == ({"host": "a"}, False)
    assert parse_answer(format_end(3, {"orders": {}})) == ({"status": "ok", "count": 3, "orders": {}}, True)
    assert parse_refusal(format_refusal(CommandRefused("no", advice="ask"))) == ("no", "ask")
    with pytest.raises(CommandRefused) as caught:
        parse_answer(format_refusal(CommandRefused("no", exit=2)))
    assert caught.value.exit == 2
    # Of a later server, perhaps, or an earlier one.
    assert parse_refusal(b'{"status": "error", "reason": "no"}') == ("no", None)


@given(
    st.binary(max_size=99) | odd_objects({"status": "ok", "item": {}, "what": "a", "advice": "b", "reason": "c"})
)
def test_any_line_is_an_answer_or_none(line: bytes) -> None:
    try:
        fields, is_end = parse_answer(line)
    except (CommandRefused, RemoteProtocolError):
        return
    assert isinstance(fields, dict) and isinstance(is_end, bool)
