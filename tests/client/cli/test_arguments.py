"""Which of the three forms a command line has, and what the configuration adds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from conductor_trio.client.cli.arguments import read_settings
from conductor_trio.client.cli.table import CLIENT, RUN, START
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.config.visitor_token import TOKEN_VARIABLE
from conductor_trio.commandline.parser import parse as parse_words
from conductor_trio.errors import ConfigError
from tests.support.users import BOB, real_person

CONFIG = """
server = "gw"
key = "lab"
qr = true
[recipes.mine]
command = ["mine"]
match = ["mine"]
arguments = ["--sock={socket}"]
[recipes.silent]
command = ["silent"]
match = ["silent"]
[recipes.port]
command = ["port"]
match = ["port"]
arguments = ["{port}"]
listen = "tcp"
[recipes.fixed]
command = ["fixed"]
match = ["fixed"]
listen = "tcp"
port = 8787
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "CONDUCTOR_SERVER", "CONDUCTOR_KEY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / ".config/conductor-trio/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(CONFIG)
    return path


def parse(line: str, *, is_terminal: bool = False) -> ClientSettings:
    invocation = parse_words(CLIENT, line.split())
    assert invocation.command in (START, RUN)
    return read_settings(invocation, is_terminal=is_terminal)


def summary(settings: ClientSettings) -> tuple[str | None, str | None, str]:
    return settings.server.host, settings.local_socket, " ".join(settings.launch.command)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # The contract's, with all that argparse takes for options where it does.
        ("h s run", ("h", "s", "run")),
        ("h s -- run", ("h", "s", "run")),
        ("h s run -- x", ("h", "s", "run -- x")),
        ("h s -- run -- x", ("h", "s", "run -- x")),
        ("-r -v -k a h s run -k b", ("h", "s", "run -k b")),
        ("-rvk a h s -- run", ("h", "s", "run")),
        ("--key=a h s -- run", ("h", "s", "run")),
        ("h -k a s -- run", ("h", "s", "run")),
        ("-k -- h s -- run", None),
        ("h s mine {socket} {{", ("h", "s", "mine {socket} {{")),
        ("h run -- mine", ("h", "run", "mine")),
        ("run:22 s x", ("run", "s", "x")),
        ("me@recipes s x", ("recipes", "s", "x")),
        ("-k run h s x", ("h", "s", "x")),
        ("h s -- h s -- x", ("h", "s", "h s -- x")),
        ("h s -V -- x", ("h", "s", "-V -- x")),
        # Without LOCAL_SOCKET.
        ("h -- run", ("h", None, "run")),
        ("-- run", ("gw", None, "run")),
        ("-k a -- run", ("gw", None, "run")),
        ("-k a h -- run", ("h", None, "run")),
        ("h -k a -- run", ("h", None, "run")),
        ("-rvk a h -- run -- x", ("h", None, "run -- x")),
        ("--tcp 80 h -- run -k x", ("h", None, "run -k x")),
        ("h -- mine x", ("h", None, "mine --sock={socket} x")),
        ("-- mine {socket}", ("gw", None, "mine {socket}")),
        ("--no-recipe -- mine x", ("gw", None, "mine x")),
        ("--tcp 80 -- mine x", ("gw", None, "mine x")),
        # By a recipe's name.
        ("run mine", ("gw", None, "mine --sock={socket}")),
        ("run mine -k x -- y", ("gw", None, "mine --sock={socket} -k x -- y")),
        ("run -s h -k a mine x", ("h", None, "mine --sock={socket} x")),
        ("run --server=h mine -- x", ("h", None, "mine --sock={socket} x")),
        ("-k a run -s h mine x", ("h", None, "mine --sock={socket} x")),
        ("-s h -k a run mine x", ("h", None, "mine --sock={socket} x")),
        ("run -- mine x", ("gw", None, "mine --sock={socket} x")),
    ],
)
def test_forms(line: str, expected: tuple[str, str | None, str] | None) -> None:
    if expected is None:
        with pytest.raises(SystemExit):
            parse(line)
    else:
        assert summary(parse(line)) == expected


