"""The operator's commands on servers and clients that run as processes: who may, what arrives, what stays."""

from __future__ import annotations

import grp
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.doubles.origin import answering
from tests.support.live_session import HOST, OK, TOKEN, open_session
from tests.support.programs import (
    OWN_PYTHON,
    PATIENCE,
    Program,
    Server,
    ask,
    ask_over,
    open_client,
    open_server,
    run_program,
)
from tests.support.session_bench import LABEL
from tests.support.successors import ending_successors, entries, upgrade
from tests.support.users import ALICE, BOB, GATEWAY, Person, everybodys_python, real_person

pytestmark = pytest.mark.e2e

APPLICATION = """
import socket, sys
listener = socket.socket(1)
listener.bind(sys.argv[1])
listener.listen()
while True:
    connection, _ = listener.accept()
    with connection:
        if connection.recv(65536):
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 2\\r\\n\\r\\nok")
"""


async def operate(
    runtime_dir: Path, *words: str, status: int = 0, person: Person | None = None, python: Path = OWN_PYTHON
) -> str:
    """Give an operator's command, and return what it says."""
    command: list[str | Path] = [python.with_name("conductor-trio-server"), *words, "-r", runtime_dir]
    done = await run_program(command, person=person)
    assert done.process.returncode == status, done.out.text + done.err.text
    return done.err.text if status else done.out.text


async def listed(runtime_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await operate(runtime_dir, "ls", "--json")).splitlines()]


@asynccontextmanager
async def live_client(server: Server, directory: Path, key: str) -> AsyncIterator[Program]:
    command: list[str | Path] = [sys.executable, "-c", APPLICATION, directory / f"{key}.sock"]
    async with open_client(server.control_socket, directory / f"{key}.sock", command, key=key) as client:
        await client.wait_state("live")
        yield client


async def test_who_may_and_who_may_not(short_tmp: Path) -> None:
    gateway, alice, bob = real_person(GATEWAY), real_person(ALICE), real_person(BOB)
    python = everybodys_python()
    runtime_dir = gateway.make_directory(short_tmp / "run")
    group = grp.getgrgid(alice.gid).gr_name
    async with open_server(runtime_dir, "--admin-group", group, person=gateway, python=python) as server:
        for person in (None, gateway, alice):
            said = await operate(runtime_dir, "ls", person=person, python=python)
            assert said == "There are no sessions.\n"
        for words in (["ls"], ["end", "--all"], ["announce", "x"]):
            said = await operate(runtime_dir, *words, person=bob, python=python, status=1)
            assert said == (
                f"conductor-trio-server: only root, {GATEWAY} and the members of the group {group} may give this "
                "server commands\n"
            )
        # Nobody can put a socket of theirs in its place.
        assert (runtime_dir / "admin").stat().st_uid == gateway.uid and not runtime_dir.stat().st_mode & 0o022
        assert len(entries(server.program, "admin_refused")) == 3
    async with open_server(runtime_dir, person=gateway, python=python):
        said = await operate(runtime_dir, "ls", person=alice, python=python, status=1)
        assert said.startswith(f"conductor-trio-server: you may not use {runtime_dir}/admin; ")
        assert said.count("\n") == 1


async def test_the_owner_reads_why_a_session_is_ended(runtime_dir: Path, short_tmp: Path) -> None:
    async with (
        open_server(runtime_dir) as server,
        live_client(server, short_tmp, "a") as first,
        live_client(server, short_tmp, "b") as second,
    ):
        told = await operate(runtime_dir, "end", f"a-{LABEL}.localhost", "--reason", "new disks")
        assert "told; its client ends it" in told
        assert await first.wait_state("stopping") == {
            "state": "stopping",
            "by": "operator",
            "reason": "the gateway's operator has ended the session: new disks",
        }
        assert await first.wait_ended() == 0
        assert [session["key"] for session in await listed(runtime_dir)] == ["b"]
        answer = await ask(server.port, f"a-{LABEL}.localhost", "/")
        assert answer.status == 410
        await operate(runtime_dir, "end", "--all")
        assert await second.wait_ended() == 0
        assert await listed(runtime_dir) == []


