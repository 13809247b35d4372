"""Servers that are killed: their workers serve on, and the next server adopts them."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
import trio

from tests.support.crews import (
    Load,
    application,
    count_requests,
    kill,
    open_next,
    open_workers,
    ready,
    teach,
    tunnel,
)
from tests.support.live_session import HOST, TOKEN, open_session, read_answer
from tests.support.programs import (
    PATIENCE,
    Program,
    ask,
    open_program,
    open_server,
    server_command,
    wait_gone,
    wait_until,
)
from tests.support.successors import entries

RESUME = {"extensions": ["resume"]}


async def test_workers_serve_on_until_the_next_server_adopts_them(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir) as server, open_session(server, application, **RESUME):
        await teach(server)
        stream = await tunnel(server)
        load = Load(server.port)
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(load.run)
            await load.wait_more(5)
            orphans = await kill(server)
            await load.wait_more(20)
            refused = await ask(server.port, HOST, "/", token="wrong", method="POST")
            assert (refused.status, bool(refused.field(b"retry-after"))) == (503, True)
            answers = []

            async def wait_for_the_next() -> None:
                answers.append(await ask(server.port, "nobody.localhost", "/"))

            for _ in range(4):
                nursery.start_soon(wait_for_the_next)
            await load.wait_more(20)
            assert not answers
            async with open_next(server) as following, open_session(following, application, **RESUME):
                await wait_until(lambda: len(answers) == 4)
                assert {answer.status for answer in answers} == {404}
                await load.wait_more(20)
                await load.end()
                assert (load.wrong, load.broken) == ([], 0)
                await stream.send_all(b"x")
                assert await stream.receive_some() == b"x"
                await stream.aclose()
                for pid in orphans:
                    await wait_gone(pid)
                with trio.fail_after(PATIENCE):
                    while await count_requests(following) < load.answered:
                        pass
                await wait_until(lambda: len(list(runtime_dir.glob("adopt.*"))) == 2)
                await wait_until(lambda: len(following.session_directories) == 1)


async def test_one_process_adopts_as_well_and_an_end_there_holds_for_open_tunnels(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir) as server, open_session(server, application, **RESUME):
        await teach(server)
        stream = await tunnel(server)
        orphans = await kill(server)
        async with open_next(server, "1") as following:
            async with open_session(following, application, **RESUME) as client:
                assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
                await stream.send_all(b"x")
                assert await stream.receive_some() == b"x"
                await client.say("leave")
                with trio.fail_after(PATIENCE):
                    assert await read_answer(stream) == b""
                await stream.aclose()
            for pid in orphans:
                await wait_gone(pid)
            assert not list(runtime_dir.glob("adopt.*"))


@pytest.mark.parametrize("end", [None, signal.SIGTERM])
async def test_without_another_server_workers_end(runtime_dir: Path, end: signal.Signals | None) -> None:
    lost = "60" if end else "0.5"
    async with open_workers(runtime_dir, "--lost-timeout", lost, "--grace", "0.2") as server:
        orphans = await kill(server)
        if end:
            for pid in orphans:
                os.kill(pid, end)
        for pid in orphans:
            await wait_gone(pid)
        assert not list(runtime_dir.glob("adopt.*"))
        with pytest.raises(OSError):
            await ask(server.port, HOST, "/")
    async with open_next(server):
        assert not list((runtime_dir / "sockets").iterdir())


async def test_of_two_servers_at_once_one_adopts_and_the_other_says_why_not(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir) as server:
        await kill(server)
        command = server_command(runtime_dir, "-p", str(server.port), "--workers", "2")
        async with open_program(command) as one, open_program(command) as other:
            async with trio.open_nursery() as nursery:

                async def wait_for_either(program: Program) -> None:
                    await program.wait_ended()
                    nursery.cancel_scope.cancel()

                for program in (one, other):
                    nursery.start_soon(wait_for_either, program)
            winner, loser = (one, other) if one.process.returncode is None else (other, one)
            assert "another server is running on it" in loser.err.text
            await winner.wait_logged("adopting")
            await wait_until(lambda: len(entries(winner, "adopted_ended")) == 2)


async def test_whoever_hangs_is_killed_and_a_stranger_is_not_asked(runtime_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as planted:
        async with open_workers(runtime_dir) as server:
            hanging, _ = await kill(server)
            os.kill(hanging, signal.SIGSTOP)
            planted.bind(str(runtime_dir / "adopt.1"))
            planted.listen()
            planted.setblocking(False)
            async with open_next(server) as following:
                assert await ask(server.port, "nobody.localhost", "/")
                await wait_gone(hanging)
                assert len(entries(following.program, "not_adopted")) == 2
                assert len(entries(following.program, "adopting")[0]["workers"]) == 1
                connection, _ = planted.accept()
                with connection:
                    connection.settimeout(PATIENCE)
                    assert connection.recv(100) == b""
            (runtime_dir / "adopt.1").unlink()


async def test_a_public_socket_with_a_path_is_adopted_unless_it_leads_elsewhere(runtime_dir: Path) -> None:
    path = runtime_dir.parent / "public"
    async with open_workers(runtime_dir, "-s", str(path)) as server:
        await kill(server)
        before = path.stat().st_ino
        async with open_server(runtime_dir, "--workers", "2", "-s", str(path)) as following:
            await wait_until(lambda: len(entries(following.program, "adopted_ended")) == 2)
            assert path.stat().st_ino == before
            await wait_until(lambda: len(ready(following)) == 2)
            await kill(following)
            path.unlink()
            async with open_server(runtime_dir, "--workers", "2", "-s", str(path)) as third:
                with socket.socket(socket.AF_UNIX) as sock:
                    sock.connect(str(path))
                assert await third.program.end() == 0
                assert not path.exists()


async def test_the_next_server_is_killed_as_well(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir, "--grace", "60") as server, open_session(server, application, **RESUME):
        await teach(server)
        stream = await tunnel(server)
        await kill(server)
        async with open_next(server) as following, open_session(following, application, **RESUME):
            await wait_until(lambda: len(ready(following)) == 2)
            await teach(following)
            orphans = await kill(following)
            assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
            async with open_next(server) as third:
                await stream.send_all(b"x")
                assert await stream.receive_some() == b"x"
                await stream.aclose()
                for pid in orphans:
                    await wait_gone(pid)
                assert (await ask(third.port, "nobody.localhost", "/")).status == 404