def test_the_contracts_form_takes_nothing_from_the_configuration(config: Path) -> None:
    settings = parse("h s run", is_terminal=True)
    assert (settings.key, settings.show_qr, settings.launch.recipe) == (None, False, None)
    config.write_text("wrong")
    parse("h s run")


def test_what_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse("-- run").key == "lab"
    assert parse("-k a -- run").key == "a"
    assert parse("-- run").show_qr
    assert not parse("--no-qr -- run").show_qr
    assert parse("--open -- run").open_browser
    monkeypatch.setenv("CONDUCTOR_SERVER", "other")
    monkeypatch.setenv("CONDUCTOR_KEY", "env")
    assert (parse("-- run").server.host, parse("-- run").key) == ("other", "env")
    assert (parse("h -- run").server.host, parse("run -k a mine").key) == ("h", "a")


@pytest.mark.parametrize(
    ("line", "is_terminal", "has_display"),
    [
        ("-- run", True, True),
        ("-- run", False, False),
        ("--json -- run", True, False),
        ("h s run", True, True),
        ("--json h s run", True, False),
        ("h s run", False, False),
    ],
)
def test_who_gets_the_display(line: str, is_terminal: bool, has_display: bool) -> None:
    settings = parse(line, is_terminal=is_terminal)
    assert settings.has_display is has_display
    # Nothing is registered before its application where a program reads the contract's events.
    assert settings.registers_early is (has_display or settings.local_socket is None)


def test_a_log_is_written_for_people_where_that_is_wished(config: Path) -> None:
    config.write_text('server = "gw"\njson = true\n')
    for form in ("h s run", "-- run", "run jupyterlab"):
        assert not parse(form).has_display
        settings = parse(f"--text {form}")
        assert (settings.has_display, settings.is_terminal) == (True, False)


def test_idle_and_busy_can_be_configured(config: Path) -> None:
    config.write_text('server = "gw"\nidle = "2h"\nbusy = "ask"\n')
    assert (parse("-- run").idle, parse("run jupyterlab").busy) == (7200, "ask")
    assert (parse("--idle 30m -- run").idle, parse("--busy other -- run").busy) == (1800, "other")
    assert (parse("--no-idle -- run").idle, parse("--no-busy -- run").busy) == (None, None)
    assert (parse("h s run").idle, parse("h s run").busy) == (None, None)
    config.write_text('server = "gw"\nidle = false\nbusy = "ask"\n')
    assert (parse("-- run").idle, parse("-- run").busy) == (None, "ask")
    assert parse("--idle 1h -- run").busy == "ask"


def test_json_can_be_configured(config: Path) -> None:
    config.write_text('server = "gw"\njson = true\n')
    assert not parse("-- run", is_terminal=True).has_display
    assert parse("--no-json -- run", is_terminal=True).has_display


@pytest.mark.parametrize(
    ("line", "listen", "port"),
    [
        ("-- run", "unix", 0),
        ("-- run {port}", "tcp", 0),
        ("--tcp 80 -- run", "tcp", 80),
        ("--tcp 80 -- run {port}", "tcp", 80),
        ("--tcp 0 -- run {port}", "tcp", 0),
        ("--tcp 80 -- mine", "tcp", 80),
        ("-- port", "tcp", 0),
        ("--tcp 81 -- port", "tcp", 81),
        ("run port", "tcp", 0),
        ("run --tcp 81 port", "tcp", 81),
        ("-- fixed", "tcp", 8787),
        ("h s run {port}", "unix", 0),
        ("--tcp 80 h s run", "tcp", 80),
    ],
)
def test_ports(line: str, listen: str, port: int) -> None:
    launch = parse(line).launch
    assert (launch.listen, launch.port) == (listen, port)


@pytest.mark.parametrize(
    ("line", "needs", "wants"),
    [
        ("-- run", False, True),
        ("-- run {host}", True, True),
        ("-- run {url}", True, True),
        ("-- run {key}", False, True),  # which is known
        ("-- mine", False, False),
        ("-- mine {host}", True, True),
        ("h s run {host}", False, False),
    ],
)
def test_when_the_names_are_needed(line: str, needs: bool, wants: bool) -> None:
    settings = parse(line)
    assert (settings.needs_names, settings.wants_names) == (needs, wants)


