"""What comes with the package is found in a directory and in an archive alike."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import conductor_trio
from conductor_trio.commandline.shipped import list_files, name_file, read_file

PACKAGE = Path(conductor_trio.__file__).parent

READ_ALL = """
from conductor_trio.commandline.shipped import list_files, read_file
print(*list_files("recipes"), read_file("recipes/dash.toml"), sep="\\n", end="")
"""


def test_files_are_listed_and_read() -> None:
    names = list_files("recipes")
    assert names == sorted(path.name for path in (PACKAGE / "recipes").iterdir())
    assert read_file("recipes/dash.toml") == (PACKAGE / "recipes" / "dash.toml").read_text()
    assert name_file("recipes/dash.toml") == str(PACKAGE / "recipes" / "dash.toml")


def test_what_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        read_file("recipes/nothing.toml")


def test_an_archive_has_the_same(tmp_path: Path) -> None:
    archive = tmp_path / "program.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in [*PACKAGE.glob("*.py"), *PACKAGE.glob("commandline/*.py"), *PACKAGE.glob("recipes/*")]:
            file.write(path, path.relative_to(PACKAGE.parent))
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(archive)!r}){READ_ALL}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "\n".join([*list_files("recipes"), read_file("recipes/dash.toml")])
