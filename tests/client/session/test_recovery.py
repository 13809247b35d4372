"""What is lost over a real SSH server comes back by the shortest way, and however often, nothing piles up."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.host.cleanup import open_cleanup
from conductor_trio.client.session.keeper import Connection
from conductor_trio.client.transport.ssh import open_ssh
from conductor_trio.limits.client import ClientLimits
from scripts.private_sshd import PrivateSshd, descendants
from tests.doubles.client_command import RunningClient
from tests.doubles.control_server import open_control_server
from tests.doubles.fake_server import RecordedOutput
from tests.doubles.ssh_gateway import SshGateway

pytestmark = pytest.mark.e2e


@pytest.fixture
async def gateway(own_sshd: PrivateSshd, short_tmp: Path) -> AsyncIterator[SshGateway]:
    async with open_control_server(short_tmp, extensions=["resume"]) as server:
        yield SshGateway(server, own_sshd, short_tmp)


def ssh_of(pid: int) -> int:
    """Return the process id of the control master below a process."""
    (found,) = (pid for pid in descendants(pid) if b"-M" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))
    return found


def possessions(gateway: SshGateway, client: RunningClient) -> dict[str, object]:
    """Return what client, ssh and the SSH server's session have: processes, their descriptors, relay sockets."""
    clients = descendants(client.process.pid)
    sessions = [pid for pid in descendants(gateway.sshd.pid) if pid not in clients]
    processes = {}
    for pid in [client.process.pid, *clients, *sessions]:
        with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
            processes[pid] = (Path(f"/proc/{pid}/comm").read_text().strip(), len(os.listdir(f"/proc/{pid}/fd")))
    relays = [line for line in Path("/proc/net/unix").read_text().splitlines() if f"{gateway.directory}/s" in line]
    return {"processes": processes, "relays": len(relays)}


async def wait_steady(gateway: SshGateway, client: RunningClient) -> dict[str, object]:
    """Return what they have once all that comes with a new link has come, and what was only for that has gone."""
    found = possessions(gateway, client)
    with trio.fail_after(20):
        while True:
            await trio.sleep(0.5)
            found, former = possessions(gateway, client), found
            if found == former:
                return found


async def wait_until(is_so: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not is_so():  # noqa: ASYNC110
            await trio.sleep(0.02)


async def test_many_moves_leave_nothing(gateway: SshGateway) -> None:
    async with gateway.open_client() as client:
        session = await gateway.server.next_session()
        await client.wait_for("live")
        # Client, cleanup process, application, ssh; and the shell that has set the mode is gone.
        await wait_until(lambda: len(descendants(client.process.pid)) == 3)
        before = await wait_steady(gateway, client)
        assert before["relays"] == 1
        for _ in range(20):
            await session.say("move")
            new = await gateway.server.next_session()
            assert stat.S_IMODE(new.relay_mode) == 0o660
            await client.wait_for("live")
            assert await session.ask(b"still served") == b"STILL SERVED"
            session.stream.close()
            await session.wait_ended()
            assert await new.ask(b"x") == b"X"
            session = new
        with contextlib.suppress(trio.TooSlowError):
            await wait_until(lambda: possessions(gateway, client) == before)
        assert possessions(gateway, client) == before
        assert set(client.states) == {"execute", "connect", "controlConnect", "live"}
        assert client.states.count("connect") == 1
        assert all(live == client.all("live")[0] for live in client.all("live"))


async def test_a_server_that_comes_back_is_reached_over_the_same_ssh(
    own_sshd: PrivateSshd, short_tmp: Path
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with open_control_server(short_tmp, extensions=["resume"]) as server:
            gateway = SshGateway(server, own_sshd, short_tmp)
            client = await stack.enter_async_context(gateway.open_client())
            await client.wait_for("live")
            before = ssh_of(client.process.pid)
            await wait_until(lambda: len(descendants(client.process.pid)) == 3)
            standing = set(descendants(client.process.pid))
        await client.wait_for("dead")
        while (await client.wait_for("reconnecting"))["attempt"] < 5:
            pass
        assert "does not answer at" in client.events[-1]["reason"]
        # Nothing waits over there for the next relay socket.
        await wait_until(lambda: set(descendants(client.process.pid)) == standing)
        started = trio.current_time()
        async with open_control_server(short_tmp, extensions=["resume"]) as server:
            await client.wait_for("live")
            assert trio.current_time() - started < 2
            assert await (await server.next_session()).ask(b"x") == b"X"
            assert ssh_of(client.process.pid) == before
            await wait_until(lambda: set(descendants(client.process.pid)) == standing)
            assert client.states.count("connect") == client.states.count("dead") == 1
            client.process.send_signal(signal.SIGTERM)
            assert await client.finish() == 0


async def test_a_killed_ssh_is_replaced(gateway: SshGateway) -> None:
    async with gateway.open_client() as client:
        await client.wait_for("live")
        await wait_until(lambda: len(descendants(client.process.pid)) == 3)
        before = len(descendants(client.process.pid))
        os.kill(ssh_of(client.process.pid), signal.SIGKILL)
        await client.wait_for("live")
        assert client.states[3:] == ["live", "dead", "reconnecting", "connect", "controlConnect", "live"]
        assert client.all("live")[0] == client.all("live")[1]
        await wait_until(lambda: len(descendants(client.process.pid)) == before)
        assert len(list((gateway.directory / "t").iterdir())) == 1


@pytest.mark.parametrize("way", [signal.SIGTERM, None])
async def test_an_end_on_purpose_is_told(gateway: SshGateway, way: signal.Signals | None) -> None:
    async with gateway.open_client() as client:
        session = await gateway.server.next_session()
        await client.wait_for("live")
        if way is None:
            os.kill(client.events[0]["pid"], signal.SIGUSR1)
        else:
            client.process.send_signal(way)
        await session.wait_said("leave")
        await client.finish()
        assert session.said == ["leave"]


async def test_an_ssh_that_hangs_is_replaced(
    gateway: SshGateway, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", gateway.sshd.me.environment()["PATH"])
    settings = ClientSettings(
        server=ServerAddress(host="gateway", path=str(gateway.server.path)),
        local_socket=(local_socket := str(short_tmp / "app.sock")),
        launch=Launch(command=("app",)),
        token="t0ken",
        limits=ClientLimits(ping_timeout=0.5),
    )
    output, ready = RecordedOutput(), trio.Event()
    ready.set()
    with contextlib.closing(ApplicationSocket(local_socket)) as held:
        async with open_cleanup(settings.limits) as cleanup, trio.open_nursery() as nursery:
            connection = Connection(
                settings,
                output,
                lambda: open_ssh(settings, held, cleanup, output),
                ready,
                lambda: False,
            )
            nursery.start_soon(connection.keep_up)
            with trio.fail_after(20):
                await output.wait_for("live")
                session = await gateway.server.next_session()
                await session.say("ping")
                await session.wait_said("pong")
                hanging = ssh_of(os.getpid())
                os.kill(hanging, signal.SIGSTOP)
                assert "the link is dead" in (await output.wait_for("dead"))["reason"]
                assert hanging not in descendants(os.getpid())
                await output.wait_for("live")
                assert ssh_of(os.getpid()) != hanging
            nursery.cancel_scope.cancel()
