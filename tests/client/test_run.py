"""client/run and its parts inside the test's own Trio run: cancelled anywhere, nothing is left."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from conductor_trio.client import run
from conductor_trio.client.application.application import open_application
from conductor_trio.client.application.launch import LaunchSpec
from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.recipes import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.cleanup import open_cleanup
from conductor_trio.client.output.writer import Output, open_output
from conductor_trio.errors import ApplicationError
from conductor_trio.limits import ClientLimits
from tests.doubles.client_command import UPPERCASE_APPLICATION, python
from tests.doubles.control_server import ControlServer, open_control_server

LIMITS = ClientLimits(redial_pause=0.01)


@attrs.define
class Events:
    """The reading end of the client's output."""

    reading: int
    rest: bytes = b""

    async def wait_for(self, state: str) -> dict[str, object]:
        with trio.fail_after(20):
            while True:
                while b"\n" not in self.rest:
                    chunk = await trio.to_thread.run_sync(os.read, self.reading, 65536, abandon_on_cancel=True)
                    assert chunk
                    self.rest += chunk
                line, _, self.rest = self.rest.partition(b"\n")
                event: dict[str, object] = json.loads(line)
                if event["state"] == state:
                    return event


@pytest.fixture
def pipe() -> Iterator[tuple[Events, int]]:
    reading, writing = os.pipe()
    yield Events(reading), writing
    os.close(reading)
    os.close(writing)


@pytest.fixture
async def output(pipe: tuple[Events, int]) -> AsyncIterator[Output]:
    async with open_output(pipe[1], LIMITS) as output:
        yield output


@pytest.fixture
async def server(short_tmp: Path) -> AsyncIterator[ControlServer]:
    async with open_control_server(short_tmp) as server:
        yield server


def make_settings(directory: Path, *command: str, limits: ClientLimits = LIMITS) -> ClientSettings:
    return ClientSettings(
        server=ServerAddress(host=None, path=str(directory / "client")),
        local_socket=str(directory / "app.sock"),
        launch=Launch(command=command or (*UPPERCASE_APPLICATION, str(directory / "app.sock"))),
        token="t0ken",
        limits=limits,
    )


def make_start(*command: str) -> LaunchSpec:
    return LaunchSpec(command=command, executed=command)


async def test_signals_end_a_run(server: ControlServer, short_tmp: Path, pipe: tuple[Events, int]) -> None:
    events, stdout = pipe
    statuses = []
    async with trio.open_nursery() as nursery:

        async def run_client() -> None:
            statuses.append(await run.run_client(make_settings(short_tmp), stdout))

        nursery.start_soon(run_client)
        await events.wait_for("live")
        os.kill(os.getpid(), signal.SIGTERM)
    assert statuses == [0]
    assert (await events.wait_for("exit"))["status"] == -signal.SIGTERM


async def test_who_was_not_told_where_to_listen_gets_a_hint(
    server: ControlServer, short_tmp: Path, pipe: tuple[Events, int]
) -> None:
    events, stdout = pipe
    settings = attrs.evolve(
        make_settings(short_tmp, "sleep", "1000"), local_socket=None, limits=ClientLimits(hint_pause=0.1)
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.run_client, settings, stdout)
        assert "sleep does not listen yet" in str((await events.wait_for("warning"))["reason"])
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("state", ["execute", "connect", "controlConnect", "live", "dead"])
async def test_cancelled_at_any_state_nothing_is_left(
    server: ControlServer, short_tmp: Path, pipe: tuple[Events, int], state: str
) -> None:
    events, stdout = pipe
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.run_client, make_settings(short_tmp), stdout)
        if state == "dead":
            (await server.next_session()).stream.close()
        await events.wait_for(state)
        nursery.cancel_scope.cancel()
    # The fixtures look for descriptors, children and sockets.


async def test_cancelled_at_any_time_nothing_is_left(
    server: ControlServer, short_tmp: Path, pipe: tuple[Events, int]
) -> None:
    """Where each time falls is up to the machine; wherever that is, nothing may be left."""
    for hundredths in range(16):
        with trio.move_on_after(hundredths / 100):
            await run.run_client(make_settings(short_tmp), pipe[1])
        assert not _children()


async def test_the_grace_is_as_long_as_the_settings_say(
    short_tmp: Path, output: Output, pipe: tuple[Events, int]
) -> None:
    assert ClientLimits().term_timeout == 3  # the contract
    limits = ClientLimits(term_timeout=0.2)
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    async with (
        open_cleanup(limits) as cleanup,
        open_application(output, cleanup, limits, trio.Event()) as application,
    ):
        await application.start(make_start(*python(stubborn)), str(short_tmp / "app.sock"))
        await pipe[0].wait_for("data")
        started = trio.current_time()
    assert application.process is not None
    assert application.process.returncode == -signal.SIGKILL
    assert trio.current_time() - started >= 0.2


async def test_an_application_is_ready_when_it_accepts(short_tmp: Path, output: Output) -> None:
    async with (
        open_cleanup(LIMITS) as cleanup,
        open_application(output, cleanup, LIMITS, trio.Event()) as application,
    ):
        local_socket = str(short_tmp / "app.sock")
        await application.start(make_start(*UPPERCASE_APPLICATION, local_socket), local_socket)
        with trio.fail_after(20):
            await application.ready.wait()


async def test_one_that_does_not_start_says_so(short_tmp: Path, output: Output) -> None:
    async with (
        open_cleanup(LIMITS) as cleanup,
        open_application(output, cleanup, LIMITS, trio.Event()) as application,
    ):
        with pytest.raises(ApplicationError, match="cannot start /no/such/file") as caught:
            await application.start(make_start("/no/such/file"), str(short_tmp / "app.sock"))
        assert application.is_over
    assert caught.value.status == 127


async def test_a_cleanup_process_that_was_killed_is_not_missed(short_tmp: Path, output: Output) -> None:
    async with open_cleanup(LIMITS) as cleanup:
        with cleanup.covering("app_directory", short_tmp):
            (child,) = _children()
            os.kill(child, signal.SIGKILL)
    assert short_tmp.exists()


def _children() -> list[int]:
    """Return the processes that any thread of ours has started and nobody has reaped."""
    return [
        int(child)
        for thread in Path("/proc/self/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]


async def test_a_finished_cleanup_leaves_everything_alone(short_tmp: Path) -> None:
    kept = short_tmp / "kept"
    kept.mkdir()
    async with open_cleanup(LIMITS) as cleanup:
        with cleanup.covering("app_directory", kept):
            pass
    assert kept.is_dir()
