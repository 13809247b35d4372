"""The server ends: at once where nothing runs, else within its grace, and it leaves nothing but its state."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import trio

from tests.doubles.origin import answering
from tests.support.live_session import OK, REQUEST, Held, open_session, read_answer
from tests.support.programs import (
    PATIENCE,
    open_program,
    open_server,
    server_command,
)
from tests.support.session_bench import LIMITS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_server_ends_at_once_and_leaves_nothing(short_tmp: Path, number: signal.Signals) -> None:
    async with open_server(short_tmp / "run") as server, open_session(server, answering(OK)) as client:
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as idle:
            await idle.send_all(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await idle.receive_some()).startswith(b"HTTP/1.1 ")
            begun = trio.current_time()
            assert await server.program.end(number) == 0
            assert trio.current_time() - begun < LIMITS.grace_timeout / 2
            assert await idle.receive_some() == b""
        assert await client.receive() is None
        # What was made stays only for the state, which a successor has to find.
        assert set(short_tmp.rglob("*")) == {short_tmp / "run", short_tmp / "run" / "state.json"}


async def test_a_running_exchange_may_end_and_nobody_new_gets_in(runtime_dir: Path) -> None:
    held = Held()
    async with (
        open_server(runtime_dir, "--grace", "60") as server,
        open_session(server, held.handle),
        await trio.open_tcp_stream("127.0.0.1", server.port) as visitor,
    ):
        await visitor.send_all(REQUEST)
        await held.begun.wait()
        server.program.send_signal(signal.SIGTERM)
        await server.program.wait_logged("stopping")
        # Closed a moment after that is logged.
        with trio.fail_after(PATIENCE):
            while server.control_socket.exists():  # noqa: ASYNC110
                await trio.sleep(0.01)
        with pytest.raises(OSError):
            await trio.open_tcp_stream("127.0.0.1", server.port)
        held.may_end.set()
        assert (await read_answer(visitor)).endswith(b"begunended")
        assert await server.program.wait_ended() == 0


@pytest.mark.parametrize("grace", ["0", "0.2"])
async def test_what_has_not_ended_within_the_grace_is_cut(runtime_dir: Path, grace: str) -> None:
    held = Held()
    async with (
        open_server(runtime_dir, "--grace", grace) as server,
        open_session(server, held.handle),
        await trio.open_tcp_stream("127.0.0.1", server.port) as visitor,
    ):
        await visitor.send_all(REQUEST)
        await held.begun.wait()
        assert await server.program.end() == 0
        answer = await read_answer(visitor)
        assert not answer.endswith(b"ended")


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_grace(runtime_dir: Path, second: signal.Signals) -> None:
    held = Held()
    async with (
        open_server(runtime_dir, "--grace", "600") as server,
        open_session(server, held.handle) as client,
        await trio.open_tcp_stream("127.0.0.1", server.port) as visitor,
    ):
        await visitor.send_all(REQUEST)
        await held.begun.wait()
        server.program.send_signal(signal.SIGTERM)
        await server.program.wait_logged("stopping")
        assert await server.program.end(second) == 0
        assert await client.receive() is None
        assert [path.name for path in runtime_dir.iterdir()] == ["state.json"]


async def test_a_signal_right_after_the_start_leaves_nothing(short_tmp: Path) -> None:
    directory = short_tmp / "run"
    for _ in range(5):
        async with open_program(server_command(directory)) as program:
            # The first that can be seen of it; it has not said yet that it listens.
            while True:
                await trio.lowlevel.checkpoint()
                if directory.exists():
                    break
            assert await program.end(signal.SIGTERM) == 0
        assert "Traceback" not in program.err.text
        assert list(short_tmp.iterdir()) == []


async def test_signals_that_were_blocked_at_the_start_end_it(short_tmp: Path) -> None:
    command = server_command(short_tmp / "run")
    async with open_program(["env", "--block-signal=TERM,INT", *command]) as program:
        await program.wait_logged("listening")
        assert await program.end(signal.SIGTERM) == 0
