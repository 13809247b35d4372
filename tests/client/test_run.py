"""The whole client inside the test's own Trio run: cancelled anywhere, nothing is left."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from conductor_trio.client import run
from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.limits.client import ClientLimits
from tests.doubles.client_command import UPPERCASE_APPLICATION
from tests.doubles.control_server import ControlServer, open_control_server
from tests.support.children import own_children

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


@pytest.mark.parametrize("blocked", [(), (signal.SIGTERM,)])
async def test_signals_end_a_run(
    server: ControlServer, short_tmp: Path, pipe: tuple[Events, int], blocked: tuple[signal.Signals, ...]
) -> None:
    events, stdout = pipe
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    statuses = []
    async with trio.open_nursery() as nursery:

        async def run_client() -> None:
            statuses.append(await run.run_client(make_settings(short_tmp), stdout))

        nursery.start_soon(run_client)
        await events.wait_for("live")
        os.kill(os.getpid(), signal.SIGTERM)
    assert statuses == [0]
    assert (await events.wait_for("exit"))["status"] == -signal.SIGTERM


async def send_again() -> None:
    """Send a second signal, and more, as the first may still be told apart from none."""
    while True:
        await trio.sleep(LIMITS.signal_debounce)
        os.kill(os.getpid(), signal.SIGTERM)


async def test_a_second_signal_does_not_wait(
    server: ControlServer, short_tmp: Path, pipe: tuple[Events, int]
) -> None:
    script = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"no"))
os.write(1, b"ready")
while True:
    signal.pause()
"""
    events, stdout = pipe
    settings = make_settings(
        short_tmp, sys.executable, "-SEc", script, limits=attrs.evolve(LIMITS, term_timeout=1000)
    )
    async with trio.open_nursery() as nursery:

        async def run_client() -> None:
            assert await run.run_client(settings, stdout) == 0
            nursery.cancel_scope.cancel()

        nursery.start_soon(run_client)
        await events.wait_for("data")
        os.kill(os.getpid(), signal.SIGTERM)
        await events.wait_for("data")
        nursery.start_soon(send_again)
        exited = await events.wait_for("exit")
        assert exited["status"] == -signal.SIGKILL
        await trio.sleep_forever()  # until it has ended


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
        assert not own_children()


@pytest.mark.parametrize(("token", "is_weak"), [("t0ken", True), ("4f7e1b09c2d85a36e1f0947b8c6d2a53", False)])
@pytest.mark.parametrize("is_contracts_form", [True, False])
async def test_a_token_that_can_be_guessed_is_warned_of(
    server: ControlServer,
    short_tmp: Path,
    pipe: tuple[Events, int],
    caplog: pytest.LogCaptureFixture,
    token: str,
    is_weak: bool,
    is_contracts_form: bool,
) -> None:
    """As an event, but for the contract's form, whose events are a program's; in the log in either form."""
    events, stdout = pipe
    settings = attrs.evolve(make_settings(short_tmp), token=token)
    if not is_contracts_form:
        launch = Launch(command=(*UPPERCASE_APPLICATION, "{socket}"))
        settings = attrs.evolve(settings, local_socket=None, launch=launch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.run_client, settings, stdout)
        await events.wait_for("live")
        if is_weak and not is_contracts_form:
            assert "the token (CONDUCTOR_TOKEN, --token-file) can be guessed" in str(
                (await events.wait_for("warning"))["reason"]
            )
        nursery.cancel_scope.cancel()
    assert ("the token (CONDUCTOR_TOKEN, --token-file) can be guessed" in caplog.text) is is_weak


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o640, True), (0o604, True)])
async def test_a_file_with_the_token_that_others_may_read_is_told(
    server: ControlServer, short_tmp: Path, caplog: pytest.LogCaptureFixture, mode: int, is_told: bool
) -> None:
    path = short_tmp / "events"
    path.touch()
    path.chmod(mode)
    with path.open("wb") as file:
        assert await run.run_client(make_settings(short_tmp, "false"), file.fileno()) == 1
    assert ("others may read the file that standard output goes to" in caplog.text) is is_told


async def test_a_directory_that_others_may_write_to_is_told(
    server: ControlServer, short_tmp: Path, pipe: tuple[Events, int], caplog: pytest.LogCaptureFixture
) -> None:
    events, stdout = pipe
    (shared := short_tmp / "shared").mkdir()
    shared.chmod(0o1777)
    path = str(shared / "app.sock")
    settings = attrs.evolve(
        make_settings(short_tmp, *UPPERCASE_APPLICATION, path), local_socket=path, has_display=False
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.run_client, settings, stdout)
        await events.wait_for("live")
        nursery.cancel_scope.cancel()
    assert f"other users of this host can put a socket of theirs at {path}" in caplog.text


async def test_the_link_is_in_its_file_when_live_is_told_and_gone_at_the_end(
    server: ControlServer, short_tmp: Path, pipe: tuple[Events, int]
) -> None:
    events, stdout = pipe
    path = short_tmp / "link"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.run_client, attrs.evolve(make_settings(short_tmp), link_file=str(path)), stdout)
        live = await events.wait_for("live")
        assert path.read_text() == f"{live['url']}\n"
        nursery.cancel_scope.cancel()
    assert not path.exists()


async def test_a_former_link_is_gone_though_there_is_no_such_command(
    server: ControlServer, short_tmp: Path, pipe: tuple[Events, int]
) -> None:
    (path := short_tmp / "link").write_text("https://lab.example.org/_conductor/auth/old\n")
    settings = attrs.evolve(make_settings(short_tmp, "no-such-command"), link_file=str(path))
    assert await run.run_client(settings, pipe[1]) == 127
    assert not path.exists()