@pytest.mark.parametrize(
    ("line", "says_where"),
    [
        ("-- run", False),
        ("--no-recipe -- mine", False),
        ("-- run {socket}", True),
        ("-- run {port}", True),
        ("--tcp 80 -- run", True),
        ("-- mine", True),
        ("-- fixed", True),
        ("-- silent", True),  # by its environment, as whoever wrote the recipe knows
        ("h s run", True),
    ],
)
def test_who_is_told_where_to_listen(line: str, says_where: bool) -> None:
    assert parse(line).says_where is says_where


def test_without_a_key_it_is_the_servers_and_may_be_needed(config: Path) -> None:
    config.write_text('server = "gw"\n')
    assert parse("-- run {key}").needs_names


# No option is accepted and ignored. Where it has no meaning, what is said about it; else what it changes.
SHORT, CONTRACT, BY_NAME = "h -- run", "h s run", "run -s h jupyterlab"


@pytest.mark.parametrize(
    ("option", "form", "outcome"),
    [
        ("-k a", SHORT, {"key": "a"}),
        ("-k a", CONTRACT, {"key": "a"}),
        ("-k a", BY_NAME, {"key": "a"}),
        ("-r", SHORT, {"replace": True}),
        ("-r", CONTRACT, {"replace": True}),
        ("-r", BY_NAME, {"replace": True}),
        ("--no-recipe", "h -- mine", {"launch": Launch(command=("mine",))}),
        ("--no-recipe", CONTRACT, "--no-recipe is for a COMMAND without LOCAL_SOCKET"),
        ("--no-recipe", BY_NAME, "unrecognized option --no-recipe, which is for `conductor-trio`"),
        ("--json", SHORT, {"has_display": False}),
        ("--json", CONTRACT, {"has_display": False}),
        ("--json", BY_NAME, {"has_display": False}),
        ("--json --no-json", SHORT, {}),
        ("--json --no-json", CONTRACT, {}),
        ("--no-qr", SHORT, {"show_qr": False}),
        ("--no-qr", BY_NAME, {"show_qr": False}),
        ("--qr", CONTRACT, {"show_qr": True}),
        ("--qr --no-qr", CONTRACT, {}),
        ("--qr --json", SHORT, "--qr is for people"),
        ("--qr --json", CONTRACT, "--qr is for people"),
        ("--qr --json", BY_NAME, "--qr is for people"),
        ("--open", SHORT, {"open_browser": True}),
        ("--open", CONTRACT, {"open_browser": True}),
        ("--open", BY_NAME, {"open_browser": True}),
        ("--open --json", SHORT, "--open is for people"),
        ("--tcp 80", SHORT, {"launch": Launch(command=("run",), listen="tcp", port=80)}),
        ("--tcp 80", CONTRACT, {"launch": Launch(command=("run",), listen="tcp", port=80)}),
        ("--tcp 80", BY_NAME, "leave out one of them"),
        ("--tcp-shared", "-- port", {"tcp_shared": True}),
        ("--tcp-shared", "--tcp 80 h s run", {"tcp_shared": True}),
        ("--tcp-shared", "run -s h port", {"tcp_shared": True}),
        ("--tcp-shared", SHORT, "--tcp-shared is for an application that listens on a TCP port"),
        ("--tcp-shared", CONTRACT, "--tcp-shared is for an application that listens on a TCP port"),
        ("--tcp-shared", BY_NAME, "--tcp-shared is for an application that listens on a TCP port"),
        ("--idle 2h", SHORT, {"idle": 7200}),
        ("--idle 2h", CONTRACT, {"idle": 7200}),
        ("--idle 2h", BY_NAME, {"idle": 7200}),
        ("--idle 2h --busy ask", SHORT, {"idle": 7200, "busy": "ask"}),
        ("--idle 2h --busy ask", CONTRACT, {"idle": 7200, "busy": "ask"}),
        ("--busy ask", SHORT, "--busy says whether --idle may end the application"),
        ("--busy ask", CONTRACT, "--busy says whether --idle may end the application"),
        ("--busy ask", BY_NAME, "--busy says whether --idle may end the application"),
        ("--text", SHORT, {}),
        ("--text", CONTRACT, {}),
        ("--text --json", BY_NAME, "--text is for people, --json for programs"),
        ("--link-file /tmp/l", SHORT, {"link_file": "/tmp/l"}),
        ("--link-file /tmp//l", CONTRACT, {"link_file": "/tmp/l"}),
        ("--link-file /tmp/l", BY_NAME, {"link_file": "/tmp/l"}),
        ("--link-file /tmp/", SHORT, "is no name of a file"),
        ("-v", SHORT, {"verbose": True}),
        ("-v", CONTRACT, {"verbose": True}),
        ("-v", BY_NAME, {"verbose": True}),
        ("-s h", SHORT, "unrecognized option -s, which is for `conductor-trio run`"),
        ("-s h", CONTRACT, "unrecognized option -s, which is for `conductor-trio run`"),
        ("--for 8h", SHORT, "unrecognized option --for, which is for `conductor-trio share`"),
        ("--list", CONTRACT, "unrecognized option --list, which is for `conductor-trio share`"),
        ("--once", BY_NAME, "unrecognized option --once, which is for `conductor-trio share`"),
    ],
)
def test_each_option_acts_or_is_refused(
    option: str, form: str, outcome: dict[str, Any] | str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = parse(form, is_terminal=True)
    if isinstance(outcome, str):
        with pytest.raises((ConfigError, SystemExit)) as caught:
            parse(f"{option} {form}", is_terminal=True)
        assert outcome in f"{caught.value}{capsys.readouterr().err}"
        return
    settings = parse(f"{option} {form}", is_terminal=True)
    changed = {
        field.name: getattr(settings, field.name)
        for field in attrs.fields(ClientSettings)
        if field.name != "token" and getattr(settings, field.name) != getattr(plain, field.name)
    }
    assert changed == outcome


def test_every_option_that_starts_an_application_is_reviewed() -> None:
    """A new one belongs into the table above."""
    reviewed = {
        *("key", "replace", "no_recipe", "json", "qr", "open"),
        *(
            "tcp",
            "tcp_shared",
            "idle",
            "busy",
            "verbose",
            "server",
            "token_file",
            "socket_user",
            "text",
            "link_file",
        ),
    }
    assert {option.field for command in (START, RUN) for option in command.options} == reviewed


def test_a_key_to_take_over_has_to_be_known(config: Path) -> None:
    config.write_text('server = "gw"\n')
    for line in ("-r -- run", "run -r jupyterlab"):
        with pytest.raises(ConfigError, match="say which by -k KEY"):
            parse(line)
    assert parse("-r h s run").replace


def test_what_people_see_does_not_go_with_json_of_the_configuration(config: Path) -> None:
    config.write_text('server = "gw"\njson = true\nqr = true\n')
    assert parse("-- run", is_terminal=True).show_qr  # which nobody asks for here
    with pytest.raises(ConfigError, match="give --no-json, too"):
        parse("--open -- run", is_terminal=True)
    assert parse("--open --no-json -- run", is_terminal=True).has_display


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--tcp 0 -- run", "write {port}"),
        ("--tcp 0 h s run {port}", "write {port}"),
        ("--tcp 80 -- run {socket}", "leave out one"),
        ("-- run {socket} {port}", "leave out one"),
        ("run --tcp 80 mine", "leave out one"),
        ("run nine", "there is no recipe 'nine'; did you mean mine?"),
        ("h:0 -- run", "no port 0"),
    ],
)
def test_what_does_not_fit(line: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]*$") as caught:
        parse(line)
    assert says in str(caught.value)


