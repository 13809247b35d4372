"""What owners ask over the control channel: the lines to the letter, and what is wrong with one."""

from __future__ import annotations

import json

import pytest

from conductor_trio.access.tokens import hash_token
from conductor_trio.control.owner_commands import (
    Answer,
    Command,
    ListSessions,
    RevokeShare,
    ShareSession,
    StopSession,
    describe_share,
    format_answer,
    format_command,
    parse_answer,
    parse_command,
)
from conductor_trio.errors import RegistrationRefused, RemoteProtocolError
from conductor_trio.limits.constants import MAX_SHARE_LABEL, MAX_SHARE_TIME
from tests.support.shares import make_share

AUTH = hash_token(b"t")
SHARE = {"command": "share", "key": "lab", "auth": AUTH, "label": "Jane", "for": 60.0, "once": True}

NAMES = ("bob", "@staff", "zoë@uni.example", "@urn:geant:h.de:group:A B#login", "b" * 200)
LINES: list[tuple[dict[str, object], Command]] = [
    ({"command": "list"}, ListSessions()),
    ({"command": "stop", "key": "lab"}, StopSession(key="lab")),
    (SHARE, ShareSession(key="lab", auth=AUTH, label="Jane", seconds=60.0, is_once=True)),
    (
        SHARE | {"label": "", "for": None, "once": False},
        ShareSession(key="lab", auth=AUTH, label="", seconds=None, is_once=False),
    ),
    ({"command": "revoke", "key": "lab", "id": "s1"}, RevokeShare(key="lab", id="s1")),
]


def encode(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"


LINES += [
    (
        {"command": "share", "key": "lab", "with": name, "label": "", "for": None},
        ShareSession(key="lab", auth=None, label="", seconds=None, is_once=False, grantee=name),
    )
    for name in NAMES
]


@pytest.mark.parametrize(("message", "command"), LINES)
def test_the_contract_to_the_letter(message: dict[str, object], command: Command) -> None:
    assert json.loads(format_command(command)) == message
    assert format_command(command).endswith(b"\n")
    assert parse_command(encode(message)) == command
    assert parse_command(encode(message | {"later": 1})) == command


def test_a_key_is_that_of_a_host_name_in_whichever_case() -> None:
    assert parse_command(encode({"command": "stop", "key": "LAB"})) == StopSession(key="lab")


def test_what_a_share_leaves_out() -> None:
    message = {"command": "share", "key": "lab", "auth": AUTH}
    assert parse_command(encode(message)) == ShareSession(
        key="lab", auth=AUTH, label="", seconds=None, is_once=False
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"no json\n",
        b"[]\n",
        b'"list"\n',
        b"{}\n",
        b'{"auth": "x"}\n',
        b'{"command": "share", "for": NaN}\n',
    ],
)
def test_what_is_no_command(line: bytes) -> None:
    assert parse_command(line) is None


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"command": "reboot"}, "does not know that command"),
        ({"command": 1}, "does not know that command"),
        ({"command": "stop"}, "key is missing"),
        ({"command": "stop", "key": ""}, "key is missing"),
        ({"command": "revoke", "key": "lab"}, "id is missing"),
        ({"command": "revoke", "key": "lab", "id": 1}, "id is missing"),
        (SHARE | {"key": None}, "key is missing"),
        (SHARE | {"auth": "t"}, "auth is malformed"),
        (SHARE | {"label": "x" * (MAX_SHARE_LABEL + 1)}, "printable characters"),
        (SHARE | {"label": "a\nb"}, "printable characters"),
        (SHARE | {"label": "\u2028"}, "printable characters"),
        (SHARE | {"label": 1}, "printable characters"),
        (SHARE | {"for": 0}, "between a second and a year"),
        (SHARE | {"for": -1}, "between a second and a year"),
        (SHARE | {"for": True}, "between a second and a year"),
        (SHARE | {"for": "60"}, "between a second and a year"),
        (SHARE | {"for": MAX_SHARE_TIME + 1}, "between a second and a year"),
        *(
            ({"command": "share", "key": "lab", "with": name}, "is no name of a user or a group")
            for name in (
                "",
                "@",
                " bob",
                "bob ",
                "@ staff",
                "a\nb",
                "\x1b[2J",
                "\ud800",
                "b" * 201,
                "\u00eb" * 101,
            )
        ),
        ({"command": "share", "key": "lab", "with": 7}, "with is no name"),
        (SHARE | {"with": "bob"}, "needs no token"),
        ({"command": "share", "key": "lab", "with": "bob", "once": True}, "needs no token"),
    ],
)
def test_a_wrong_command_is_told_what_is_wrong(message: dict[str, object], says: str) -> None:
    with pytest.raises(RegistrationRefused, match=says) as caught:
        parse_command(encode(message))
    assert "\n" not in str(caught.value)


def test_the_longest_label_and_time_are_taken() -> None:
    command = parse_command(encode(SHARE | {"label": "é" * MAX_SHARE_LABEL, "for": MAX_SHARE_TIME}))
    assert isinstance(command, ShareSession)
    assert (command.label, command.seconds) == ("é" * MAX_SHARE_LABEL, MAX_SHARE_TIME)


@pytest.mark.parametrize(("is_once", "token_hash", "is_used"), [(False, AUTH, False), (True, None, False)])
def test_an_owner_hears_no_token_of_a_share(is_once: bool, token_hash: str | None, is_used: bool) -> None:
    told = describe_share(make_share(is_once=is_once, expires=60.0))
    assert told == {
        "id": "s1",
        "label": "friend",
        "created": 0.0,
        "expires": 60.0,
        "once": is_once,
        "used": is_used,
    }


def test_answers_read_back() -> None:
    answer = parse_answer(format_answer(Answer(fields={"sessions": [], "more": None})))
    assert answer.fields == {"status": "ok", "sessions": [], "more": None}
    with pytest.raises(RegistrationRefused, match="no such key"):
        parse_answer(encode({"status": "error", "reason": "no such key"}))
    with pytest.raises(RemoteProtocolError):
        parse_answer(b"no json\n")
