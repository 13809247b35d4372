"""Why ssh fails, by what it says: the reason in our words, the hop, and the word for programs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.transport import ssh_errors
from conductor_trio.client.transport.ssh_errors import explain_channel_refused, is_channel_refused

CHANGED = "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @"
VERIFICATION = "Host key verification failed."


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["ssh: connect to host h port 22: Connection timed out"], "h port 22 does not answer"),
        (["ssh: connect to host h port 22: No route to host"], "h port 22 cannot be reached: No route to host"),
        (["a@h: Permission denied, please try again.", "a@h: Permission denied (password)."], "permission denied"),
        (["Timeout, server h not responding."], "is dead"),
        ([VERIFICATION, CHANGED], "has changed"),
        (["Host key for h has changed and you have requested strict checking.", VERIFICATION], "has changed"),
        (["ssh: Could not resolve hostname {x}: Name or service not known"], "host name {x} cannot"),
    ],
)
def test_what_ssh_says_is_explained(lines: list[str], says: str) -> None:
    reason = ssh_errors.find_reason(lines, place="h")
    assert reason is not None
    assert says in str(reason)


def test_what_is_not_known_is_not_explained() -> None:
    lines = ["Have a nice day.", "a@h: Permission denied, please try again."]
    assert ssh_errors.find_reason(lines, place="h") is None


def test_a_changed_host_key_that_ssh_puts_up_with_is_no_reason() -> None:
    """With StrictHostKeyChecking no, ssh warns and goes on."""
    assert ssh_errors.find_reason([CHANGED], place="h") is None
    reason = ssh_errors.find_reason([CHANGED, "a@h: Permission denied (publickey)."], place="h")
    assert reason is not None
    assert reason.reason == "login"


@pytest.mark.parametrize(
    "words",
    [CHANGED, VERIFICATION, "ssh: connect to host x port 1: Connection refused", "channel 0: open failed: x"],
)
def test_what_the_server_says_within_a_line_is_no_reason(words: str) -> None:
    lines = [f"Received disconnect from 192.0.2.1 port 22:11: {words}", f"Disconnected: {words}"]
    assert ssh_errors.find_reason(lines, place="h") is None
    assert not is_channel_refused(lines)


def test_no_advice_removes_a_host_key() -> None:
    assert "ssh-keygen" not in str(ssh_errors.find_reason([CHANGED, VERIFICATION], place="h"))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("No ED25519 host key is known for h and you have requested strict checking.", "host_key"),
        (VERIFICATION, "host_key"),
        ("ssh: Could not resolve hostname h: Temporary failure in name resolution", "resolve"),
        ("ssh: connect to host h port 22: Connection refused", "connect"),
        ("Connection timed out during banner exchange", "connect"),
        ("a@h: Permission denied (publickey).", "login"),
        ("Received disconnect from h port 22:2: Too many authentication failures", "login"),
    ],
)
def test_the_word_for_programs_tells_the_check_that_fails(line: str, word: str) -> None:
    reason = ssh_errors.find_reason([line], place="h")
    assert reason is not None
    assert (reason.reason, reason.hop) == (word, "login" if word == "login" else "ssh")


@given(st.lists(st.text()), st.text())
def test_whatever_is_said_there_is_a_reason_or_none(lines: list[str], place: str) -> None:
    """What the other end made up, braces included, breaks no sentence of ours."""
    spoken = [*lines, *(f"ssh: Could not resolve hostname {line}" for line in lines)]
    reason = ssh_errors.find_reason(spoken, place=place)
    assert reason is not None or not lines


@pytest.mark.parametrize(
    ("lines", "is_refused"),
    [
        (["channel 2: open failed: connect failed: open failed"], True),
        (["Connected.", "channel 0: open failed: administratively prohibited: open failed"], True),
        (["a@h: Permission denied (publickey)."], False),
        ([], False),
    ],
)
def test_a_channel_that_is_refused_is_seen(lines: list[str], is_refused: bool) -> None:
    assert is_channel_refused(lines) is is_refused


@pytest.mark.parametrize(
    ("is_socket", "says"),
    [
        (None, "conductor-trio-server does not answer at /run/c on h"),
        (True, "the control socket /run/c, which is there; either conductor-trio-server does not run, or Allow"),
        (False, "there is no control socket /run/c at h; check that conductor-trio-server runs there"),
    ],
)
def test_why_a_channel_is_refused_depends_on_what_is_there(is_socket: bool | None, says: str) -> None:
    error = explain_channel_refused(place="h", path="/run/c", is_socket=is_socket)
    assert says in str(error)
    assert error.hop == "server"
