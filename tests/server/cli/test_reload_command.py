"""``reload``: where there is no server to be asked, and where the file does not say where it is."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.programs import OWN_PYTHON, open_server, run_program, wait_until
from tests.support.served_file import open_filed_server
from tests.support.successors import ending_successors, entries

SERVER = OWN_PYTHON.with_name("conductor-trio-server")


async def test_without_a_server_that_is_told(short_tmp: Path) -> None:
    done = await run_program([SERVER, "reload", "-r", short_tmp / "run"])
    assert done.process.returncode == 1
    [line] = done.err.lines
    assert line == (
        f"conductor-trio-server: no server runs on {short_tmp}/run; name its runtime directory with -r"
    )


async def test_a_wrong_file_without_a_server_is_wrong_usage(short_tmp: Path) -> None:
    (file := short_tmp / "server.toml").write_text(f'runtime_dir = "{short_tmp}/run"\nprot = 1\n')
    done = await run_program([SERVER, "reload", "--config", file])
    assert done.process.returncode == 2
    assert f"{file}:2: prot: there is no such setting" in done.err.text


async def test_a_wrong_file_still_says_where_the_server_is(short_tmp: Path, runtime_dir: Path) -> None:
    async with open_filed_server(short_tmp, "") as filed:
        filed.write("prot = 1\n")
        done = await filed.command("reload")
        assert done.process.returncode == 2
        assert "nothing was changed: " in done.err.text  # the server says so, and has logged it
        assert entries(filed.program, "upgrade_failed")


async def test_where_the_file_says_another_place_the_service_managers_process_is_told(
    short_tmp: Path, runtime_dir: Path
) -> None:
    async with open_server(runtime_dir) as server, ending_successors(server.program):
        environment = os.environ | {"MAINPID": str(server.program.process.pid)}
        done = await run_program([SERVER, "reload", "-r", short_tmp / "other"], environment=environment)
        assert done.process.returncode == 1
        assert "was told to reload, and its log says what came of it" in done.err.text
        await wait_until(lambda: len(entries(server.program, "listening")) == 2)
