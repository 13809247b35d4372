"""The command lines of ssh: what comes from the user is never an option, and a path is taken as it stands."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.transport import ssh_command
from conductor_trio.client.transport.ssh_command import escape_forward_path, format_command
from conductor_trio.errors import TransportError
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import MAX_SOCKET_PATH

ADDRESS = ServerAddress(host="h", user="u", port=22, path="/a:b")


def test_the_command_holds_no_user_text_as_an_option() -> None:
    address = ServerAddress(host="h", user="u", port=22, path="/a:b")
    command = ssh_command.format_master_command(address, ClientLimits(), "/d", may_ask=False)
    assert command[-2:] == ["--", "h"]
    assert command[command.index("-L") + 1] == "/d/c:/a\\:b"
    with pytest.raises(TransportError, match="longer than 107"):
        ssh_command.escape_forward_path("/" + "x" * 107)


@pytest.mark.parametrize(
    ("address", "option", "value"),
    [
        (ADDRESS, "-l", "u"),
        (ADDRESS, "-p", "22"),
        (ADDRESS, "-S", "/d/m"),
        (ServerAddress(host="h"), "-l", None),
        (ServerAddress(host="h"), "-p", None),
    ],
)
def test_user_and_port_are_given_where_the_user_gave_them(
    address: ServerAddress, option: str, value: str | None
) -> None:
    command = ssh_command.format_master_command(address, ClientLimits(), "/d", may_ask=True)
    given_value = command[command.index(option) + 1] if option in command else None
    assert given_value == value


@pytest.mark.parametrize("may_ask", [True, False])
def test_without_a_terminal_ssh_asks_nobody(may_ask: bool) -> None:
    command = ssh_command.format_master_command(ADDRESS, ClientLimits(), "/d", may_ask=may_ask)
    assert ("BatchMode=yes" in command) is not may_ask


def test_an_ssh_that_does_not_know_an_option_ignores_it() -> None:
    """That must be said before the option, and for the user's unknown ones, too, as it replaces their list."""
    command = ssh_command.format_master_command(ADDRESS, ClientLimits(), "/d", may_ask=True)
    assert command[command.index("-o") + 1] == "IgnoreUnknown=*"


def test_who_follows_makes_no_connection_of_its_own() -> None:
    command = format_command("/d")
    assert command[command.index("-S") + 1] == "/d/m"
    assert command[command.index("-F") + 1] == "/dev/null"
    assert "ProxyCommand=false" in command


@given(st.text("\\:/ab") | st.text(st.characters(codec="utf-8")))
def test_a_path_is_refused_or_stands_for_itself(text: str) -> None:
    """As ssh reads a forward (misc.c, parse_fwd_field): a colon ends a field, a backslash takes the next one."""
    path = f"/{text}"
    try:
        escaped = escape_forward_path(path)
    except TransportError:
        assert re.search(r"[%$\x00-\x1f\x7f]", path) or len(os.fsencode(path)) > MAX_SOCKET_PATH
        return
    assert re.fullmatch(r"(?:[^:\\]|\\.)+", escaped)
    assert re.sub(r"\\(.)", r"\1", escaped) == path


@pytest.mark.parametrize("path", ["", "a", "./a", "/a%h", "/${HOME}", "/a\n"])
def test_a_path_that_ssh_would_take_for_another_is_refused(path: str) -> None:
    with pytest.raises(TransportError, match="SSH cannot forward"):
        escape_forward_path(path)
