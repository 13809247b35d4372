"""The program that the client runs in the place of the application: its streams, its signals, its end."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import trio

from conductor_trio.client.isolation.plan import PortPlan
from tests.doubles.tcp_application import (
    PORT,
    application,
    open_relayed,
    require_namespaces,
    shell,
    wait_listening,
)
from tests.support.programs import run_program


@pytest.fixture
def local(short_tmp: Path) -> Path:
    require_namespaces()
    return short_tmp / "app.sock"


@pytest.mark.parametrize("way", ["private", "shared"])
@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", -9), ("kill -TERM $$", -15)]
)
async def test_the_applications_end_is_the_end_and_its_status_the_status(
    local: Path, way: str, script: str, status: int
) -> None:
    async with open_relayed(shell(script), local, shared=way == "shared") as program:
        assert await program.wait_ended() == status
    assert program.out.text == ""


async def test_standard_streams_are_the_applications(local: Path) -> None:
    async with open_relayed(shell("echo out; echo err >&2; read -r x || echo end"), local, shared=True) as program:
        assert await program.wait_ended() == 0
    assert (program.out.lines, program.err.lines) == (["out", "end"], ["err"])


TELL_SIGNALS = f"""
import signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM, signal.SIGUSR1}})
listener = socket.create_server(("127.0.0.1", {PORT}))
while True:
    found = signal.sigtimedwait({{signal.SIGTERM, signal.SIGUSR1}}, 20)
    print(signal.Signals(found.si_signo).name, flush=True)
    if found.si_signo == signal.SIGTERM:
        more = signal.sigtimedwait({{signal.SIGTERM}}, 0.2)
        sys.exit(3 if more is None else 4)
"""


async def test_a_signal_to_the_group_comes_once_and_the_application_ends_as_it_likes(local: Path) -> None:
    async with open_relayed([sys.executable, "-SEc", TELL_SIGNALS], local) as program:
        await wait_listening(local)
        os.killpg(program.process.pid, signal.SIGTERM)
        assert await program.wait_ended() == 3
    assert program.out.lines == ["SIGTERM"]
    assert "has ended" not in program.err.text
    assert not local.exists()


async def test_a_signal_to_the_relay_alone_is_passed_on(local: Path) -> None:
    async with open_relayed([sys.executable, "-SEc", TELL_SIGNALS], local) as program:
        await wait_listening(local)
        # Whoever has found the process id in an event, and is not the client.
        for name in ("USR1", "TERM"):
            await trio.run_process(shell(f"kill -{name} {program.process.pid}"))
            await program.out.wait_line(lambda line, name=name: line == f"SIG{name}")  # type: ignore[misc]
        assert await program.wait_ended() == 3


async def test_what_cannot_be_started_is_told_in_a_line(local: Path) -> None:
    program = await run_program(PortPlan(port=PORT, shared=True).wrap(["/nowhere/to/be/found"], str(local)))
    assert program.process.returncode == 127
    assert program.err.lines == ["conductor-trio: cannot start /nowhere/to/be/found: No such file or directory"]
    program = await run_program(PortPlan(port=PORT, shared=True).wrap(["/"], str(local)))
    assert program.process.returncode == 126


async def test_where_the_socket_cannot_be_made_nothing_goes_on(local: Path) -> None:
    nowhere = local.parent / "missing" / "app.sock"
    program = await run_program(PortPlan(port=PORT).wrap(application(), str(nowhere)))
    assert program.process.returncode == 125
    assert program.err.lines[-1] == f"conductor-trio: cannot listen on {nowhere}: No such file or directory"
