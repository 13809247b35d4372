"""Workers as processes: started, told, killed, stopped, and gone with their server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from pathlib import Path

import pytest
import trio

from conductor_trio.access.tokens import cookie_value
from tests.doubles.origin import answering
from tests.support.crews import UPGRADE, Load, echo, open_workers, ready, tunnel
from tests.support.live_session import HOST, OK, TOKEN, open_session, read_answer
from tests.support.programs import PATIENCE, ask, open_server, wait_gone, wait_until
from tests.support.successors import ending_successors, entries, upgrade


async def test_two_workers_forward_and_the_server_tells_of_all(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir) as server, open_session(server, answering(OK)):
        for token, status in ((TOKEN, 200), ("wrong", 403), (None, 403), (TOKEN, 200)):
            assert (await ask(server.port, HOST, "/", token=token)).status == status
        assert (await ask(server.port, "nobody.localhost", "/")).status == 404
        login = await ask(server.port, HOST, f"/_conductor/auth/{cookie_value(TOKEN.encode())}")
        assert login.status == 302

        async def told() -> int:
            return int(json.loads((await ask(server.port, "x", "/_conductor/status")).body)["requestTotal"])

        with trio.fail_after(PATIENCE):
            asked = 1
            while await told() < 6 + asked:
                asked += 1
        assert await told() == 6 + asked + 1


async def test_kill_after_kill_breaks_connections_and_nothing_else(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir) as server, open_session(server, answering(OK)):
        load = Load(server.port)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(load.run)
            for killed in range(4):
                await load.wait_more(20)
                os.kill(ready(server)[-2], signal.SIGKILL)
                await wait_until(lambda killed=killed: len(ready(server)) == 3 + killed)  # type: ignore[misc]
            await load.wait_more(20)
            await load.end()
        assert load.wrong == []
        # Each worker that was killed had no more than the visitors that there are.
        assert load.broken <= 4 * 3
        assert len(entries(server.program, "worker_ended")) == 4
        assert len(entries(server.program, "live")) == 1 and not entries(server.program, "ended")
        assert not entries(server.program, "visitor_failed")


async def test_a_worker_that_is_stopped_is_replaced(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir) as server:
        os.kill(ready(server)[0], signal.SIGSTOP)
        async with open_session(server, answering(OK)):
            assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
        [entry] = entries(server.program, "worker_ended")
        assert entry["pid"] == ready(server)[0] and "in time" in entry["why"]
        await wait_until(lambda: len(ready(server)) == 3)


async def test_an_end_holds_for_open_tunnels_at_each_worker(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir) as server:
        async with open_session(server, echo):
            streams = [await tunnel(server) for _ in range(6)]
            for stream in streams:
                await stream.send_all(b"x")
                assert await stream.receive_some() == b"x"
        with trio.fail_after(PATIENCE):
            for stream in streams:
                assert await read_answer(stream) == b""
                await stream.aclose()


async def test_a_hand_over_fails_no_request_and_leaves_no_worker(runtime_dir: Path) -> None:
    async with (
        open_workers(runtime_dir) as server,
        open_session(server, answering(OK), extensions=["resume"]) as client,
    ):
        load, former = Load(server.port), ready(server)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(load.run)
            await load.wait_more(20)
            await upgrade(server)
            while await client.receive() != {"event": "move"}:
                pass
            async with open_session(server, answering(OK), extensions=["resume"]):
                assert await server.program.wait_ended() == 0
                for pid in former:
                    await wait_gone(pid)
                await wait_until(lambda: len(ready(server)) == 4)
                await load.wait_more(20)
                await load.end()
        assert (load.wrong, load.broken) == ([], 0)


async def test_what_runs_at_a_worker_goes_on_for_the_grace_period(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir, "--grace", "60") as server, open_session(server, echo):
        stream = await tunnel(server)
        pids = ready(server)
        server.program.send_signal(signal.SIGTERM)
        await server.program.wait_logged("stopping")
        for pid in pids:  # as systemd does, and a terminal
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        await stream.send_all(b"x")
        assert await stream.receive_some() == b"x"
        await stream.aclose()
        assert await server.program.wait_ended() == 0
        for pid in pids:
            await wait_gone(pid)


async def test_no_worker_outlives_a_server_that_was_killed(runtime_dir: Path) -> None:
    async with open_server(runtime_dir, "--workers", "2", "--grace", "0.2", "--lost-timeout", "0.5") as server:
        await wait_until(lambda: len(ready(server)) == 2)
        pids = ready(server)
        server.program.send_signal(signal.SIGKILL)
        await server.program.wait_ended()
        for pid in pids:
            await wait_gone(pid)
        assert not list(runtime_dir.glob("adopt.*"))
    # What it has left the next one removes.
    async with open_server(runtime_dir, "--workers", "2") as server:
        await wait_until(lambda: len(ready(server)) == 2)


async def test_logs_have_what_workers_forward(runtime_dir: Path) -> None:
    directory = runtime_dir.parent
    access, audit = directory / "access.log", directory / "audit.log"
    options = ("--access-log", str(access), "--audit-log", str(audit))
    async with open_workers(runtime_dir, *options) as server:
        async with open_session(server, answering(OK)):
            for token in (TOKEN, TOKEN, None):
                await ask(server.port, HOST, "/", token=token)
            await wait_until(lambda: len(access.read_text().splitlines()) == 3)
            await wait_until(lambda: "visit_began" in audit.read_text())
            access.rename(directory / "access.log.1")
            server.program.send_signal(signal.SIGUSR1)

            async def is_written_anew() -> bool:
                await ask(server.port, HOST, "/", token=TOKEN)
                return access.exists() and bool(access.read_text())

            with trio.fail_after(PATIENCE):
                while not await is_written_anew():
                    pass
        server.program.send_signal(signal.SIGTERM)
        assert await server.program.wait_ended() == 0
    told = [json.loads(line) for line in (directory / "access.log.1").read_text().splitlines()]
    assert sorted(entry["status"] for entry in told)[:3] == [200, 200, 403]
    assert all(entry["user"] for entry in told)
    events = [json.loads(line)["event"] for line in audit.read_text().splitlines()]
    assert events.count("visit_began") == events.count("visit_ended") > 0
    assert events[-1] == "server_ended"


async def test_whoever_is_no_worker_gets_nothing_at_the_internal_socket(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir) as server:
        [path] = runtime_dir.glob("workers.*")
        assert path.stat().st_mode & 0o777 == 0o600
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.settimeout(PATIENCE)
            with contextlib.suppress(BrokenPipeError):
                sock.send(b"\x00\x02{}GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(100) == b""
        assert await server.program.wait_logged("not_a_worker")


@pytest.mark.parametrize("number", ["1", "2"])
async def test_a_reload_applies_another_number(runtime_dir: Path, number: str) -> None:
    file = runtime_dir.parent / "server.toml"
    file.write_text(f"workers = {3 - int(number)}\n")
    async with open_server(runtime_dir, "--config", str(file)) as server, ending_successors(server.program):
        await wait_until(lambda: len(ready(server)) == (2 if number == "1" else 0))
        file.write_text(f"workers = {number}\n")
        await upgrade(server)
        assert await server.program.wait_ended() == 0
        async with open_session(server, answering(OK)):
            assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
        if number == "2":
            await wait_until(lambda: len(ready(server)) == 2)


async def test_other_workers_accept_from_a_public_socket_that_was_made_again(
    runtime_dir: Path, short_tmp: Path
) -> None:
    public = short_tmp / "public"

    async def ask_there() -> bytes:
        async with await trio.open_unix_socket(str(public)) as stream:
            await stream.send_all(UPGRADE)
            return bytes(await stream.receive_some())[:12]

    async with open_workers(runtime_dir, "-s", str(public)) as server, open_session(server, echo):
        former = ready(server)
        async with await trio.open_unix_socket(str(public)) as stream:
            await stream.send_all(UPGRADE)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
            public.unlink()
            for path in runtime_dir.glob("workers.*"):
                path.unlink()
            await wait_until(lambda: len(entries(server.program, "made_again")) == 2)
            # At once, by the control process, and by others as soon as they serve.
            assert await ask_there() == b"HTTP/1.1 101"
            await wait_until(lambda: len(ready(server)) == 4)
            assert await ask_there() == b"HTTP/1.1 101"
            # What runs goes on, and who has nothing left ends.
            await stream.send_all(b"x")
            assert await stream.receive_some() == b"x"
        for pid in former:
            await wait_gone(pid)
        assert not entries(server.program, "worker_ended")
