"""The desktop's recipe, with stand-ins for its programs; `make apps` tries it with the real ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conductor_trio.client.config.files import shipped_recipes
from conductor_trio.client.config.placeholders import Values
from conductor_trio.client.config.recipes import launch_recipe

PATIENCE = 20

_PROGRAMS = {
    "Xvnc": 'echo "$@" >"$SAID/Xvnc"; echo 42 >&3; exec sleep 60',
    "xauth": 'echo "$@" >>"$SAID/xauth"',
    "mcookie": "echo 00c00c1e",
    "websockify": 'if [ "$1" = --help ]; then echo "$HELP"; else echo "$@" >"$SAID/websockify"; exec sleep 60; fi',
    # The desktop: ends once it has told where it is, and the other programs have begun.
    "session": 'until [ -s "$SAID/websockify" ]; do sleep 0.02; done; echo "$@"; echo "$DISPLAY"; '
    'cat "${XAUTHORITY%/*}/web/index.html"; ls "${XAUTHORITY%/*}/web"; exit 3',
}


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Give a directory with the stand-ins in `bin`, a noVNC, and one for temporary files."""
    for name in ("bin", "novnc", "tmp", "said"):
        (tmp_path / name).mkdir()
    (tmp_path / "novnc" / "vnc.html").touch()
    for name, script in _PROGRAMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run(bench: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    recipe = shipped_recipes()["desktop"]
    command = launch_recipe(recipe, words).fill_command(Values(socket=f"{bench}/app.sock"))
    environment = {
        "PATH": f"{bench}/bin:/usr/bin:/bin",
        "TMPDIR": str(bench / "tmp"),
        "SAID": str(bench / "said"),
        "NOVNC": str(bench / "novnc"),
        "HELP": "--unix-listen=FILE",
        **variables,
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_nobody_else_gets_to_it_and_its_end_is_the_sessions(bench: Path) -> None:
    done = run(bench, "session", "an argument")
    assert done.returncode == 3, done.stderr
    argument, display, page, *files = done.stdout.splitlines()
    assert (argument, display, files) == ("an argument", ":42", ["index.html", "vnc.html"])
    assert "vnc.html?autoconnect=true" in page
    said = {path.name: path.read_text() for path in (bench / "said").iterdir()}
    assert "-nolisten tcp -rfbport=-1 -rfbunixpath=" in said["Xvnc"] and "-auth " in said["Xvnc"]
    assert f"--unix-listen={bench}/app.sock --unix-target=" in said["websockify"]
    assert said["xauth"] == "-q add :0 . 00c00c1e\n-q add :42 . 00c00c1e\n"
    assert not any((bench / "tmp").iterdir())


def test_what_is_missing_is_told(bench: Path) -> None:
    done = run(bench, "session", HELP="--unix-target=FILE")
    assert done.returncode == 1 and "websockify is too old: 0.12 listens on UNIX sockets" in done.stderr
    (bench / "novnc" / "vnc.html").rename(bench / "novnc" / "other.html")
    for place in ("/usr/share/novnc", "/usr/local/share/novnc", "/opt/novnc", "/opt/noVNC"):
        if Path(place).exists():
            return
    done = run(bench, "session")
    assert done.returncode == 1 and "there is no noVNC here" in done.stderr
    assert not any((bench / "tmp").iterdir())