async def test_an_announcement_is_read_once_by_everybody_and_on_every_page(
    runtime_dir: Path, short_tmp: Path
) -> None:
    async with (
        open_server(runtime_dir) as server,
        ending_successors(server.program),
        live_client(server, short_tmp, "a") as client,
    ):
        await operate(runtime_dir, "announce", "Down at <noon>")
        notice = await client.wait_state("notice")
        assert (notice["about"], notice["text"]) == ("announcement", "Down at <noon>")
        page = await ask(server.port, f"a-{LABEL}.localhost", "/", fields=[("Accept", "text/html")])
        assert b'role="note" aria-label="Announcement">Down at &lt;noon&gt;</div>' in page.body
        await upgrade(server)
        await client.wait_state("live")
        await operate(runtime_dir, "drain")
        assert (await client.wait_state("notice"))["about"] == "drain"
        assert "Down at <noon>" in await operate(runtime_dir, "announce")
        assert sum(event["state"] == "notice" for event in client.events) == 2
        async with live_or_refused(server, short_tmp) as late:
            failed = await late.wait_state("failed")
            assert failed["reason"].startswith("the gateway takes no new sessions at this moment")
            assert await late.wait_ended() == 1
        await operate(runtime_dir, "drain", "--end")
        async with live_client(server, short_tmp, "b") as late:
            assert (await late.wait_state("notice"))["text"] == "Down at <noon>"


@asynccontextmanager
async def live_or_refused(server: Server, directory: Path) -> AsyncIterator[Program]:
    command: list[str | Path] = [sys.executable, "-c", APPLICATION, directory / "late.sock"]
    async with open_client(server.control_socket, directory / "late.sock", command, key="late") as client:
        yield client


async def test_blocks_outlast_a_hand_over_and_a_restart(runtime_dir: Path) -> None:
    options = ["--trusted-proxy", "127.0.0.1/32"]
    fields = [("X-Forwarded-For", "192.0.2.7")]
    async with open_server(runtime_dir, *options) as server, ending_successors(server.program):
        await operate(runtime_dir, "block", "192.0.2.0/24", "--reason", "scans")
        await operate(runtime_dir, "block", "nobody", "--for", "1h")
        await upgrade(server)
        assert (await ask(server.port, "x", "/_conductor/status", fields=fields)).status == 403
        assert (await ask(server.port, "x", "/_conductor/status")).status == 200
        before = await operate(runtime_dir, "block", "--json")
        assert len(before.splitlines()) == 2
    async with open_server(runtime_dir, *options) as server:
        assert await operate(runtime_dir, "block", "--json") == before
        assert (await ask(server.port, "x", "/", fields=fields)).status == 403
        await operate(runtime_dir, "unblock", "192.0.2.0/24")
        await operate(runtime_dir, "unblock", "nobody")
        assert (await ask(server.port, "x", "/_conductor/status", fields=fields)).status == 200
    assert not (runtime_dir / "state.json").exists()


async def test_visitors_of_a_blocked_network_are_cut_and_refused(runtime_dir: Path) -> None:
    async with open_server(runtime_dir) as server, open_session(server, answering(OK)):
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as kept:
            status = b"GET /_conductor/status HTTP/1.1\r\nHost: x\r\n\r\n"
            await kept.send_all(status)
            assert bytes(await kept.receive_some()).startswith(b"HTTP/1.1 200")
            await operate(runtime_dir, "block", "127.0.0.0/8")
            refused = await ask(server.port, HOST, "/", token=TOKEN, fields=[("Accept", "text/html")])
            assert refused.status == 403 and b"Your network is blocked here" in refused.body
            assert (await ask_over(kept, HOST, "/", token=TOKEN)).status == 403
        await operate(runtime_dir, "unblock", "127.0.0.0/8")
        assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200


async def test_a_list_is_right_and_at_once_during_hand_overs(runtime_dir: Path, short_tmp: Path) -> None:
    async with (
        open_server(runtime_dir) as server,
        ending_successors(server.program),
        live_client(server, short_tmp, "a"),
    ):
        wrong: list[Any] = []
        looks = 0
        async with trio.open_nursery() as nursery:

            async def look() -> None:
                nonlocal looks
                while True:
                    found = await listed(runtime_dir)
                    looks += 1
                    if [(session["key"], session["state"]) for session in found] != [("a", "live")]:
                        wrong.append(found)

            nursery.start_soon(look)
            for _ in range(3):
                await upgrade(server)
            nursery.cancel_scope.cancel()
        assert looks and not wrong


async def test_a_removed_socket_is_made_again(runtime_dir: Path) -> None:
    async with open_server(runtime_dir) as server:
        (runtime_dir / "admin").unlink()
        with trio.fail_after(PATIENCE):
            await server.program.wait_logged("made_again")
        assert (runtime_dir / "admin").stat().st_mode & 0o777 == 0o600
        assert await listed(runtime_dir) == []


async def test_top_ends_with_ctrl_c(runtime_dir: Path) -> None:
    async with open_server(runtime_dir):
        command = [OWN_PYTHON.with_name("conductor-trio-server"), "top", "--json", "-r", runtime_dir]
        process = await trio.lowlevel.open_process(
            [str(word) for word in command], stdout=-1, env=dict(os.environ)
        )
        assert process.stdout is not None
        async with process.stdout:
            with trio.fail_after(PATIENCE):
                first = bytes(await process.stdout.receive_some())
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 0
        assert json.loads(first.splitlines()[0])["users"]
