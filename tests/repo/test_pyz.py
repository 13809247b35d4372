"""The programs as one file each: all is in them, and they do what installed ones do."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conductor_trio import __version__
from conductor_trio.client.config.files import shipped_recipes
from scripts.pyz.archive import PROGRAMS, Packed, find_pythons, write_program
from tests.support.programs import OWN_PYTHON, PATTERN, ask, open_program, run_program, wait_until
from tests.support.successors import entries

CLIENT, SERVER = PROGRAMS
ROOT = Path(__file__).parents[2]
START = ROOT / "scripts" / "pyz" / "start.py"

IMPORT_ALL = """
import importlib, sys, zipfile
sys.path.insert(0, sys.argv[1])
for name in zipfile.ZipFile(sys.argv[1]).namelist():
    path, _, extension = name.rpartition(".")
    if extension.startswith("py") and path.startswith("conductor_trio/") and "/contrib/" not in path:
        importlib.import_module(path.replace("/", ".").removesuffix(".__init__"))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with both files."""
    directory = tmp_path_factory.mktemp("pyz")
    for program in PROGRAMS:
        write_program(program, directory)
    return directory


def copy_of(place: Path, name: str, directory: Path) -> Path:
    copy = directory / f"{name}.pyz"
    copy.write_bytes((place / copy.name).read_bytes())
    copy.chmod(0o755)
    return copy


def run(*words: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    command = [str(word) for word in words]
    return subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, timeout=60, cwd=cwd, env=env
    ).stdout


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_all_that_is_imported_is_there(program: Packed, place: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(place / f"{program.name}.pyz") as file:
        parts = {name: file.read(name) for name in file.namelist()}
    own = f"{sys.implementation.cache_tag}.zip"
    assert {"__main__.py", "source.zip", own} <= parts.keys()
    assert sum(name.startswith("cpython-") for name in parts) == len(find_pythons())
    assert {"licences/conductor-trio/LICENSE", "licences/trio/LICENSE"} <= parts.keys()
    for name in ("source.zip", own):
        (tmp_path / name).write_bytes(parts[name])
        run(sys.executable, "-ISc", IMPORT_ALL, tmp_path / name)
    with zipfile.ZipFile(io.BytesIO(parts[own])) as compiled:
        assert not [name for name in compiled.namelist() if name.endswith(".py") and "/contrib/" not in name]


def test_the_same_makes_the_same_file(place: Path, tmp_path: Path) -> None:
    assert write_program(CLIENT, tmp_path).read_bytes() == (place / "conductor-trio.pyz").read_bytes()


def test_they_say_what_installed_ones_say(place: Path, tmp_path: Path) -> None:
    for program in PROGRAMS:
        for words in (["--version"], ["--help"], ["files"], ["completion", "bash"]):
            told = run(OWN_PYTHON, place / f"{program.name}.pyz", *words, cwd=tmp_path)
            assert told == run(OWN_PYTHON.with_name(program.name), *words)
            assert words != ["--version"] or __version__ in told
    assert shipped_recipes().keys() <= set(run(place / "conductor-trio.pyz", "recipes").split())
    link = run(place / "conductor-trio.pyz", "files", "jobs/jupyter.slurm")
    assert link == (ROOT / "contrib" / "jobs" / "jupyter.slurm").read_text()
    unit = run(place / "conductor-trio-server.pyz", "files", "conductor-trio-server.service")
    assert f"\nExecStart={place}/conductor-trio-server.pyz --runtime-dir" in unit


@pytest.mark.e2e
async def test_a_session_outlives_the_files_and_their_replacement(
    place: Path, runtime_dir: Path, short_tmp: Path
) -> None:
    """What is imported late comes from what was there at the start, and a successor from what is there now."""
    server_file, client_file = (copy_of(place, program.name, short_tmp) for program in (SERVER, CLIENT))
    content = server_file.read_bytes()
    serve: list[str | Path] = [OWN_PYTHON, server_file, "-r", runtime_dir, "-p", "0", "-d", PATTERN]
    application: list[str | Path] = [OWN_PYTHON, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
    start: list[str | Path] = [
        OWN_PYTHON,
        client_file,
        "--json",
        "-k",
        "app",
        "--tcp-shared",
        runtime_dir / "client",
        "--",
    ]
    environment = dict(os.environ, CONDUCTOR_TOKEN="token", HOME=str(short_tmp))
    async with open_program(serve) as server:
        port = (await server.wait_logged("listening"))["addresses"][0][1]
        async with open_program([*start, *application], environment=environment) as client:
            host = (await client.wait_state("live"))["config"]["urls"][0].partition(":")[0]
            for file in (server_file, client_file):
                file.write_bytes(b"no program")
            assert (await ask(port, host, "/", token="token")).status == 200
            failed = await run_program([OWN_PYTHON, place / server_file.name, "reload", "-r", runtime_dir])
            assert failed.process.returncode == 1
            server_file.write_bytes(content)
            done = await run_program([OWN_PYTHON, place / server_file.name, "reload", "-r", runtime_dir])
            assert done.process.returncode == 0, done.err.text
            await wait_until(lambda: len(entries(server, "listening")) == 2)
            assert (await ask(port, host, "/", token="token")).status == 200
            assert await client.end() == 0
        assert await server.wait_ended() == 0
        os.kill(entries(server, "listening")[-1]["pid"], signal.SIGTERM)
        await wait_until(lambda: not (runtime_dir / "client").exists())


def old_start(tmp_path: Path) -> Path:
    """Return a file that needs a Python which there is not yet."""
    file = tmp_path / "program.py"
    file.write_text(START.read_text().replace("LEAST = (3, 11)", "LEAST = (3, 19)"))
    return file


def test_an_old_python_looks_for_a_later_one(tmp_path: Path) -> None:
    for name, script in {
        "python3.20": "exit 127",  # a version manager's, which has none of that version
        "python3.19": '[ "$1" = -c ] || echo "$@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    told = run(OWN_PYTHON, old_start(tmp_path), "--help", env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert told == f"{tmp_path}/program.py --help\n"


def test_where_there_is_none_it_says_what_is_needed(tmp_path: Path) -> None:
    file = old_start(tmp_path)
    done = subprocess.run([OWN_PYTHON, file], capture_output=True, text=True, env={"PATH": ""}, check=False)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode == 1
    assert done.stderr == (
        f"program.py: Python 3.19 or later is needed, and this is {own}; where there is one: PYTHON {file}\n"
    )
