"""A session from a program: its events as values, its errors as they are, and nothing is left however it ends."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import trio

import conductor_trio
from conductor_trio import ConductorError, ConfigError, SessionStopped, events, publish
from conductor_trio.limits.client import ClientLimits
from scripts.private_sshd import PrivateSshd
from tests.doubles.control_server import ControlServer, open_control_server
from tests.support.children import own_children
from tests.support.programs import ask, open_server

LIMITS = ClientLimits(redial_pause=0.01)
OWNERS = ("owner", "resume", "starting")


@pytest.fixture
async def server(short_tmp: Path) -> AsyncIterator[ControlServer]:
    async with open_control_server(short_tmp, extensions=OWNERS) as server:
        yield server


@contextlib.asynccontextmanager
async def open_application(path: Path) -> AsyncIterator[None]:
    """Answer requests at the path, in this very process."""

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            if await stream.receive_some(65536):
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")

    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(path))
        listener.listen()
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, answer, [trio.SocketListener(listener)])
            try:
                yield
            finally:
                nursery.cancel_scope.cancel()
                os.unlink(path)


async def test_its_link_and_events_are_values(server: ControlServer, short_tmp: Path) -> None:
    path = short_tmp / "app.sock"
    async with (
        open_application(path),
        publish(str(server.path), socket=path, key="lab", token="s3cret", limits=LIMITS) as session,
    ):
        with trio.fail_after(20):
            live = await session.wait_live()
        assert session.url == live.url == "http://lab-me.localhost/_conductor/auth/s3cret"
        assert (session.key, session.hosts, session.token) == ("lab", ("lab-me.localhost",), "s3cret")
        seen = [await anext(session) for _ in range(3)]
        assert [type(event) for event in seen] == [events.Connect, events.ControlConnect, events.Live]
        gone = (await server.next_session()).ended
    with trio.fail_after(20):
        await gone.wait()
    assert not own_children()


async def test_the_application_may_begin_to_listen_within(server: ControlServer, short_tmp: Path) -> None:
    path = short_tmp / "app.sock"
    async with publish(str(server.path), socket=path, limits=LIMITS) as session:
        assert session.url is None
        assert session.hosts == ()
        async with open_application(path):
            with trio.fail_after(20):
                await session.wait_live()
        assert len(session.token) == 32


async def test_a_lost_channel_is_made_again(server: ControlServer, short_tmp: Path) -> None:
    path = short_tmp / "app.sock"
    async with (
        open_application(path),
        publish(str(server.path), socket=path, key="lab", limits=LIMITS) as session,
    ):
        first = await server.next_session()
        await session.wait_live()
        first.stream.close()
        with trio.fail_after(20):
            await server.next_session()
            async for event in session:
                if isinstance(event, events.Dead):
                    break
            async for event in session:
                if isinstance(event, events.Live):
                    break


async def test_its_owner_ends_it_from_elsewhere(server: ControlServer, short_tmp: Path) -> None:
    path = short_tmp / "app.sock"
    with pytest.raises(SessionStopped, match="its owner has asked for it from elsewhere"):
        async with (
            publish(str(server.path), socket=path, limits=LIMITS) as session,
            open_application(path),
        ):
            await session.wait_live()
            await (await server.next_session()).say("stop")
            with trio.fail_after(20):
                await trio.sleep_forever()
    assert not own_children()


async def test_no_gateway_is_an_error_of_the_block(short_tmp: Path) -> None:
    limits = ClientLimits(server_start_timeout=0.05)
    with pytest.raises(ConductorError, match="there is no conductor-trio-server at"):
        async with publish(str(short_tmp / "client"), socket=short_tmp / "s", limits=limits):
            with trio.fail_after(20):
                await trio.sleep_forever()


async def test_an_error_of_the_block_comes_as_it_is(server: ControlServer, short_tmp: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with publish(str(server.path), socket=short_tmp / "app.sock", limits=LIMITS):
            raise ZeroDivisionError
    with pytest.RaisesGroup(ZeroDivisionError, KeyError, flatten_subgroups=True):
        async with publish(str(server.path), socket=short_tmp / "app.sock", limits=LIMITS):
            raise ExceptionGroup("both", [ZeroDivisionError(), KeyError()])


@pytest.mark.parametrize(
    ("server", "socket"), [("gw:99999", "s"), ("-o", "s"), ("gw", ""), ("gw", "x" * 200), ("gw", "a\nb")]
)
async def test_wrong_arguments_are_told_at_once(server: str, socket: str, short_tmp: Path) -> None:
    with pytest.raises(ConfigError):
        async with publish(server, socket=socket and str(short_tmp / socket)):
            raise AssertionError


async def test_the_gateway_may_stand_in_the_configuration(
    server: ControlServer, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(short_tmp))
    monkeypatch.delenv("CONDUCTOR_SERVER", raising=False)
    with pytest.raises(ConfigError, match="no server"):
        async with publish(socket=short_tmp / "s"):
            raise AssertionError
    (short_tmp / "conductor-trio").mkdir()
    (short_tmp / "conductor-trio" / "config.toml").write_text(f'server = "{server.path}"\n')
    async with open_application(short_tmp / "s"), publish(socket=short_tmp / "s", limits=LIMITS) as session:
        with trio.fail_after(20):
            await session.wait_live()


async def test_cancelled_at_any_time_nothing_is_left(server: ControlServer, short_tmp: Path) -> None:
    path = short_tmp / "app.sock"
    async with open_application(path):
        for hundredths in range(8):
            with trio.move_on_after(hundredths / 50):
                async with publish(str(server.path), socket=path, link_file=short_tmp / "link", limits=LIMITS):
                    await trio.sleep_forever()
            assert not own_children()
            assert not (short_tmp / "link").exists()


async def test_who_forgets_its_events_keeps_the_last(short_tmp: Path) -> None:
    from conductor_trio.client.published import PublishedSession
    from conductor_trio.limits.constants import MAX_KEPT_EVENTS

    session = PublishedSession("t")
    for number in range(MAX_KEPT_EVENTS + 1):
        session.send(events.Ending(signal=str(number)))
        session.send(events.SshLine(text="no event"))
    session.close()
    kept = [event async for event in session]
    assert len(kept) == MAX_KEPT_EVENTS
    assert kept[-1] == events.Ending(signal=str(MAX_KEPT_EVENTS))


async def test_through_a_real_server_and_ssh(
    own_sshd: PrivateSshd, runtime_dir: Path, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in own_sshd.me.environment().items():
        monkeypatch.setenv(name, value)
    path = short_tmp / "app.sock"
    async with open_server(runtime_dir) as server, open_application(path):
        address = f"gateway{server.control_socket}"
        async with publish(address, socket=path, key="lab") as session:
            with trio.fail_after(30):
                live = await session.wait_live()
            fetch = partial(ask, server.port, live.urls[0], "/")
            assert (await fetch(token=session.token)).body == b"hello"
            assert (await fetch()).status == 403
        # It has left on purpose, so that the name is free at once.
        async with publish(address, socket=path, key="lab") as session:
            with trio.fail_after(30):
                await session.wait_live()


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    script = (
        "import sys, conductor_trio; print(sorted(m for m in sys.modules if m.startswith(('conductor', 'trio'))))"
    )
    command = [sys.executable, "-Sc", f"import site; site.main(); {script}"]
    assert subprocess.check_output(command, text=True).strip().startswith("['conductor_trio']")


def test_what_is_there_for_programs_is_listed() -> None:
    for name in ("publish", "PublishedSession", "SessionStopped", "events", "ConductorError", "ConfigError"):
        assert name in dir(conductor_trio)
        assert getattr(conductor_trio, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'publsh'"):
        getattr(conductor_trio, "publsh")  # noqa: B009
