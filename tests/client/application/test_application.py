"""The user's program: all that it says is passed on, its status is a shell's, and its end is that of its group."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import trio

from conductor_trio.client.application.application import Application, open_application
from conductor_trio.client.application.launch import LaunchSpec
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.host.cleanup import open_cleanup
from conductor_trio.errors import ApplicationError
from conductor_trio.limits.client import ClientLimits
from tests.doubles.client_command import UPPERCASE_APPLICATION, python, shell
from tests.doubles.fake_server import RecordedOutput
from tests.support.programs import wait_gone

LIMITS = ClientLimits(term_timeout=10.0)


@contextlib.asynccontextmanager
async def open_it(output: RecordedOutput, limits: ClientLimits = LIMITS) -> AsyncIterator[Application]:
    """Give an application that can be started."""
    async with (
        open_cleanup(limits) as cleanup,
        open_application(output, cleanup, limits, trio.Event()) as application,
    ):
        yield application


@pytest.fixture
def local_socket(short_tmp: Path) -> Iterator[ApplicationSocket]:
    with contextlib.closing(ApplicationSocket(str(short_tmp / "s"))) as local_socket:
        yield local_socket


def spec(command: list[str]) -> LaunchSpec:
    return LaunchSpec(command=tuple(command), executed=tuple(command))


def said(output: RecordedOutput, kind: str) -> str:
    """Return all that it said at that output, by the events."""
    return "".join(str(event["data"]) for event in output.all("data") if event["kind"] == kind)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (shell("exit 0"), 0),
        (shell("exit 7"), 7),
        (shell("kill -TERM $$"), 128 + signal.SIGTERM),
        (shell("kill -KILL $$"), 128 + signal.SIGKILL),
    ],
)
async def test_its_status_is_told_as_a_shell_would(
    command: list[str], status: int, local_socket: ApplicationSocket
) -> None:
    output = RecordedOutput()
    async with open_it(output) as application:
        await application.start(spec(command), local_socket)
        with trio.fail_after(20):
            assert await application.wait_ended() == status
        assert application.is_over
        assert not application.ready.is_set()
    assert [event["state"] for event in output.events] == ["execute", "exit"]


@pytest.mark.parametrize(
    ("make", "status"),
    [(lambda path: None, 127), (lambda path: path.touch(mode=0o644), 126), (lambda path: path.mkdir(), 126)],
    ids=["nothing", "not executable", "a directory"],
)
async def test_what_cannot_be_started_is_told_and_is_over(
    make: Callable[[Path], object], status: int, short_tmp: Path, local_socket: ApplicationSocket
) -> None:
    program = short_tmp / "program"
    make(program)
    output = RecordedOutput()
    async with open_it(output) as application:
        with pytest.raises(ApplicationError, match=f"cannot start {program}") as caught:
            await application.start(spec([str(program)]), local_socket)
        assert application.is_over
    assert caught.value.status == status
    assert output.events == []


async def test_both_outputs_are_passed_on_to_their_end(local_socket: ApplicationSocket) -> None:
    output = RecordedOutput()
    script = "printf 'one\\ntw'; printf 'err' >&2; printf 'o'; head -c 300000 /dev/zero | tr '\\0' x"
    async with open_it(output) as application:
        await application.start(spec(shell(script)), local_socket)
        await application.wait_ended()
    assert said(output, "stdout") == "one\ntwo" + "x" * 300_000
    assert said(output, "stderr") == "err"
    assert output.events[-1]["state"] == "exit"


async def test_a_character_that_comes_in_two_pieces_is_one_and_half_of_one_is_marked(
    short_tmp: Path, local_socket: ApplicationSocket
) -> None:
    output = RecordedOutput()
    script = "printf 'a\\303' >&2; echo; read -r _ <\"$0\"; printf '\\251 \\303' >&2"
    gate = short_tmp / "gate"
    os.mkfifo(gate)
    async with open_it(output) as application:
        await application.start(spec([*shell(script), str(gate)]), local_socket)
        await output.wait_for("data")
        gate.write_text("go\n")
        await application.wait_ended()
    assert said(output, "stderr") == "a\u00e9 \ufffd"


async def test_who_leaves_ends_it_with_its_group_and_whatever_it_left_at_its_socket(
    short_tmp: Path, local_socket: ApplicationSocket
) -> None:
    output = RecordedOutput()
    path = short_tmp / "s"
    listening = f"""
import os, socket, time
listener = socket.socket(socket.AF_UNIX)
listener.bind({str(path)!r})
listener.listen()
if child := os.fork():
    print(child, flush=True)
time.sleep(1000)
"""
    async with open_it(output) as application:
        await application.start(spec(python(listening)), local_socket)
        with trio.fail_after(20):
            await application.ready.wait()
            await output.wait_for("data")
        assert application.process is not None
        assert path.is_socket()
    assert application.process.returncode == -signal.SIGTERM
    assert not path.exists()
    await wait_gone(int(said(output, "stdout")))
    assert output.events[-1] == {"state": "exit", "status": -signal.SIGTERM}


async def test_it_is_ready_when_it_accepts(local_socket: ApplicationSocket) -> None:
    async with open_it(RecordedOutput()) as application:
        await application.start(spec([*UPPERCASE_APPLICATION, local_socket.path]), local_socket)
        with trio.fail_after(20):
            await application.ready.wait()


async def test_the_grace_is_as_long_as_the_settings_say(local_socket: ApplicationSocket) -> None:
    assert ClientLimits().term_timeout == 3  # the contract
    limits = ClientLimits(term_timeout=0.2)
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    output = RecordedOutput()
    async with open_it(output, limits) as application:
        await application.start(spec(python(stubborn)), local_socket)
        with trio.fail_after(20):
            await output.wait_for("data")
        started = trio.current_time()
    assert application.process is not None
    assert application.process.returncode == -signal.SIGKILL
    assert trio.current_time() - started >= 0.2


async def test_one_that_was_never_started_ends_without_a_word() -> None:
    output = RecordedOutput()
    async with open_it(output):
        pass
    assert output.events == []


async def test_lines_come_whole_and_prompts_are_not_kept_back(
    short_tmp: Path, local_socket: ApplicationSocket
) -> None:
    output = RecordedOutput()
    asks = "printf 'be'; printf 'gun\\n'; printf 'Name? '; read -r _ <\"$0\"; echo"
    script = f"{asks}; head -c 70000 /dev/zero | tr '\\0' x; echo"
    gate = short_tmp / "gate"
    os.mkfifo(gate)
    limits = ClientLimits(term_timeout=10.0, line_pause=0.5, max_kept_line=100_000)
    async with open_it(output, limits) as application:
        await application.start(spec([*shell(script), str(gate)]), local_socket)
        with trio.fail_after(20):
            assert (await output.wait_for("data"))["data"] == "begun\n"
            assert (await output.wait_for("data"))["data"] == "Name? "
        await trio.to_thread.run_sync(gate.write_text, "go\n")
        await application.wait_ended()
    assert [len(str(event["data"])) for event in output.all("data")] == [6, 6, 1, 70_001]
