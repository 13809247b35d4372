"""Reloads of a server as a process: the file is applied or nothing is, and everybody hears which."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
import trio

from tests.doubles.origin import answering
from tests.support.live_session import HOST, OK, TOKEN, open_session
from tests.support.programs import PATIENCE, ask, run_program, wait_until
from tests.support.served_file import go_live, open_filed_server
from tests.support.successors import entries
from tests.support.users import ALICE, BOB, everybodys_python, real_person

RESUME = {"extensions": ["resume"]}


async def test_a_file_is_applied(short_tmp: Path, runtime_dir: Path) -> None:
    async with open_filed_server(short_tmp, "max_user_sessions = 5\n") as filed:
        async with open_session(filed.server, answering(OK), **RESUME):
            filed.write("max_user_sessions = 6\n")
            await filed.reload()
            async with open_session(filed.server, answering(OK), **RESUME):
                assert (await ask(filed.port, HOST, "/", token=TOKEN)).status == 200
        told = await filed.configuration()
        assert told["running"]["pid"] == filed.pid != filed.program.process.pid
        assert ["max_user_sessions", 6] in [[*row["key"], row["value"]] for row in told["running"]["settings"]]


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("prot = 1\n", 2, "server.toml:4: prot: there is no such setting; did you mean port?"),
        ("[[[\n", 2, "server.toml:4: is no TOML"),
        ("grace = 'soon'\n", 2, "server.toml:4: grace: 'soon' is no time"),
        ("socket = 'x'\n", 2, "server.toml:4: socket listens on a UNIX socket, and port on a TCP port"),
        ("ssl_cert_file = 'none.pem'\n", 2, "server.toml:4: ssl_cert_file needs ssl_key_file"),
        ("host = '192.0.2.1'\n", 1, "cannot listen on 192.0.2.1 port 0"),
    ],
)
async def test_a_file_that_is_wrong_changes_nothing_and_all_are_told(
    short_tmp: Path, runtime_dir: Path, text: str, status: int, words: str
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(short_tmp / "notify"))
        async with open_filed_server(short_tmp, "", NOTIFY_SOCKET=str(short_tmp / "notify")) as filed:
            assert b"STATUS=Serving by " in told.recv(4096)
            filed.write(text)
            done = await filed.command("reload", "-r", runtime_dir)
            assert done.process.returncode == status
            [line] = done.err.lines
            assert line.startswith("conductor-trio-server: nothing was changed: ") and words in line
            assert told.recv(4096).startswith(b"RELOADING=1\n")
            ready, state = told.recv(4096).decode().splitlines()
            assert ready == "READY=1"
            assert state.startswith("STATUS=Reload failed, and what was in force stays: ") and words in state
            [entry] = entries(filed.program, "upgrade_failed")
            assert words in entry["error"]
            # And it goes on, until the file is good again.
            assert (await ask(filed.port, "x", "/_conductor/status")).status == 200
            assert filed.pid == filed.program.process.pid
            filed.write("")
            told.setblocking(False)
            await filed.reload()
            assert filed.pid != filed.program.process.pid
    (short_tmp / "notify").unlink()


async def test_what_needs_a_restart_stays_and_is_told_by_name(short_tmp: Path, runtime_dir: Path) -> None:
    async with open_filed_server(short_tmp, "") as filed:
        filed.file.write_text(filed.file.read_text().replace('"run"', '"other"') + "grace = 3\n")
        done = await filed.command("reload", "-r", runtime_dir)
        assert done.process.returncode == 0
        [line] = done.err.lines
        wanted = f"{short_tmp}/other ({filed.file}:3)"
        note = f"runtime_dir needs a restart: it stays {runtime_dir}, and is not yet {wanted}"
        assert line == f"conductor-trio-server: {note}"
        assert (await filed.program.wait_logged("needs_restart"))["text"] == note
        told = await filed.configuration("-r", str(runtime_dir))
        rows = {".".join(row["key"]): row for row in told["running"]["settings"]}
        assert rows["grace"]["value"] == 3  # all else is applied
        assert rows["runtime_dir"]["value"] == str(runtime_dir) and rows["runtime_dir"]["kept"]
        assert not (short_tmp / "other").exists()


async def test_another_port_is_applied(short_tmp: Path, runtime_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with open_filed_server(short_tmp, "") as filed:
        filed.file.write_text(filed.file.read_text().replace("port = 0", f"port = {port}"))
        await filed.reload()
        assert filed.port == port
        assert (await ask(port, "x", "/_conductor/status")).status == 200


async def test_who_asks_at_the_same_time_hears_all_of_it(short_tmp: Path, runtime_dir: Path) -> None:
    async with open_filed_server(short_tmp, "") as filed:
        statuses = []

        async def ask_once() -> None:
            statuses.append((await filed.command("reload")).process.returncode)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask_once)
        assert statuses == [0, 0, 0]
        assert not entries(filed.program, "upgrade_failed")


async def test_a_signal_while_one_runs_is_not_lost(short_tmp: Path, runtime_dir: Path) -> None:
    async with open_filed_server(short_tmp, "") as filed:
        filed.write("prot = 1\n")
        os.kill(filed.pid, signal.SIGHUP)
        os.kill(filed.pid, signal.SIGHUP)
        await wait_until(lambda: len(entries(filed.program, "upgrade_failed")) >= 1)
        filed.write("")
        os.kill(filed.pid, signal.SIGHUP)
        await wait_until(lambda: len(entries(filed.program, "listening")) == 2)


# Users.


async def test_sessions_of_whom_a_reload_denies_go_on_and_new_ones_are_refused(
    short_tmp: Path, runtime_dir: Path
) -> None:
    bob, alice = real_person(BOB), real_person(ALICE)
    async with open_filed_server(short_tmp, "") as filed:
        with filed.connect(bob) as before:
            assert (await go_live(before, bob))["status"] == "ok"
            filed.write(f'deny = ["@{BOB}"]\n')  # the group of that name, which is his own
            await filed.reload()
            # His session moves to the server that denies him.
            while (await before.receive() or {}).get("event") != "move":
                pass
            with filed.connect(bob) as after:
                assert (await go_live(after, bob))["status"] == "ok"
                with filed.connect(bob) as other:
                    answer = await go_live(other, bob, key="another")
                    assert answer["status"] == "error"
                    assert answer["reason"] == "this gateway is not open to you; ask its administrators"
                with filed.connect(bob) as owner:
                    await owner.greet()
                    await owner.send(b'{"command": "list"}\n')
                    [session] = (await owner.receive() or {})["sessions"]
                    assert session["key"] == "app"
                await after.say("leave")
                while await after.receive() is not None:
                    pass
        with filed.connect(bob) as late:
            with trio.fail_after(PATIENCE):
                answer = await late.receive() or {}
            assert (answer["status"], answer["what"]) == ("error", "this gateway is not open to you")
        with filed.connect(alice) as somebody:
            assert (await go_live(somebody, alice))["status"] == "ok"


async def test_sessions_go_on_though_fewer_are_allowed_and_more_are_refused(
    short_tmp: Path, runtime_dir: Path
) -> None:
    bob = real_person(BOB)
    async with open_filed_server(short_tmp, "") as filed:
        with filed.connect(bob) as one, filed.connect(bob) as two:
            for key, client in (("one", one), ("two", two)):
                assert (await go_live(client, bob, key=key))["status"] == "ok"
            filed.write(f"max_sessions = 1\nmax_user_new_sessions = 1\n[users.{BOB}]\nmax_sessions = 1\n")
            await filed.reload()
            with filed.connect(bob) as first, filed.connect(bob) as second:
                assert (await go_live(first, bob, key="two"))["status"] == "ok"
                assert (await go_live(second, bob, key="one"))["status"] == "ok"
                with filed.connect(bob) as third:
                    answer = await third.receive() or {}
                    assert "you have 1 sessions here" in answer["reason"] or "no room" in answer["reason"]


async def test_a_user_has_numbers_of_their_own(short_tmp: Path, runtime_dir: Path) -> None:
    bob = real_person(BOB)
    text = f"max_user_sessions = 1\n[users.{BOB}]\nmax_sessions = 2\n[groups.{BOB}]\nmax_sessions = 9\n"
    async with open_filed_server(short_tmp, text) as filed:
        with filed.connect(bob) as one, filed.connect(bob) as two:
            await one.greet()
            await two.greet()
            with filed.connect(bob) as three:
                assert (await three.receive() or {})["reason"].startswith("you have 2 sessions here")


async def test_who_is_denied_reads_so_in_one_line_of_their_client(short_tmp: Path, runtime_dir: Path) -> None:
    bob = real_person(BOB)
    home = bob.make_directory(short_tmp / "home")
    client = everybodys_python().with_name("conductor-trio")
    async with open_filed_server(short_tmp, f'allow = ["@{ALICE}"]\n') as filed:
        command: list[str | Path] = [client, runtime_dir / "client", home / "app", "--", "sleep", "60"]
        done = await run_program(command, person=bob, environment={"PATH": "/usr/bin:/bin"})
        assert done.process.returncode == 1
        [failed] = [event for event in done.events if event["state"] == "failed"]
        assert failed["reason"] == "this gateway is not open to you; ask its administrators"
        assert "Traceback" not in done.err.text
        assert (await filed.program.wait_logged("refused"))["uid"] == bob.uid
