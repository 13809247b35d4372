"""``config``: what is in force by the file, at the running server, and how these differ."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from tests.support.programs import OWN_PYTHON, PATTERN, run_program
from tests.support.served_file import open_filed_server
from tests.support.users import BOB, everybodys_python, real_person

SERVER = OWN_PYTHON.with_name("conductor-trio-server")


async def test_without_a_server_it_is_what_one_would_use(short_tmp: Path) -> None:
    (file := short_tmp / "server.toml").write_text("max_user_sessions = 3\n\n[users.alice]\nmax_sessions = 4\n")
    done = await run_program([SERVER, "config", "--config", file, "-r", short_tmp / "run", "-p", "80"])
    assert done.process.returncode == 0
    said = tomllib.loads(done.out.text)
    assert (said["port"], said["max_user_sessions"], said["max_visitors"]) == (80, 3, 16384)
    assert said["domain"] == ["{key}-{user}.localhost:80"]
    assert said["users"] == {"alice": {"max_sessions": 4}}
    places = {line.partition(" ")[0]: line.rpartition(" # ")[2] for line in done.out.lines}
    assert places["port"] == "command line (-p)"
    assert places["max_user_sessions"] == f"{file}:1"
    assert places["users.alice.max_sessions"] == f"{file}:4"
    assert places["max_visitors"] == "default"
    assert f"No server runs on {short_tmp}/run." in done.out.lines[-1]


async def test_a_wrong_file_is_wrong_usage(short_tmp: Path) -> None:
    (file := short_tmp / "server.toml").write_text("\nport = 'x'\n")
    for command in ("config", "check", "--take-over"):
        done = await run_program([SERVER, command, "--config", file])
        assert (done.process.returncode, done.out.text) == (2, "")
        assert done.err.text == (
            f"conductor-trio-server: {file}:2: port: has to be a number from 0 to 65535, without quotation marks\n"
        )


async def test_a_file_that_is_named_has_to_be_there(short_tmp: Path) -> None:
    done = await run_program([SERVER, "config", "--config", short_tmp / "none.toml"])
    assert done.process.returncode == 2
    assert done.err.text == (
        f"conductor-trio-server: cannot read {short_tmp}/none.toml: No such file or directory\n"
    )


async def test_the_running_server_uses_the_same_or_not(short_tmp: Path, runtime_dir: Path) -> None:
    async with open_filed_server(short_tmp, "grace = 3\n", "--max-visitors", "50") as filed:
        same = await filed.command("config", "--max-visitors", "50")
        assert f"# The server that runs on {runtime_dir}, process {filed.pid}, uses the same." in same.out.lines
        # Its own command line is not the file's business.
        told = (await filed.configuration())["running"]
        assert (told["changes"], told["error"]) == ([], None)
        filed.write("grace = 4\n[users.alice]\nmax_sessions = 1\n")
        assert (await filed.configuration())["running"]["changes"] == ["grace", "users.alice.max_sessions"]
        text = (await filed.command("config")).out.text
        assert f"#   grace: now 4 ({filed.file}:4); in force 3 ({filed.file}:4)" in text
        assert "`conductor-trio-server reload` applies" in text
        assert "# max_visitors = 50" in text  # in force there
        assert tomllib.loads(text)["grace"] == 4
        await filed.reload()
        assert (await filed.configuration())["running"]["changes"] == []


async def test_who_may_not_ask_the_server_is_told(short_tmp: Path, runtime_dir: Path) -> None:
    bob = real_person(BOB)
    async with open_filed_server(short_tmp, "") as filed:
        command: list[str | Path] = [
            everybodys_python().with_name(SERVER.name),
            "config",
            "--json",
            "-r",
            runtime_dir,
        ]
        done = await run_program(command, person=bob)
        told = json.loads(done.out.text)
        assert told["running"] is None and f"you may not use {runtime_dir}/admin; root may" in told["reason"]
        assert PATTERN in str((await filed.configuration())["settings"])


async def test_a_file_that_may_not_be_read_is_told(short_tmp: Path) -> None:
    bob = real_person(BOB)
    (file := short_tmp / "server.toml").touch(0o600)
    command: list[str | Path] = [everybodys_python().with_name(SERVER.name), "check", "--config", file]
    done = await run_program(command, person=bob)
    assert done.process.returncode == 2
    assert done.err.text == f"conductor-trio-server: cannot read {file}: Permission denied\n"
