"""The script of a job, run by sh."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conductor_trio.client.batch.script import format_script, own_command


def write(directory: Path, *command: str) -> Path:
    (path := directory / "script").write_text(
        format_script(
            directory=str(directory),
            token=str(directory / "token"),
            log=str(directory / "log"),
            cwd=str(directory),
            command=command,
        )
    )
    return path


@pytest.mark.parametrize("name", ["plain", "it's $HOME", 'a "quoted" `date`', "ä 100%"])
def test_it_runs_its_command_where_it_was_handed_in_and_adds_to_the_log(tmp_path: Path, name: str) -> None:
    (directory := tmp_path / name).mkdir()
    (directory / "token").touch()
    (directory / "log").write_text("before\n")
    script = write(
        directory, "sh", "-c", 'pwd; printf "%s\\n" "$@"; echo bad >&2; exit 7', "x", "two words", "$HOME"
    )
    done = subprocess.run(["sh", script], cwd="/", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"")
    assert (directory / "log").read_text() == f"before\n{directory}\ntwo words\n$HOME\nbad\n"


@pytest.mark.parametrize("name", ["plain", 'a "quoted" `date` $HOME'])
def test_a_node_that_does_not_see_the_files_says_so(tmp_path: Path, name: str) -> None:
    (directory := tmp_path / name).mkdir()
    done = subprocess.run(["sh", write(directory, "true")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{directory} is not to be seen on {os.uname().nodename}" in done.stderr


def test_the_program_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = subprocess.check_output([*own_command(), "--version"], text=True)
    assert said.startswith("conductor-trio ")
    with zipfile.ZipFile(tmp_path / "conductor-trio.pyz", "w") as archive:
        archive.writestr("__main__.py", "")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "conductor-trio.pyz"), "submit"])
    assert own_command() == [sys.executable, str(tmp_path / "conductor-trio.pyz")]
