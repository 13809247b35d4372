"""SERVER and LOCAL_SOCKET are taken apart as ssh does, and what ssh would misread is refused in one line."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.config.address import ServerAddress, check_local_socket, format_place, parse_server
from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import DEFAULT_CONTROL_SOCKET


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gw", ServerAddress(host="gw")),
        ("gw:2222", ServerAddress(host="gw", port=2222)),
        ("alice@gw", ServerAddress(host="gw", user="alice")),
        ("alice@corp@gw:1/r/c", ServerAddress(host="gw", user="alice@corp", port=1, path="/r/c")),
        ("gw/a:b@c/client", ServerAddress(host="gw", path="/a:b@c/client")),
        ("[::1]", ServerAddress(host="::1")),
        ("bob@[fe80::1%eth0]:22/c", ServerAddress(host="fe80::1%eth0", user="bob", port=22, path="/c")),
        ("/run/c", ServerAddress(host=None, path="/run/c")),
        ("./run/c", ServerAddress(host=None, path="./run/c")),
        ("../c", ServerAddress(host=None, path="../c")),
    ],
)
def test_server_is_taken_apart(text: str, expected: ServerAddress) -> None:
    assert parse_server(text) == expected


def test_the_path_is_the_original_servers_unless_given() -> None:
    assert parse_server("gw").path == DEFAULT_CONTROL_SOCKET == "/var/run/conductor/client"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=evil",
        "-l@gw",
        "a@-gw",
        "@gw",
        "gw:",
        "gw:0",
        "gw:65536",
        "gw:ssh",
        "gw:²",
        "::1",
        "[::1",
        "g w",
        "gw\n",
        "gw/a\0b",
        "gw/" + "x" * 107,
        "/" + "é" * 54,
    ],
)
def test_a_wrong_server_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_server(text)
    assert "\n" not in str(caught.value)
    assert "SERVER" in str(caught.value)


@given(st.text(max_size=120))
def test_any_server_is_safe_or_refused(text: str) -> None:
    try:
        address = parse_server(text)
    except ConfigError:
        return
    assert len(os.fsencode(address.path)) <= 107
    if address.host is not None:
        assert not address.host.startswith("-")
        assert not (address.user or "").startswith("-")
        assert address.path.startswith("/")


def test_the_local_socket_fits_a_socket_address() -> None:
    assert check_local_socket("x" * 107) == "x" * 107
    for path in ("x" * 108, "é" * 54, "", "a\nb"):
        with pytest.raises(ConfigError, match="LOCAL_SOCKET"):
            check_local_socket(path)


@pytest.mark.parametrize(
    ("text", "place"),
    [("gw", "gw"), ("alice@gw", "alice@gw"), ("gw:2222/c", "gw port 2222"), ("bob@[::1]:22", "bob@::1 port 22")],
)
def test_a_place_is_named_for_people(text: str, place: str) -> None:
    assert format_place(parse_server(text)) == place
