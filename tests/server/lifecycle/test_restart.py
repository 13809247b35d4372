"""Restarts and upgrades of the server as a process: by hand-over, by inherited listeners, and from its state."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.limits.server import ServerLimits
from scripts.private_sshd import SshdError
from scripts.restarts.__main__ import Plan, measure
from scripts.restarts.gateway import How, inheriting, lifted
from tests.doubles.origin import answering
from tests.support.live_session import HOST, OK, REQUEST, TOKEN, Held, open_session, read_answer
from tests.support.needs import missing
from tests.support.programs import (
    PATIENCE,
    Server,
    ask,
    open_program,
    open_server,
    run_program,
    server_command,
    wait_gone,
    wait_until,
)
from tests.support.session_bench import USER
from tests.support.successors import ending_successors, entries, upgrade
from tests.support.users import GATEWAY, everybodys_python, real_person

RESUME = {"extensions": ["resume"]}
NAME = USER.encode()
LAST_REQUEST = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


async def status(port: int) -> dict[str, int]:
    """Return the counters."""
    counters: dict[str, int] = json.loads((await ask(port, "x", "/_conductor/status")).body)
    return counters


# Hand-over.


async def test_a_successor_serves_at_the_same_address_and_the_former_server_ends(runtime_dir: Path) -> None:
    async with open_server(runtime_dir) as server, ending_successors(server.program):
        for _ in range(3):
            former = entries(server.program, "listening")[-1]["pid"]
            pid = await upgrade(server)
            async with open_session(server, answering(OK)):
                assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
                assert (await status(server.port))["routesTotal"] == 1
            await wait_gone(former)
            os.kill(pid, 0)
        for path in ("client", "handover"):
            assert (runtime_dir / path).is_socket()
        os.kill(pid, signal.SIGTERM)
        await wait_gone(pid)
        assert not entries(server.program, "state_not_written")


async def test_what_the_former_server_has_begun_it_ends(runtime_dir: Path) -> None:
    held = Held()
    async with (
        open_server(runtime_dir, "--grace", "60") as server,
        ending_successors(server.program),
        open_session(server, held.handle),
        await trio.open_tcp_stream("127.0.0.1", server.port) as visitor,
    ):
        await visitor.send_all(REQUEST)
        await held.begun.wait()
        await upgrade(server)
        assert server.program.process.poll() is None
        # The sessions' directories are still in use.
        [directory] = server.session_directories
        assert (directory / "socket").is_socket()
        # No third one comes in between.
        done = await run_program(server_command(runtime_dir))
        assert done.process.returncode == 1 and "another server is running" in done.err.text
        held.may_end.set()
        assert (await read_answer(visitor)).endswith(b"begunended")
        assert await server.program.wait_ended() == 0


async def test_a_session_is_reached_through_the_former_server_until_it_has_moved(runtime_dir: Path) -> None:
    held = Held()
    async with (
        open_server(runtime_dir, "--grace", "60") as server,
        ending_successors(server.program),
        open_session(server, held.handle, **RESUME) as client,
    ):
        await upgrade(server)
        while (message := await client.receive()) != {"event": "move"}:
            assert message == {"event": "ping"}
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as visitor:
            await visitor.send_all(LAST_REQUEST)
            await held.begun.wait()
            assert server.program.process.poll() is None
            async with open_session(server, answering(OK), **RESUME):
                assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
                counters = await status(server.port)
                assert (counters["routesTotal"], counters["routesLost"]) == (1, 0)
                assert server.program.process.poll() is None
                held.may_end.set()
                assert (await read_answer(visitor)).endswith(b"begunended")
                assert await server.program.wait_ended() == 0
                assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200


async def test_a_session_that_does_not_move_is_expected(runtime_dir: Path) -> None:
    async with (
        open_server(runtime_dir, "--grace", "0.5") as server,
        ending_successors(server.program),
        open_session(server, answering(OK), **RESUME),
    ):
        await upgrade(server)
        assert await server.program.wait_ended() == 0
        await wait_lost(server)


async def wait_lost(server: Server) -> None:
    """Wait until one session is expected back, and none is there."""
    with trio.fail_after(PATIENCE):
        while (counters := await status(server.port))["routesLost"] != 1 or counters["routesTotal"]:
            pass


async def test_requests_for_a_session_that_moves_are_held(runtime_dir: Path) -> None:
    statuses: list[int] = []
    answered = trio.Event()

    async def visit(port: int) -> None:
        statuses.append((await ask(port, HOST, "/", token=TOKEN)).status)
        answered.set()

    async with (
        open_server(runtime_dir) as server,
        ending_successors(server.program),
        open_session(server, answering(OK)),
        trio.open_nursery() as nursery,
    ):
        await upgrade(server)
        assert await server.program.wait_ended() == 0  # this client does not know how to move
        await wait_lost(server)
        nursery.start_soon(visit, server.port)
        with trio.fail_after(PATIENCE):
            while not (await status(server.port))["requestsHeld"]:
                assert not statuses
            async with open_session(server, answering(OK)):
                await answered.wait()
    assert statuses == [200]


async def test_another_command_line_takes_over_too(short_tmp: Path, runtime_dir: Path) -> None:
    old_public, public = short_tmp / "old", short_tmp / "new"
    async with open_server(runtime_dir, "-s", old_public) as server:
        command = server_command(runtime_dir, "-s", public, "--take-over")
        async with open_program(command) as successor:
            await successor.wait_logged("listening")
            assert await server.program.wait_ended() == 0
            assert not old_public.exists()
            assert public.is_socket() and server.control_socket.is_socket()
        assert not public.exists() and not server.control_socket.exists()


async def test_take_over_without_a_server_is_a_start(runtime_dir: Path) -> None:
    for _ in range(2):
        async with open_server(runtime_dir, "--take-over") as server, open_session(server, answering(OK)):
            assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--host", "192.0.2.1"], 1, "192.0.2.1"),
        (["--ssl-cert-file", "none.pem", "--ssl-key-file", "none.pem"], 2, "none.pem"),
        (["-d", "no-pattern"], 2, "no-pattern"),
    ],
)
async def test_a_successor_that_cannot_start_changes_nothing(
    runtime_dir: Path, options: list[str], status: int, words: str
) -> None:
    async with open_server(runtime_dir) as server, open_session(server, answering(OK)) as client:
        done = await run_program(server_command(runtime_dir, "--take-over", *options))
        assert done.process.returncode == status
        [line] = done.err.lines
        assert words in line
        assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
        await client.send(b"{}\n")
        assert (await client.receive() or {}).get("status") == "error"  # the channel stands
        assert not entries(server.program, "stopping")


async def test_an_upgrade_that_fails_is_one_line_and_the_server_goes_on(
    short_tmp: Path, runtime_dir: Path
) -> None:
    pattern = ["-d", "{key}-{user}.localhost"]
    script = short_tmp / "server"
    script.write_text(
        f"#!{sys.executable}\nfrom conductor_trio.server.cli.main import main\nraise SystemExit(main())\n"
    )
    script.chmod(0o755)
    async with open_program([script, "-r", runtime_dir, "-p", "0", *pattern]) as program:
        [(_, port)] = (await program.wait_logged("listening"))["addresses"]
        script.write_text("raise SystemExit('this version is broken')")
        for number in (1, 2):
            program.send_signal(signal.SIGHUP)
            await wait_until(lambda: len(entries(program, "upgrade_failed")) == number)  # noqa: B023
            assert (await status(port))["internalErrors"] == 0
        assert "this version is broken" in program.err.lines
        # And with one that works, it goes on to that.
        script.write_text("from conductor_trio.server.cli.main import main\nraise SystemExit(main())\n")
        async with ending_successors(program):
            program.send_signal(signal.SIGHUP)
            assert await program.wait_ended() == 0
            assert (await status(port))["requestTotal"] == 1


async def test_who_is_told_to_end_takes_its_successor_along(short_tmp: Path, runtime_dir: Path) -> None:
    script = short_tmp / "server"
    script.write_text("from conductor_trio.server.cli.main import main\nraise SystemExit(main())\n")
    async with open_program([sys.executable, script, "-r", runtime_dir, "-p", "0"]) as program:
        await program.wait_logged("listening")
        script.write_text("import os, signal, sys\nprint(os.getpid(), file=sys.stderr)\nsignal.pause()\n")
        program.send_signal(signal.SIGHUP)
        index = await program.err.wait_line(str.isdigit)
        assert await program.end() == 0
        await wait_gone(int(program.err.lines[index]))


async def test_another_user_s_server_does_not_take_over(short_tmp: Path) -> None:
    gateway = real_person(GATEWAY)
    run = gateway.make_directory(short_tmp / "home") / "run"
    async with open_server(run, person=gateway, python=everybodys_python()) as server:
        done = await run_program(server_command(run, "--take-over"))
        assert done.process.returncode == 1 and "another server is running" in done.err.text
        assert (await status(server.port))["internalErrors"] == 0


# From the state.


async def test_after_a_crash_the_sessions_are_expected_back(runtime_dir: Path) -> None:
    state = runtime_dir / "state.json"
    runtime_dir.mkdir()
    async with open_server(runtime_dir) as server, open_session(server, answering(OK)):
        await wait_until(state.exists)
        assert TOKEN not in state.read_text()
        assert await server.program.end(signal.SIGKILL) == -signal.SIGKILL
    async with open_server(runtime_dir) as server:
        assert (await status(server.port))["routesLost"] == 1
        async with open_session(server, answering(OK)):
            counters = await status(server.port)
            assert (counters["routesLost"], counters["routesTotal"]) == (0, 1)
            assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200


async def test_after_an_end_the_sessions_are_expected_back_but_not_for_ever(runtime_dir: Path) -> None:
    async with open_server(runtime_dir) as server, open_session(server, answering(OK)):
        assert await server.program.end() == 0
    async with open_server(runtime_dir, "--lost-timeout", "0") as server:
        await wait_until(lambda: not (runtime_dir / "state.json").exists())
        assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 410


async def test_a_state_that_is_none_is_told_and_ignored(runtime_dir: Path) -> None:
    runtime_dir.mkdir()
    (runtime_dir / "state.json").write_text("{")
    async with open_server(runtime_dir) as server:
        await server.program.wait_logged("state_ignored")
        assert (await status(server.port))["routesLost"] == 0


# Inherited listeners.


@attrs.frozen(kw_only=True)
class Manager:
    """Keeps listeners open, as a service manager does, for one server after the other."""

    runtime_dir: Path
    listeners: Sequence[socket.socket]

    @asynccontextmanager
    async def open_server(
        self, *options: str | Path, listeners: Sequence[socket.socket] | None = None
    ) -> AsyncIterator[Server]:
        """Run a server that inherits them."""
        with contextlib.ExitStack() as stack:
            descriptors = []
            for listener in self.listeners if listeners is None else listeners:
                descriptors.append(lifted(listener))
                stack.callback(os.close, descriptors[-1])
            command = inheriting(descriptors, server_command(self.runtime_dir, *options))
            async with open_program(command, descriptors=descriptors) as program:
                await program.wait_logged("listening")
                yield Server(program=program, runtime_dir=self.runtime_dir, port=self.port)

    @property
    def port(self) -> int:
        """Where visitors connect."""
        return int(self.listeners[0].getsockname()[1])


@pytest.fixture
def manager(runtime_dir: Path) -> Iterator[Manager]:
    """Give a listener for visitors, and one for clients."""
    runtime_dir.mkdir()
    path = runtime_dir / "client"
    with socket.create_server(("127.0.0.1", 0)) as public, socket.socket(socket.AF_UNIX) as control:
        control.bind(str(path))
        path.chmod(0o777)
        control.listen()
        yield Manager(runtime_dir=runtime_dir, listeners=(public, control))
    path.unlink()


async def test_inherited_listeners_serve_and_stay(manager: Manager) -> None:
    before = (manager.runtime_dir / "client").stat()
    for _ in range(2):
        async with manager.open_server() as server, open_session(server, answering(OK)):
            [address] = entries(server.program, "listening")[0]["addresses"]
            assert address == ["127.0.0.1", manager.port]
            assert (await ask(manager.port, HOST, "/", token=TOKEN)).status == 200
            assert await server.program.end() == 0
        assert os.path.samestat((manager.runtime_dir / "client").stat(), before)
        socket.create_connection(("127.0.0.1", manager.port)).close()


async def test_a_successor_inherits_what_its_predecessor_did(manager: Manager) -> None:
    async with manager.open_server() as server, ending_successors(server.program):
        for _ in range(2):
            await upgrade(server)
            async with open_session(server, answering(OK)):
                assert (await ask(manager.port, HOST, "/", token=TOKEN)).status == 200
        pid = entries(server.program, "listening")[-1]["pid"]
        os.kill(pid, signal.SIGTERM)
        await wait_gone(pid)
    assert (manager.runtime_dir / "client").is_socket()


async def test_a_single_sign_on_by_an_inherited_socket_is_applied_by_a_reload(
    manager: Manager, short_tmp: Path
) -> None:
    file, path = short_tmp / "server.toml", short_tmp / "http"
    file.write_text("")
    with socket.socket(socket.AF_UNIX) as public:
        public.bind(str(path))
        public.listen()
        listeners = (public, manager.listeners[1])
        async with (
            manager.open_server("--config", file, listeners=listeners) as server,
            ending_successors(server.program),
        ):
            file.write_text('[sso]\nuser_header = "X-User"')
            await upgrade(server)
            assert not entries(server.program, "needs_restart")
            async with open_session(server, answering(OK)), await trio.open_unix_socket(path) as front:
                await front.send_all(LAST_REQUEST.replace(b"Cookie: authorization=token", b"X-User: " + NAME))
                assert (await read_answer(front)).endswith(b"ok")
    path.unlink()


async def test_what_waits_is_served_by_the_next_one(manager: Manager) -> None:
    async with manager.open_server() as server, open_session(server, answering(OK)):
        assert await server.program.end() == 0
    async with await trio.open_tcp_stream("127.0.0.1", manager.port) as visitor:
        await visitor.send_all(LAST_REQUEST)
        async with manager.open_server() as server, open_session(server, answering(OK)):
            assert (await read_answer(visitor)).endswith(b"ok")


async def test_nobody_waits_for_tunnels_but_for_exchanges(manager: Manager) -> None:
    held = Held()
    async with (
        manager.open_server("--grace", "600") as server,
        open_session(server, held.handle),
        await trio.open_tcp_stream("127.0.0.1", server.port) as visitor,
    ):
        await visitor.send_all(REQUEST)
        await held.begun.wait()
        server.program.send_signal(signal.SIGTERM)
        await server.program.wait_logged("stopping")
        with socket.create_connection(("127.0.0.1", manager.port)):
            with trio.move_on_after(2 * ServerLimits().successor_pause):
                await server.program.process.wait()
            assert server.program.process.poll() is None
            held.may_end.set()
            assert (await read_answer(visitor)).endswith(b"begunended")
            assert await server.program.wait_ended() == 0


async def test_a_tunnel_ends_when_somebody_waits_for_the_successor(manager: Manager) -> None:
    switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
    upgrading = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
    async with (
        manager.open_server("--grace", "600") as server,
        open_session(server, answering(switching)),
        await trio.open_tcp_stream("127.0.0.1", server.port) as visitor,
    ):
        await visitor.send_all(upgrading)
        assert bytes(await visitor.receive_some()).startswith(b"HTTP/1.1 101 ")
        server.program.send_signal(signal.SIGTERM)
        await server.program.wait_logged("stopping")
        assert server.program.process.poll() is None
        with socket.create_connection(("127.0.0.1", manager.port)):
            assert await server.program.wait_ended() == 0


@pytest.mark.parametrize("what", ["a file", "a datagram socket", "a socket that does not listen", "nothing"])
async def test_a_descriptor_that_is_no_listener_is_told(short_tmp: Path, what: str) -> None:
    with contextlib.ExitStack() as stack:
        match what:
            case "a file":
                descriptor = os.open("/dev/null", os.O_RDONLY)
            case "a datagram socket":
                descriptor = lifted(stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)))
            case "a socket that does not listen":
                descriptor = lifted(stack.enter_context(socket.socket()))
            case _:
                descriptor = -1
        descriptors = [descriptor] if descriptor >= 0 else []
        command = server_command(short_tmp / "run")
        if descriptors:
            stack.callback(os.close, descriptor)
            command = [*inheriting(descriptors, command)]
        else:
            announce = 'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
            command = ["/bin/sh", "-c", announce, "sh", *command]
        done = await run_program(command, descriptors=descriptors)
        assert done.process.returncode == 1
        [line] = done.err.lines
        assert line.startswith("conductor-trio-server: inherited descriptor 3 ")
    assert list(short_tmp.iterdir()) == []


async def test_listeners_for_another_process_are_not_ours(short_tmp: Path, runtime_dir: Path) -> None:
    environment = os.environ | {"LISTEN_FDS": "1", "LISTEN_PID": "1"}
    async with open_program(server_command(runtime_dir), environment=environment) as program:
        assert (await program.wait_logged("listening"))["addresses"][0][0] == "127.0.0.1"


# The service manager.


async def test_the_service_manager_is_told(short_tmp: Path, runtime_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(short_tmp / "notify"))
        told.setblocking(False)

        async def hear() -> dict[str, str]:
            with trio.fail_after(PATIENCE):
                await trio.lowlevel.wait_readable(told)
            return dict(line.split("=", 1) for line in told.recv(4096).decode().splitlines())

        environment = os.environ | {"NOTIFY_SOCKET": str(short_tmp / "notify")}
        async with open_program(server_command(runtime_dir), environment=environment) as program:
            serving = "Serving by the command line alone"
            assert await hear() == {"READY": "1", "MAINPID": str(program.process.pid), "STATUS": serving}
            async with ending_successors(program):
                program.send_signal(signal.SIGHUP)
                reloading = await hear()
                assert reloading["RELOADING"] == "1" and reloading["MONOTONIC_USEC"].isdigit()
                ready = await hear()
                assert await program.wait_ended() == 0  # and says no more
                pid = entries(program, "listening")[-1]["pid"]
                assert ready == {"READY": "1", "MAINPID": str(pid), "STATUS": serving}
                os.kill(pid, signal.SIGTERM)
                assert await hear() == {"STOPPING": "1"}
    (short_tmp / "notify").unlink()


# Under load.


@pytest.mark.e2e
@pytest.mark.parametrize("how", list(How))
async def test_no_request_fails_under_load(how: How) -> None:
    try:
        result = await measure(Plan(how=how, sessions=4, rate=40, restarts=3, pause=1.0))
    except SshdError as error:
        missing(str(error))
    assert not result.tally.failures
    assert len(result.tally.waits) > 100