@pytest.mark.parametrize("line", ["-- run", "run mine"])
def test_without_a_gateway_it_says_how_to_name_one(config: Path, line: str) -> None:
    config.write_text(CONFIG.replace('server = "gw"', ""))
    with pytest.raises(ConfigError, match="no SERVER"):
        parse(line)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("h --", "COMMAND"),
        ("--", "COMMAND"),
        ("h jupyter", "'--' stands before it"),
        ("-o -- run", "unrecognized"),
        ("--tcp x -- run", "no port 'x'"),
        ("--tcp 65536 -- run", "no port '65536'"),
        ("--tcp -- run", "--tcp"),
        ("run", "RECIPE"),
        ("lss", "there is no command 'lss'; did you mean ls?"),
        ("-v lss", "there is no command 'lss'; did you mean ls?"),
        ("stpo lab", "there is no command 'stpo'; did you mean stop?"),
        ("kill lab", "there is no command 'kill'; did you mean stop?"),
        ("revoke lab", "there is no command 'revoke'; did you mean share --revoke?"),
        ("status", "there is no command 'status'; did you mean ls?"),
        ("h", "'--' before it, or LOCAL_SOCKET"),
        ("--jsn -- run", "unrecognized option --jsn; did you mean --json?"),
        ("run --jsn mine", "unrecognized option --jsn; did you mean --json?"),
    ],
)
def test_wrong_usage(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(line)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


def test_options_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "s3cret")
    settings = parse("-k lab -r -v gw x.sock -- run -k -- y")
    assert settings.launch.command == ("run", "-k", "--", "y")
    assert (settings.key, settings.replace, settings.verbose) == ("lab", True, True)
    assert (settings.server.host, settings.local_socket) == ("gw", "x.sock")
    assert settings.token == "s3cret"
    assert TOKEN_VARIABLE not in os.environ
    assert "s3cret" not in repr(settings)


