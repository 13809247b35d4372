"""What contrib holds for shells and readers: made of the programs' own tables, and working."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from conductor_trio.configuration.configured import Configuration
from conductor_trio.server.cli.arguments import make_settings, read_configuration
from conductor_trio.server.cli.settings_table import SECTIONS
from scripts.commandline.files import CONTRIB, make_files
from tests.support.needs import require_program
from tests.support.programs import OWN_PYTHON

FILES = make_files()

#: For each program, the files that have to know its options, and the commands that have some of their own.
PROGRAMS = {
    "conductor-trio": (
        ["", "run", "submit", "ls", "stop", "share", "setup", "doctor", "recipes", "completion", "files", "help"],
        1,
    ),
    "conductor-trio-server": (["", "check", "config", "reload", "completion", "files", "help"], 8),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_kept_is_what_the_tables_make(name: str) -> None:
    """Otherwise: python -m scripts.commandline."""
    assert (CONTRIB / name).read_text() == FILES[name]


def test_nothing_else_is_kept_there() -> None:
    kept = {
        str(path.relative_to(CONTRIB)) for part in ("completion", "man") for path in (CONTRIB / part).iterdir()
    }
    assert kept == set(FILES) - {"server.toml"}


SETTING = re.compile(r"^#(?=[a-z\[])", re.M)


def read_server_file(path: Path, text: str) -> Configuration:
    path.write_text(text)
    said = read_configuration({"config": str(path)})
    make_settings(said)
    return said


def test_the_example_says_nothing(tmp_path: Path) -> None:
    said = read_server_file(tmp_path / "server.toml", FILES["server.toml"])
    assert all(given.origin.is_default for _, given in said.rows())


def test_what_the_example_shows_can_be_said(tmp_path: Path) -> None:
    without_socket = re.sub("^#socket.*$", "", FILES["server.toml"], flags=re.M)  # which contradicts the port
    said = read_server_file(tmp_path / "server.toml", SETTING.sub("", without_socket))
    silent = {key for key, given in said.rows() if given.origin.is_default}
    assert silent == {("socket",)}
    assert {"sso", "site", "users", "groups"} == {key[0] for key, _ in said.rows() if len(key) > 1}


def test_what_the_example_shows_without_a_reason_is_the_default(tmp_path: Path) -> None:
    without_examples = {setting.key for section in SECTIONS for setting in section.settings if not setting.example}
    for line in FILES["server.toml"].partition("#[")[0].splitlines():
        if SETTING.match(line) and (key := line[1:].partition(" ")[0]) in without_examples:
            said = read_server_file(tmp_path / "server.toml", line[1:])
            [given] = [given for path, given in said.rows() if path == (key,)]
            assert given.value == given.setting.default


def options_of(program: str) -> set[str]:
    """Return the options that the program's help lists, short and long."""
    listed = []
    for command in PROGRAMS[program][0]:
        words = [str(OWN_PYTHON.with_name(program)), *command.split(), "--help"]
        shown = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout
        listed += [line.strip() for line in shown.splitlines() if line.startswith("  -")]
    return {word for line in listed for word in re.findall(r"(?:^|, )(--?[A-Za-z][a-z-]*)", line)}


def mentions(text: str, option: str) -> bool:
    name = option.lstrip("-")
    if "for fish" in text:
        return re.search(rf" -{'s' if len(name) == 1 else 'l'} {name}\b(?!-)", text) is not None
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", re.sub(r"\\f[BIP]|\\(?=-)", "", text)) is not None


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_is_known(program: str) -> None:
    options = options_of(program)
    assert {"-h", "--help", "--version"} <= options
    files = [
        name
        for name in FILES
        if Path(name).name.strip("_").rpartition(".")[0] == program or name.endswith(f"_{program}")
    ]
    assert len(files) == 4
    for name in files:
        assert not {option for option in options if not mentions((CONTRIB / name).read_text(), option)}


@pytest.mark.parametrize("page", sorted((CONTRIB / "man").iterdir()), ids=lambda page: page.name)
def test_manual_pages_are_sound(page: Path) -> None:
    command = [require_program("groff"), "-man", "-Tutf8", "-ww", "-z", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert done.stderr == ""


def test_the_line_for_pypy_makes_what_the_unit_starts() -> None:
    """The unit's program is where the line in docs/install.md puts it, and both say what else the unit needs."""
    line = "sh scripts/pypy.sh python3 /opt/conductor-trio"
    unit = (CONTRIB / "conductor-trio-server.service").read_text()
    guide = (CONTRIB.parent / "docs" / "install.md").read_text()
    assert f"$ {line}\n" in guide
    assert line in unit
    assert "ExecStart=/opt/conductor-trio/bin/conductor-trio-server" in unit
    assert "MemoryDenyWriteExecute=no" in guide and "MemoryDenyWriteExecute=no" in unit
    assert (CONTRIB.parent / "scripts/pypy.sh").exists()
