"""The files that come with a program: each is there, can be printed, and goes to where it belongs."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path, PurePath

import pytest

from conductor_trio.client.cli.table import CLIENT
from conductor_trio.commandline.files import install_shipped, list_shipped, own_path, read_shipped
from conductor_trio.commandline.parser import parse
from conductor_trio.commandline.standard import run_standard
from conductor_trio.commandline.table import Program
from conductor_trio.errors import ConductorError, ConfigError
from conductor_trio.server.cli.table import SERVER

ROOT = Path(__file__).parents[2]
CONTRIB = ROOT / "contrib"
OWN = "/usr/bin/own"

by_program = pytest.mark.parametrize("program", [CLIENT, SERVER], ids=lambda program: program.name)


@by_program
def test_each_is_listed_and_printed(program: Program) -> None:
    listed = [line.split() for line in list_shipped(program).splitlines()]
    assert listed == [[file.name, file.place] for file in program.files]
    for file in program.files:
        printed = read_shipped(program, file.name, OWN)
        assert printed == (CONTRIB / file.name).read_text().replace(f"/opt/conductor-trio/bin/{program.name}", OWN)


@by_program
def test_all_go_to_where_they_belong(program: Program, tmp_path: Path) -> None:
    written = install_shipped(program, str(tmp_path), OWN).splitlines()
    assert written == [str(tmp_path / file.place) for file in program.files]
    assert sorted(written) == sorted(str(path) for path in tmp_path.rglob("*") if path.is_file())
    for path in map(Path, written):
        assert os.access(path, os.X_OK) == path.read_text().startswith("#!")
    assert install_shipped(program, str(tmp_path), OWN).splitlines() == written


def test_the_unit_starts_the_program_that_is_meant() -> None:
    unit = read_shipped(SERVER, "conductor-trio-server.service", OWN)
    assert f"\nExecStart={OWN} --runtime-dir" in unit and f"\nExecReload={OWN} reload" in unit


def test_none_belongs_to_two_places_and_no_completion_or_unit_is_forgotten() -> None:
    files = [*CLIENT.files, *SERVER.files]
    assert len({file.place for file in files}) == len({file.name for file in files}) == len(files)
    needed = {
        path.relative_to(CONTRIB).as_posix()
        for pattern in ("man/*", "completion/*", "*.service", "*.socket", "sysusers.d/*", "tmpfiles.d/*")
        for path in CONTRIB.glob(pattern)
    }
    assert needed <= {file.name for file in files}


def test_a_wheel_puts_them_there_too() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    found = {
        f"{directory}/{path.name}": path.relative_to(ROOT / "conductor_trio/contrib").as_posix()
        for directory, patterns in data.items()
        for pattern in patterns
        for path in ROOT.glob(pattern)
    }
    files = [*CLIENT.files, *SERVER.files]
    assert found == {file.place: file.name for file in files if "doc" not in PurePath(file.place).parts}


@by_program
def test_the_program_s_own_path_is_known(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/x/bin/program", "files"])
    assert own_path(program) == "/opt/x/bin/program"
    monkeypatch.setattr(sys, "argv", ["/lib/conductor_trio/__main__.py"])
    assert own_path(program) == str(Path(sys.executable).with_name(program.name))


def test_a_name_that_there_is_not_is_told() -> None:
    with pytest.raises(ConfigError, match=r"no file 'server.tml'; did you mean server.toml\?"):
        read_shipped(SERVER, "server.tml", OWN)


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "share").touch()
    with pytest.raises(ConductorError, match=r"cannot write .*conductor-trio\.1: "):
        install_shipped(CLIENT, str(tmp_path), OWN)


def test_the_command_does_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> str | None:
        return run_standard(SERVER, parse(SERVER, ["files", *words]))

    assert run() == list_shipped(SERVER)
    assert run("server.toml") == (CONTRIB / "server.toml").read_text()
    told = run("--install", str(tmp_path), "--program", OWN)
    assert told is not None and str(tmp_path / "share/man/man8/conductor-trio-server.8") in told
    with pytest.raises(SystemExit):
        run("--install", str(tmp_path), "server.toml")
    assert "leave out 'server.toml'" in capsys.readouterr().err
