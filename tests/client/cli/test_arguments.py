"""client/arguments: which of the three forms a command line has, and what the configuration adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.client.cli.arguments import parse_arguments
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.errors import ConfigError

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
    return parse_arguments(line.split(), is_terminal=is_terminal)


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
        ("-v run s x", ("run", "s", "x")),
        ("-v recipes s x", ("recipes", "s", "x")),
        ("run:22 s x", ("run", "s", "x")),
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
    ],
)
def test_wrong_usage(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(line)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err
