"""RStudio Server's recipe, with a stand-in for the program, which is in no package registry."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conductor_trio.client.config.files import shipped_recipes
from conductor_trio.client.config.placeholders import Values
from conductor_trio.client.config.recipes import launch_recipe

PATIENCE = 20

#: Says how it was started, and what the files hold that it was told of; then does what the test wants.
STAND_IN = """\
#!/bin/sh
for word; do
    echo "$word"
    case $word in --database-config-file=*) cat "${word#*=}" ;; esac
done
echo
exec sh -c "$BEHAVIOUR"
"""


@pytest.fixture
def bench(short_tmp: Path) -> Path:
    """Give a directory with the stand-in, and one for temporary files."""
    program = short_tmp / "rserver"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    (short_tmp / "tmp").mkdir()
    return short_tmp


def start(bench: Path, behaviour: str) -> subprocess.Popen[str]:
    recipe = shipped_recipes()["rstudio"]
    command = launch_recipe(recipe, ["--www-frame-origin=any"]).fill_command(Values(port=4711))
    environment = {
        "PATH": f"{bench}:/usr/bin:/bin",
        "TMPDIR": str(bench / "tmp"),
        "BEHAVIOUR": behaviour,
    }
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_said(process: subprocess.Popen[str]) -> list[str]:
    """Return what the stand-in was told, up to the empty line after it, or to its end."""
    assert process.stdout is not None
    lines = []
    while (line := process.stdout.readline()).strip():
        lines.append(line.rstrip("\n"))
    return lines


def test_it_runs_as_oneself_and_keeps_its_files_where_one_may_write(bench: Path) -> None:
    with start(bench, "exec sleep 60") as process:
        said = read_said(process)
        assert {"--server-daemonize=0", "--auth-none=1", "--www-address=127.0.0.1", "--www-port=4711"} <= set(said)
        assert said[-1] == "--www-frame-origin=any"
        [kept] = (bench / "tmp").iterdir()
        assert (kept.stat().st_mode & 0o777) == 0o700
        assert ["provider=sqlite", f"directory={kept}"] == [line for line in said if not line.startswith("--")]
        assert f"--server-data-dir={kept}" in said
        process.terminate()
        assert process.wait(PATIENCE) != 0
    assert list((bench / "tmp").iterdir()) == []


def test_it_passes_its_status_on(bench: Path) -> None:
    with start(bench, "exit 3") as process:
        assert read_said(process)
        assert process.wait(PATIENCE) == 3
    assert list((bench / "tmp").iterdir()) == []


def test_it_says_what_is_missing(bench: Path) -> None:
    (bench / "rserver").unlink()
    with start(bench, "") as process:
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 127
    assert said == "there is no rserver here: load its module first\n"
