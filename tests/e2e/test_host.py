"""The client outlasts its host: whatever is taken away over SSH comes back, and the application is untouched."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.run import run_client
from conductor_trio.limits.client import ClientLimits
from scripts.private_sshd import PrivateSshd, descendants
from tests.doubles.control_server import open_control_server
from tests.doubles.ssh_gateway import SshGateway, masters_in
from tests.support.chain import open_chain, open_sshd
from tests.support.needs import require_program
from tests.support.programs import PATIENCE, Server, ask, open_server

pytestmark = pytest.mark.e2e

TOKEN = "4f7e1b09c2d85a36e1f0947b8c6d2a53"
#: What is looked at every few seconds is looked at all the time.
LIMITS = ClientLimits(
    look_interval=0.1, way_probe_interval=0.5, way_probe_pause=0.1, way_probe_timeout=2, max_reopen_pause=0.2
)

# Answers each request with its process id, and how many connections there were so far.
APPLICATION = """
import os, socket, sys
listener = socket.socket(1)
listener.bind(sys.argv[1])
listener.listen()
count = 0
while True:
    connection, _ = listener.accept()
    count += 1
    with connection:
        if connection.recv(65536):
            body = f"{os.getpid()} {count}".encode()
            head = b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
            connection.sendall(head + body)
"""


def master_below(client: int) -> int:
    """Return the process id of the control master below a process."""
    [found] = (
        pid for pid in descendants(client) if b"-M" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    )
    return found


@attrs.define(eq=False, kw_only=True)
class Session:
    """A client in this process, over a real sshd to a real server."""

    server: Server
    directory: Path
    host: str = ""
    events: list[dict[str, object]] = attrs.field(factory=list)
    grown: trio.Event = attrs.field(factory=trio.Event)

    @property
    def ssh_directory(self) -> Path:
        [link] = self.directory.glob("t/conductor-trio-*/a")
        return link.parent

    @property
    def local_socket(self) -> Path:
        return self.directory / "app.sock"

    def count(self, state: str) -> int:
        return sum(event["state"] == state for event in self.events)

    async def wait_count(self, state: str, count: int) -> None:
        with trio.fail_after(PATIENCE):
            while self.count(state) < count:
                await self.grown.wait()

    async def ask(self) -> str | None:
        """Return the application's process id as a visitor sees it, None where it is not reached."""
        answer = await ask(self.server.port, self.host, "/", token=TOKEN)
        return answer.body.decode().split()[0] if answer.status == 200 else None

    async def wait_reached(self) -> str:
        with trio.fail_after(PATIENCE):
            while (found := await self.ask()) is None:  # noqa: ASYNC110
                await trio.sleep(0.05)
        return found

    @property
    def ssh(self) -> int:
        """The process id of the control master."""
        return master_below(os.getpid())


@pytest.fixture
async def session(
    runtime_dir: Path, short_tmp: Path, own_sshd: PrivateSshd, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Session]:
    async with (
        open_server(runtime_dir) as server,
        open_session(server, short_tmp, own_sshd, monkeypatch) as session,
    ):
        yield session


@contextlib.asynccontextmanager
async def open_session(
    server: Server, directory: Path, sshd: PrivateSshd, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Session]:
    (directory / "t").mkdir()
    (directory / "cwd").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(directory / "t"))
    monkeypatch.setenv("PATH", sshd.me.environment()["PATH"])
    monkeypatch.chdir(directory / "cwd")
    session = Session(server=server, directory=directory)
    settings = ClientSettings(
        server=ServerAddress(host="gateway", path=str(server.control_socket)),
        local_socket=str(session.local_socket),
        launch=Launch(command=(sys.executable, "-SEc", APPLICATION, str(session.local_socket))),
        token=TOKEN,
        key="lab",
        limits=LIMITS,
    )
    reading_end, writing_end = os.pipe()

    async def read_events() -> None:
        async with trio.lowlevel.FdStream(reading_end) as stream:
            rest = b""
            async for chunk in stream:
                *lines, rest = (rest + bytes(chunk)).split(b"\n")
                session.events += map(json.loads, lines)
                session.grown.set()
                session.grown = trio.Event()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_events)
        nursery.start_soon(run_client, settings, writing_end)
        await session.wait_count("live", 1)
        [live] = [event for event in session.events if event["state"] == "live"]
        session.host = live["config"]["urls"][0].partition(":")[0]  # type: ignore[index]
        yield session
        nursery.cancel_scope.cancel()
    os.close(writing_end)


