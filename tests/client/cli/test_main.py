"""``conductor-trio`` as a function: which command is run, and the exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conductor_trio.client.cli import main
from tests.doubles.terminal import open_terminal
from tests.support.programs import OWN_PYTHON

PROGRAM = str(OWN_PYTHON.with_name("conductor-trio"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home without a configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "CONDUCTOR_SERVER", "CONDUCTOR_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


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


@pytest.mark.parametrize("words", [["ls", "gw"], ["stop", "lab", "gw"], ["doctor", "gw"], ["gw", "--", "true"]])
def test_no_commands_ssh_finds_the_token(words: list[str], home: Path) -> None:
    (ssh := home / "ssh").write_text(f"#!/bin/sh\n/usr/bin/env >>{home}/environment\nexit 255\n")
    ssh.chmod(0o755)
    environment = {"CONDUCTOR_TOKEN": "s3cret-of-alice", "HOME": str(home), "PATH": f"{home}:/usr/bin:/bin"}
    done = subprocess.run([PROGRAM, *words], env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "s3cret" not in (home / "environment").read_text()


def test_help_needs_no_trio() -> None:
    # What makes --help quick: it is over before anything slow is imported.
    script = (
        "import sys; from conductor_trio.client.cli import table; from conductor_trio.commandline import parser; "
        "parser.format_help(table.CLIENT, table.START)"
    )
    check = f"{script}; sys.exit(not not {{'trio', 'asyncio', 'structlog', 'ssl'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_is_asked_for_goes_to_standard_output(option: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main([option])
    assert caught.value.code == 0
    assert "conductor-trio" in capfd.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        ["help"],
        ["help", "share"],
        ["share", "--help"],
        ["--help", "share"],
        ["recipes"],
        ["recipes", "jupyterlab"],
    ],
)
def test_what_explains_something_is_status_0(argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run_main(argv) == 0
    said = capfd.readouterr()
    assert said.out and not said.err


def test_help_of_a_command_is_the_same_in_each_form(capfd: pytest.CaptureFixture[str]) -> None:
    texts = set()
    for argv in (["help", "share"], ["share", "--help"], ["-h", "share"], ["share", "lab", "-h"]):
        run_main(argv)
        texts.add(capfd.readouterr().out)
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["lss"], "did you mean ls?"),
        (["help", "shar"], "did you mean share?"),
        (["completion", "zhs"], "did you mean zsh?"),
        (["recipes", "jupiterlab"], "did you mean jupyterlab?"),
        (["run", "jupiterlab"], "did you mean jupyterlab?"),
        (["ls", "--vebose"], "did you mean --verbose?"),
        (["share", "lab", "--lsit"], "did you mean --list?"),
    ],
)
def test_what_was_meant_is_said(argv: list[str], says: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_main(argv) == 2
    said = capfd.readouterr()
    assert says in said.err.splitlines()[-1] and "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["-v", "ls", "SERVER"],
        ["ls", "-v", "SERVER"],
        ["ls", "SERVER", "-v"],
        ["--json", "stop", "lab", "SERVER"],
        ["--once", "share", "lab", "--label", "x", "SERVER"],
        ["--label", "ls", "share", "lab", "SERVER"],
    ],
)
def test_options_stand_before_a_command_or_behind(words: list[str], tmp_path: Path) -> None:
    """That the gateway is missed says that all of it was understood."""
    words = [str(tmp_path / "none") if word == "SERVER" else word for word in words]
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert f"no conductor-trio-server at {tmp_path}/none" in done.stderr


def test_a_mistyped_command_that_has_the_contracts_form_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "sahre", "lab", "/no/such/program"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 127
    assert "there is no command 'sahre'; did you mean share?" in done.stderr.splitlines()[-1]
    assert done.stdout.count("\n") == 1  # the contract's event, and nothing else


def test_what_is_for_people_is_missed_where_there_is_no_terminal(tmp_path: Path) -> None:
    words = ["--qr", str(tmp_path / "none"), str(tmp_path / "app.sock"), "--", "/no/such/program"]
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 127
    assert "--qr does nothing, because standard output is no terminal" in done.stderr
    with open_terminal(columns=200) as terminal:
        subprocess.run(
            [PROGRAM, *words], stdout=terminal.descriptor, stderr=terminal.descriptor, timeout=20, check=False
        )
        terminal.read_all()
        assert "does nothing" not in terminal.text