def test_the_two_dashes_are_optional() -> None:
    assert parse("gw x run --key a").launch.command == ("run", "--key", "a")


@pytest.mark.parametrize("given_token", ["", None])
def test_without_a_token_there_is_a_fresh_one(given_token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = set()
    for _ in range(3):
        if given_token is not None:
            monkeypatch.setenv(TOKEN_VARIABLE, given_token)
        tokens.add(parse("gw x run").token)
    assert len(tokens) == 3
    assert all(len(token) == 32 and token.isascii() and token.isalnum() and token.islower() for token in tokens)


@pytest.mark.parametrize("text", ["s3cret-from-a-file", "s3cret-from-a-file\n", "s3cret-from-a-file\r\n\n"])
def test_a_token_comes_from_a_file_rather_than_from_the_environment(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "of-the-environment")
    (tmp_path / "token").write_bytes(text.encode())
    (tmp_path / "token").chmod(0o600)
    assert parse(f"--token-file {tmp_path}/token -- run").token == "s3cret-from-a-file"
    assert TOKEN_VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (b"", 0o600, "has to hold the token"),
        (b"\ntoken\n", 0o600, "has to hold the token"),
        (b"one\ntwo\n", 0o600, "has to hold the token"),
        (b"x" * 5000, 0o600, "has to hold the token"),
        (b"\xff\n", 0o600, "is not UTF-8"),
        (b"token\n", 0o640, "chmod 600"),
        (b"token\n", 0o604, "chmod 600"),
        (b"token\n", 0o620, "chmod 600"),
        (b"token\n", 0o602, "chmod 600"),
    ],
)
def test_a_token_file_that_cannot_be_meant_is_refused(
    content: bytes, mode: int, says: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_bytes(content)
    (tmp_path / "token").chmod(mode)
    with pytest.raises(ConfigError, match=says):
        parse(f"--token-file {tmp_path}/token -- run")


def test_a_token_file_of_another_user_is_refused(tmp_path: Path) -> None:
    bob = real_person(BOB)
    (tmp_path / "token").write_text("which he knows")
    (tmp_path / "token").chmod(0o600)
    os.chown(tmp_path / "token", bob.uid, bob.gid)
    with pytest.raises(ConfigError, match="is another user's"):
        parse(f"--token-file {tmp_path}/token -- run")


def test_whom_else_to_take_for_the_application_is_said_with_its_socket(config: Path) -> None:
    assert parse("--socket-user rstudio h s run").socket_user == "rstudio"
    with pytest.raises(SystemExit):
        parse("--socket-user rstudio h -- run")


def test_a_token_file_that_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read --token-file .*: No such file"):
        parse(f"--token-file {tmp_path}/none -- run")