@pytest.fixture
async def gateway(own_sshd: PrivateSshd, short_tmp: Path) -> AsyncIterator[SshGateway]:
    async with open_control_server(short_tmp, extensions=["resume"]) as server:
        yield SshGateway(server, own_sshd, short_tmp)


async def test_what_is_removed_is_made_again_and_ssh_stays(session: Session) -> None:
    before, ssh = await session.ask(), session.ssh
    for path in (
        session.ssh_directory / "a",
        session.local_socket,
        session.ssh_directory,
        session.directory / "cwd",
    ):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        assert await session.wait_reached() == before
    assert session.count("dead") == 0
    # A new control channel, and with it a new relay, over an ssh that has lost both its sockets.
    [relay] = session.server.session_directories
    (relay / "socket").unlink()
    await session.wait_count("live", 2)
    assert await session.wait_reached() == before
    assert session.ssh == ssh
    os.kill(ssh, signal.SIGKILL)  # from a directory that is no more
    await session.wait_count("live", 3)
    assert await session.wait_reached() == before


def over_ssh(session: Session, *words: str) -> None:
    """Have the control master do something."""
    command = ["ssh", "-F", "/dev/null", "-S", str(session.ssh_directory / "m"), *words, "gateway"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


async def test_a_forwarding_that_ends_without_a_word_is_noticed_and_made_again(session: Session) -> None:
    before, ssh = await session.ask(), session.ssh
    for lives in (2, 3):
        [relay] = session.server.session_directories
        over_ssh(session, "-O", "cancel", "-R", f"{relay}/socket:{session.ssh_directory}/a")
        assert await session.ask() is None
        assert session.count("live") == lives - 1  # nothing has changed at its end, and nobody noticed
        await session.wait_count("live", lives)
        assert await session.wait_reached() == before
        await trio.sleep(3 * LIMITS.way_probe_interval)  # twice in a row, ssh might be to blame
    assert session.ssh == ssh
    [*_, dead] = [event for event in session.events if event["state"] == "dead"]
    assert "visitors do not get to this node, though the link stands" in str(dead["reason"])


async def test_probes_are_not_the_applications_business_and_nobody_is_counted(session: Session) -> None:
    first = (await ask(session.server.port, session.host, "/", token=TOKEN)).body.split()
    await trio.sleep(3 * LIMITS.way_probe_interval)
    second = (await ask(session.server.port, session.host, "/", token=TOKEN)).body.split()
    assert int(second[1]) == int(first[1]) + 1
    assert session.count("dead") == 0


@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
async def test_a_gateway_without_inotify(
    limit: str, runtime_dir: Path, short_tmp: Path, own_sshd: PrivateSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    (short_tmp / "bin").mkdir()
    program = short_tmp / "bin" / "conductor-trio-server"
    namespace = f'echo 0 >/proc/sys/user/{limit} && exec "$@"'
    real = Path(sys.executable).with_name("conductor-trio-server")
    program.write_text(f"#!/bin/sh\nexec unshare -r sh -c '{namespace}' sh {real} \"$@\"\n")
    program.chmod(0o755)
    async with open_server(runtime_dir, python=program.with_name("python")) as server:
        if limit == "max_inotify_instances":
            await server.program.wait_logged("no_inotify")
        async with open_session(server, short_tmp, own_sshd, monkeypatch) as session:
            before = await session.ask()
            [relay] = server.session_directories
            (relay / "socket").unlink()
            await session.wait_count("live", 2)
            assert await session.wait_reached() == before


async def test_systemd_tmpfiles_leaves_what_is_in_use(session: Session) -> None:
    program = require_program("systemd-tmpfiles")
    old = session.directory / "t" / "old"
    old.mkdir()
    (old / "file").touch()
    for path in (*old.iterdir(), old, *session.ssh_directory.iterdir(), session.ssh_directory):
        os.utime(path, (0, 0), follow_symlinks=False)
    rules = session.directory / "rules.conf"
    rules.write_text(f"e {session.directory}/t - - - am:1d\n")
    before, names = await session.ask(), set(os.listdir(session.ssh_directory))
    await trio.run_process([program, "--clean", rules])
    assert not (old / "file").exists()
    assert set(os.listdir(session.ssh_directory)) == names
    assert await session.ask() == before


async def test_without_descriptors_it_goes_on_tells_and_comes_back(gateway: SshGateway) -> None:
    async with gateway.open_client() as client:
        session = await gateway.server.next_session()
        await client.wait_for("live")
        limit = resource.prlimit(
            client.process.pid, resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
        assert await session.ask(b"untouched") == b"UNTOUCHED"
        session.stream.close()
        while "Too many open files" not in (await client.wait_for("reconnecting"))["reason"]:
            pass
        for _ in range(3):
            await client.wait_for("reconnecting")
        resource.prlimit(client.process.pid, resource.RLIMIT_NOFILE, limit)
        session = await gateway.server.next_session()
        await client.wait_for("live")
        assert await session.ask(b"here again") == b"HERE AGAIN"


async def test_a_client_whose_working_directory_goes_at_once(gateway: SshGateway) -> None:
    gone = gateway.directory / "gone"
    gone.mkdir()
    async with gateway.open_client(cwd=gone) as client:
        gone.rmdir()
        session = await gateway.server.next_session()
        await client.wait_for("live")
        for _ in range(2):
            [master] = masters_in(gateway.directory / "t")
            os.kill(master, signal.SIGKILL)
            session = await gateway.server.next_session()
            await client.wait_for("live")
            assert await session.ask(b"there") == b"THERE"


@pytest.mark.parametrize("is_live", [False, True])
async def test_without_descriptors_it_ends_in_order(gateway: SshGateway, is_live: bool) -> None:
    async with gateway.open_client() as client:
        session = await gateway.server.next_session()
        live = await client.wait_for("live")
        assert live
        [started] = client.all("execute")
        resource.prlimit(
            client.process.pid, resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
        if not is_live:
            session.stream.close()
            await client.wait_for("reconnecting")
        client.process.send_signal(signal.SIGTERM)
        assert await client.finish() == 0
        gateway.local.unlink(missing_ok=True)  # whether somebody listens there could not be tried
        assert client.states[-1] == "exit"
        assert not Path(f"/proc/{started['pid']}").exists()
        assert "bug" not in await client.said()


async def test_it_is_the_same_for_the_command_of_an_ordinary_user(short_tmp: Path) -> None:
    """Whose own /proc/self/fd it may follow, though no other process may look into it."""
    with open_sshd() as sshd:
        async with open_chain(short_tmp, sshd) as chain, chain.open_client(chain.alice, token=TOKEN) as client:
            live = await client.wait_state("live")
            host = live["config"]["urls"][0].partition(":")[0]
            before = (await ask(chain.server.port, host, "/", token=TOKEN)).body
            master = master_below(client.process.pid)
            words = Path(f"/proc/{master}/cmdline").read_text().split("\0")
            shutil.rmtree(os.path.dirname(words[words.index("-S") + 1]))
            chain.local_socket(chain.alice).unlink()
            [relay] = chain.server.session_directories
            (relay / "socket").unlink()
            await client.wait_state("live")
            with trio.fail_after(PATIENCE):
                while (await ask(chain.server.port, host, "/", token=TOKEN)).body != before:  # noqa: ASYNC110
                    await trio.sleep(0.1)
            assert master_below(client.process.pid) == master
