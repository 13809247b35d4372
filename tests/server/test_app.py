"""The server's life as a process: how it starts, or says why not, and that it goes on while something is short."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

import h11
import pytest
import trio

from tests.doubles.origin import answering
from tests.support.live_session import HOST, OK, REQUEST, TOKEN, open_session, read_answer
from tests.support.programs import (
    PATIENCE,
    Server,
    ask,
    open_program,
    open_server,
    run_program,
    server_command,
)
from tests.support.users import ALICE, everybodys_python, real_person

# It cannot start.


async def assert_start_fails(command: Sequence[str | Path], *words: str, **options: object) -> None:
    """Check that the server says in one line why not, with status 1."""
    program = await run_program(command, **options)
    assert program.process.returncode == 1, program.err.text
    [line] = program.err.lines
    assert line.startswith("conductor-trio-server: ")
    for word in words:
        assert word in line


async def test_a_port_in_use_is_named_and_nothing_is_left(short_tmp: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = server_command(short_tmp / "made" / "for" / "it" / "run", "-p", port)
        await assert_start_fails(command, "127.0.0.1", port, "Address already in use")
    assert list(short_tmp.iterdir()) == []


async def test_a_host_that_is_not_ours_is_named(short_tmp: Path) -> None:
    command = server_command(short_tmp / "run", "-p", "0", "--host", "192.0.2.1")
    await assert_start_fails(command, "192.0.2.1", "Cannot assign")
    assert list(short_tmp.iterdir()) == []


async def test_a_second_server_on_the_same_directory_changes_nothing(runtime_dir: Path) -> None:
    async with open_server(runtime_dir) as server, open_session(server, answering(OK)):
        await assert_start_fails(server_command(runtime_dir), str(runtime_dir), "another server is running")
        assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200


async def test_a_directory_that_one_may_not_write_is_named(short_tmp: Path) -> None:
    alice = real_person(ALICE)
    for run in (short_tmp, short_tmp / "run"):
        command = server_command(run, python=everybodys_python())
        await assert_start_fails(command, str(run), "Permission denied", person=alice)
    assert list(short_tmp.iterdir()) == []


async def test_a_runtime_directory_that_is_a_file_is_named(short_tmp: Path) -> None:
    (short_tmp / "run").touch()
    await assert_start_fails(server_command(short_tmp / "run"), str(short_tmp / "run"), "Not a directory")


@pytest.mark.parametrize("what", ["client", "public"])
async def test_a_file_where_a_socket_belongs_stays(short_tmp: Path, what: str) -> None:
    run = short_tmp / "run"
    run.mkdir()
    (run / what).write_text("someone's")
    await assert_start_fails(server_command(run, "-s", run / "public"), str(run / what), "no socket")
    assert (run / what).read_text() == "someone's"
    assert list(run.iterdir()) == [run / what]


async def test_a_public_socket_in_use_is_named(short_tmp: Path) -> None:
    path = short_tmp / "public"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        await assert_start_fails(server_command(short_tmp / "run", "-s", path), str(path), "someone listens there")
    path.unlink()
    assert list(short_tmp.iterdir()) == []


async def test_a_path_too_long_for_sockets_is_told(short_tmp: Path) -> None:
    await assert_start_fails(server_command(short_tmp / ("r" * 100)), "too long")
    assert list(short_tmp.iterdir()) == []


# What a crash left is no hindrance.


async def test_a_crashed_servers_remains_are_no_hindrance(short_tmp: Path) -> None:
    run, public = short_tmp / "run", short_tmp / "public"
    run.mkdir()
    async with open_server(run, "-s", public) as server, open_session(server, answering(OK)):
        await server.program.end(signal.SIGKILL)
        assert public.is_socket() and server.control_socket.is_socket()
        [left] = server.session_directories
        note = run / "sockets" / "note"
        note.touch()
        async with open_server(run, "-s", public) as again:
            assert not left.exists()
            async with open_session(again, answering(OK)):
                assert len(again.session_directories) == 2  # the note, and the new session
    assert note.exists()
    assert {path.name for path in run.rglob("*")} == {"sockets", "note"}
    assert not public.exists()


# It runs.


async def test_a_public_unix_socket_has_its_mode(short_tmp: Path, runtime_dir: Path) -> None:
    public = short_tmp / "public"
    async with open_server(runtime_dir, "-s", public) as server, open_session(server, answering(OK)):
        assert stat.S_IMODE(public.stat().st_mode) == 0o660
        assert stat.S_IMODE(server.control_socket.stat().st_mode) == 0o777
        async with await trio.open_unix_socket(str(public)) as stream:
            await stream.send_all(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 200 ")
    assert not public.exists()


async def test_a_relative_runtime_directory_is_taken_from_here(short_tmp: Path) -> None:
    async with open_program(server_command(Path("run")), cwd=short_tmp) as program:
        assert (await program.wait_logged("listening"))["runtime_dir"] == str(short_tmp / "run")
        assert (short_tmp / "run" / "client").is_socket()
    assert list(short_tmp.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["-v"]])
async def test_every_log_line_is_json_and_holds_no_token(runtime_dir: Path, options: list[str]) -> None:
    async with open_server(runtime_dir, *options) as server:
        async with open_session(server, answering(OK)):
            assert (await ask(server.port, HOST, "/", token="a-secret")).status == 403
            assert (await ask(server.port, HOST, "/_conductor/auth/a-secret")).status == 403
            assert (await ask(server.port, HOST, f"/_conductor/auth/{TOKEN}")).status == 302
            assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
        await server.program.wait_logged("ended")
        assert await server.program.end() == 0
        entries = [json.loads(line) for line in server.program.err.lines]
    events = [entry["event"] for entry in entries]
    assert events[0] == "listening" and events[-2:] == ["stopping", "stopped"]
    assert {"live", "ended"} <= set(events)
    for entry in entries:
        assert {"level", "timestamp"} <= set(entry)
    for secret in ("a-secret", f"={TOKEN}", f"/{TOKEN}", "_conductor/auth"):
        assert secret not in server.program.err.text


async def test_with_few_descriptors_visitors_are_limited_so_that_owners_get_in(runtime_dir: Path) -> None:
    command = ["/bin/sh", "-c", 'ulimit -n 300; exec "$@"', "sh", *server_command(runtime_dir)]
    async with open_program(command) as program:
        [(_, port)] = (await program.wait_logged("listening"))["addresses"]
        few = await program.wait_logged("few_open_files")
        assert few["allowed"] == 300 and few["max_visitors"] < 150
        server = Server(program=program, runtime_dir=runtime_dir, port=port)
        with contextlib.ExitStack() as flood:
            for _ in range(300):  # which say nothing
                sock = flood.enter_context(socket.socket())
                sock.settimeout(10)
                with contextlib.suppress(ConnectionError):  # many are turned away without a word
                    sock.connect(("127.0.0.1", port))
            await program.wait_logged("cannot_accept")
            async with open_session(server, answering(OK)):
                neighbour = await trio.open_tcp_stream("127.0.0.1", port, local_address="127.0.0.2")
                async with neighbour:
                    await neighbour.send_all(REQUEST)
                    assert (await neighbour.receive_some(4096)).startswith(b"HTTP/1.1 200 ")
        assert await program.end() == 0
    assert "Traceback" not in program.err.text


async def test_far_too_few_descriptors_are_refused_in_one_line(runtime_dir: Path) -> None:
    options = ["-c", 'ulimit -n 30; exec "$@"', "sh", *map(str, server_command(runtime_dir))]
    done = await trio.run_process(["/bin/sh", *options], check=False, capture_stderr=True)
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert "may open 30 files" in line and "LimitNOFILE" in line
    check = await trio.run_process(
        ["/bin/sh", *options, "--check"], check=False, capture_stdout=True, capture_stderr=True
    )
    assert check.returncode == 1
    assert "failed   open files" in check.stdout.decode()


async def visit(port: int) -> int | None:
    """Return the status of an answer, None where there is none."""
    try:
        return (await ask(port, HOST, "/", token=TOKEN)).status
    except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError, AssertionError):
        return None


async def test_too_few_descriptors_are_survived(runtime_dir: Path) -> None:
    command = ["/bin/sh", "-c", 'ulimit -n 40; exec "$@"', "sh", *server_command(runtime_dir)]
    async with open_program(command) as program:
        [(_, port)] = (await program.wait_logged("listening"))["addresses"]
        server = Server(program=program, runtime_dir=runtime_dir, port=port)
        async with open_session(server, answering(OK)):
            with contextlib.ExitStack() as flood:
                for _ in range(60):
                    sock = flood.enter_context(socket.socket())
                    with contextlib.suppress(ConnectionError):  # many are turned away without a word
                        sock.connect(("127.0.0.1", port))
                await program.wait_logged("cannot_accept")
            # Whoever comes before the server has seen that they are gone is turned away, too.
            with trio.fail_after(PATIENCE):
                while await visit(port) != 200:  # noqa: ASYNC110
                    await trio.sleep(0.05)
        assert await program.end() == 0
    assert "Traceback" not in program.err.text
