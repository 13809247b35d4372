"""The client's command line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.cli import arguments, main
from conductor_trio.client.config.address import ServerAddress, check_local_socket, parse_server
from conductor_trio.errors import ConfigError
from conductor_trio.limits import DEFAULT_CONTROL_SOCKET


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


def test_options_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(arguments.TOKEN_VARIABLE, "s3cret")
    settings = arguments.parse_arguments(["-k", "lab", "-r", "-v", "gw", "x.sock", "--", "run", "-k", "--", "y"])
    assert settings.launch.command == ("run", "-k", "--", "y")
    assert (settings.key, settings.replace, settings.verbose) == ("lab", True, True)
    assert (settings.server.host, settings.local_socket) == ("gw", "x.sock")
    assert settings.token == "s3cret"
    assert arguments.TOKEN_VARIABLE not in os.environ
    assert "s3cret" not in repr(settings)


def test_the_two_dashes_are_optional() -> None:
    assert arguments.parse_arguments(["gw", "x", "run", "--key", "a"]).launch.command == ("run", "--key", "a")


@pytest.mark.parametrize("given_token", ["", None])
def test_without_a_token_there_is_a_fresh_one(given_token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = set()
    for _ in range(3):
        if given_token is not None:
            monkeypatch.setenv(arguments.TOKEN_VARIABLE, given_token)
        tokens.add(arguments.parse_arguments(["gw", "x", "run"]).token)
    assert len(tokens) == 3
    assert all(len(token) == 32 and token.isascii() and token.isalnum() and token.islower() for token in tokens)


def run_main(argv: list[str]) -> object:
    """Return the exit status."""
    try:
        return main.main(argv)
    except SystemExit as error:
        return error.code


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["gw"], "required"),
        (["gw", "x"], "COMMAND"),
        (["gw", "x", "--"], "COMMAND"),
        (["-o", "gw", "x", "run"], "unrecognized"),
        (["gw:0", "x", "run"], "no port 0"),
        (["gw", "x" * 108, "run"], "107 bytes"),
    ],
)
def test_wrong_usage_is_status_2_on_standard_error(
    argv: list[str], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_main(argv) == 2
    said = capfd.readouterr()
    assert says in said.err
    assert said.out == ""


def test_help_needs_no_trio() -> None:
    # What makes --help quick: it is over before anything slow is imported.
    script = (
        "import sys; from conductor_trio.client.cli.arguments import build_parser; build_parser().format_help()"
    )
    check = f"{script}; sys.exit(not not {{'trio', 'asyncio', 'structlog', 'ssl'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_is_asked_for_goes_to_standard_output(option: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main([option])
    assert caught.value.code == 0
    assert "conductor-trio" in capfd.readouterr().out
