"""The command as its users meet it, over the local transport: events, exit statuses, signals, and what is left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from conductor_trio.access.tokens import hash_token
from tests.doubles.client_command import UPPERCASE_APPLICATION, RunningClient, open_client, python, shell
from tests.doubles.control_server import ControlServer, open_control_server


@pytest.fixture
async def server(short_tmp: Path) -> AsyncIterator[ControlServer]:
    async with open_control_server(short_tmp) as server:
        yield server


@pytest.fixture
def local(short_tmp: Path) -> Path:
    return short_tmp / "app.sock"


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def wait_gone(pid: int) -> None:
    with trio.fail_after(20):
        while is_alive(pid):  # noqa: ASYNC110
            await trio.sleep(0.01)


@contextlib.asynccontextmanager
async def open_live(server: ControlServer, local: Path, *options: str) -> AsyncIterator[RunningClient]:
    async with open_client(*options, server.path, local, "--", UPPERCASE_APPLICATION, local) as client:
        await client.wait_for("live")
        yield client


async def test_nobody_waits_for_a_log_whose_reader_sleeps(server: ControlServer, local: Path) -> None:
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b" " * 4096)
        os.set_blocking(writer, True)
        # Its token can be guessed, of which the log warns.
        command = [*UPPERCASE_APPLICATION, str(local)]
        async with open_client("-v", server.path, local, "--", command, stderr=writer) as client:
            await client.wait_for("live")
            assert await (await server.next_session()).ask(b"asked") == b"ASKED"
            client.process.send_signal(signal.SIGTERM)
            assert await client.finish() == 0
    finally:
        os.close(reader)
        os.close(writer)


async def test_the_way_to_live_and_back(server: ControlServer, local: Path) -> None:
    async with open_live(server, local, "-k", "lab") as client:
        session = await server.next_session()
        execute, connect, control_connect, live = client.events
        assert execute["state"] == "execute"
        assert execute["command"] == [*UPPERCASE_APPLICATION, str(local)]
        assert connect == {"state": "connect", "user": None, "host": None, "port": None}
        assert control_connect == {
            "state": "controlConnect",
            "path": str(server.path),
            "banner": {"directory": str(session.directory), "status": "ok"},
        }
        config = {"auth": "t0ken", "key": "lab", "urls": ["lab-me.localhost"]}
        url = "http://lab-me.localhost/_conductor/auth/t0ken"
        assert live == {"state": "live", "config": config, "url": url}
        assert session.registration == {"auth": hash_token(b"t0ken"), "key": "lab"}
        assert stat.S_IMODE(session.relay_mode) == 0o660
        assert await session.ask(b"hello") == b"HELLO"
        client.process.send_signal(signal.SIGINT)
        assert await client.finish() == 0
        assert client.events[-1] == {"state": "exit", "status": -signal.SIGTERM}
        assert not is_alive(execute["pid"])
    assert not local.exists()


async def test_a_session_on_this_host_imports_only_what_it_uses(
    server: ControlServer, local: Path, short_tmp: Path
) -> None:
    # What makes its start quick, most of all where each file comes from a file server.
    log = short_tmp / "imports"
    # Not under coverage, which imports for itself.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment["PYTHONPROFILEIMPORTTIME"] = "1"
    with log.open("wb") as file:
        command = [*UPPERCASE_APPLICATION, str(local)]
        async with open_client(
            server.path, local, "--", command, environment=environment, stderr=file.fileno()
        ) as client:
            await client.wait_for("live")
            client.process.send_signal(signal.SIGTERM)
            assert await client.finish() == 0
    imported = set(re.findall(r"^import time:.*\| +(\S+)$", log.read_text(), re.MULTILINE))
    ours = {name.removeprefix("conductor_trio.") for name in imported}
    assert {"client.run", "client.session.keeper", "client.transport.local"} <= ours
    assert not imported & {"tomllib", "rich", "segno", "h11", "structlog", "inotify_simple", "trio_websocket"}
    unused = ("client.transport.ssh", "client.isolation", "client.display", "client.doctor", "server", "pages")
    assert not [name for name in ours if name.startswith(unused)]
    assert not ours & {
        "client.application.background",
        "client.application.idle",
        "client.cli.owner_commands",
        "client.config.files",
        "client.config.recipes",
        "client.config.toml_table",
        "commandline.completion.bash",
    }


async def test_without_a_key_none_is_sent(server: ControlServer, local: Path) -> None:
    async with open_live(server, local) as client:
        assert "key" not in (await server.next_session()).registration
        assert client.events[-1]["config"]["key"] == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals_end_the_whole_group(server: ControlServer, local: Path, number: signal.Signals) -> None:
    script = "trap 'echo bye; exit 3' TERM; sleep 1000 & echo $!; wait"
    async with open_client(server.path, local, "--", shell(script)) as client:
        child = int((await client.wait_for("data"))["data"])
        client.process.send_signal(number)
        assert await client.finish() == 0
        assert client.text("stdout").endswith("bye\n")
        assert client.events[-1] == {"state": "exit", "status": 3}
        assert not is_alive(child)


async def test_two_signals_at_once_are_one_wish(server: ControlServer, local: Path) -> None:
    """As timeout(1) sends them, or a terminal that closes."""
    script = "trap 'sleep 0.3; exit 3' TERM; echo; sleep 1000 & wait"
    async with open_client(server.path, local, "--", shell(script)) as client:
        await client.wait_for("data")
        client.process.send_signal(signal.SIGTERM)
        client.process.send_signal(signal.SIGHUP)
        assert await client.finish() == 0
        assert client.events[-1]["status"] == 3
        assert len(client.all("ending")) == 1


@pytest.mark.parametrize(
    ("script", "status", "exit_status"),
    [("exit 0", 0, 0), ("exit 7", 7, 7), ("kill -KILL $$", 128 + 9, -9), ("kill -TERM $$", 128 + 15, -15)],
)
async def test_an_application_that_ends_passes_on_its_status(
    server: ControlServer, local: Path, script: str, status: int, exit_status: int
) -> None:
    async with open_client(server.path, local, "--", shell(script)) as client:
        assert await client.finish() == status
        assert client.events[-1] == {"state": "exit", "status": exit_status}
        (failed,) = client.all("failed")
        assert str(local) in failed["reason"]
        assert "before it listened" in failed["reason"]


async def test_one_that_has_been_live_ends_without_failure(server: ControlServer, local: Path) -> None:
    async with open_live(server, local) as client:
        os.kill(client.events[0]["pid"], signal.SIGUSR1)
        assert await client.finish() == 128 + signal.SIGUSR1
        assert not client.all("failed")


@pytest.mark.parametrize(("command", "status"), [("/no/such/program", 127), ("/etc/passwd", 126), ("/", 126)])
async def test_a_command_that_cannot_be_started(
    server: ControlServer, local: Path, command: str, status: int
) -> None:
    async with open_client(server.path, local, "--", command) as client:
        assert await client.finish() == status
        (failed,) = client.events
        assert failed["state"] == "failed"
        assert command in failed["reason"]
        assert "Traceback" not in await client.said()


async def test_who_leaves_out_the_two_dashes_is_told(server: ControlServer, local: Path) -> None:
    async with open_client(server.path, "ls", "no-such-directory", "-l", cwd=local.parent) as client:
        assert await client.finish() == 127
        assert "to start `ls no-such-directory -l`, without LOCAL_SOCKET" in client.events[0]["reason"]


async def test_everything_written_before_the_end_arrives(server: ControlServer, local: Path) -> None:
    script = "import os, sys; os.write(1, 'é'.encode() * 150_000 + b'.'); os.write(2, b'\\xc3')"
    async with open_client(server.path, local, "--", python(script)) as client:
        assert await client.finish() == 0
        assert client.text("stdout") == "é" * 150_000 + "."
        assert client.text("stderr") == "\ufffd"


async def test_a_character_cut_in_two_arrives_whole(server: ControlServer, local: Path) -> None:
    script = "import os; os.write(1, b'a\\xc3'); input(); os.write(1, b'\\xa9b')"
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "wb", buffering=0) as answer:
        command = shell(f'exec "$0" -SEc "$1" < /proc/{os.getpid()}/fd/{reading}')
        async with open_client(server.path, local, "--", command, python("")[0], script) as client:
            assert (await client.wait_for("data"))["data"] == "a"
            answer.write(b"\n")
            await client.finish()
            assert client.text("stdout") == "aéb"


async def test_a_grandchild_that_keeps_the_outputs_open_does_not_hold_us(
    server: ControlServer, local: Path
) -> None:
    # It leaves the process group, so that it is none of ours any more.
    script = """
import os, time
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(1, b"%d" % os.getpid())
    os.write(writing, b"x")
    time.sleep(1000)
os.read(reading, 1)
"""
    async with open_client(server.path, local, "--", python(script)) as client:
        with trio.fail_after(10):
            assert await client.finish() == 0
        grandchild = int(client.text("stdout"))
        assert is_alive(grandchild)
        os.kill(grandchild, signal.SIGKILL)


async def test_kill_9_leaves_no_process(server: ControlServer, local: Path) -> None:
    script = "trap '' HUP; sleep 1000 & echo $!; exec \"$@\""
    async with open_client(server.path, local, "--", shell(script), "sh", UPPERCASE_APPLICATION, local) as client:
        child = int((await client.wait_for("data"))["data"])
        await client.wait_for("live")
        client.process.kill()
        assert await client.finish() == -signal.SIGKILL
        await wait_gone(child)
        await wait_gone(client.events[0]["pid"])
    local.unlink()


async def test_a_closed_reader_does_not_end_the_application(server: ControlServer, local: Path) -> None:
    async with open_live(server, local) as client:
        assert client.stdout is not None
        await client.stdout.aclose()
        session = await server.next_session()
        session.stream.close()
        # Its events went nowhere, and it is back again.
        assert await (await server.next_session()).ask(b"still") == b"STILL"
        client.process.send_signal(signal.SIGTERM)
        with trio.fail_after(20):
            assert await client.process.wait() == 0
        said = await client.said()
        assert said.count("Broken pipe") == 1
        assert "Traceback" not in said


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-", "2>&-"])
async def test_closed_standard_descriptors(server: ControlServer, local: Path, closed: str) -> None:
    command = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *python("")[:1], "-m", "conductor_trio"]
    process = await trio.lowlevel.open_process(
        [*command, str(server.path), str(local), "--", *UPPERCASE_APPLICATION, str(local)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert await (await server.next_session()).ask(b"x") == b"X"
    process.terminate()
    assert await process.wait() == 0


async def test_a_slow_reader_slows_the_application_and_nothing_else(server: ControlServer, local: Path) -> None:
    # It says how far it has come on its socket, because its output is stuck.
    script = """
import os, socket, sys, threading
written = 0
def flood():
    global written
    while True:
        written += os.write(1, b"x" * 65536)
threading.Thread(target=flood, daemon=True).start()
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    connection, _ = listener.accept()
    with connection:
        if connection.recv(10):
            connection.sendall(b"%d" % written)
"""
    async with open_client(server.path, local, "--", python(script), local) as client:
        session = await server.next_session()
        before = -1
        with trio.fail_after(20):
            while before != (now := int(await session.ask(b"?"))):
                before = now
                await trio.sleep(0.2)
        assert 0 < now < 8 * 2**20
        # The reader reads again, and the writer writes.
        while int(await session.ask(b"?")) == now:
            await client.next_event()
        client.process.send_signal(signal.SIGTERM)
        assert await client.finish() == 0
        assert client.events[-1]["state"] == "exit"


async def test_a_socket_in_use_is_status_2(server: ControlServer, local: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(local))
        sock.listen()
        async with open_client(server.path, local, "--", UPPERCASE_APPLICATION, local) as client:
            assert await client.finish() == 2
            assert [event["state"] for event in client.events] == ["failed"]
            assert len((await client.said()).splitlines()) == 1
    local.unlink()


async def test_replace_takes_over(server: ControlServer, local: Path) -> None:
    async with open_live(server, local) as former, open_live(server, local, "-r"):
        assert await former.finish() == 128 + signal.SIGTERM
        await server.next_session()
        assert await (await server.next_session()).ask(b"x") == b"X"


async def test_a_file_in_the_way_is_status_1_and_stays(server: ControlServer, local: Path) -> None:
    local.write_text("data")
    async with open_client("-r", server.path, local, "--", UPPERCASE_APPLICATION, local) as client:
        assert await client.finish() == 1
        assert [event["state"] for event in client.events] == ["failed"]
    assert local.read_text() == "data"


async def test_no_server_there(local: Path) -> None:
    async with open_client(local.parent / "nowhere", local, "--", shell("sleep 1000")) as client:
        assert await client.finish() == 1
        (failed,) = client.all("failed")
        assert "conductor-trio-server" in failed["reason"]
        assert client.events[-1] == {"state": "exit", "status": -signal.SIGTERM}


async def test_a_refused_registration_says_why(server: ControlServer, local: Path) -> None:
    server.refusals.append("the name is taken")
    async with open_client(server.path, local, "--", UPPERCASE_APPLICATION, local) as client:
        assert await client.finish() == 1
        assert client.all("failed") == [{"state": "failed", "reason": "the name is taken", "hop": "gateway"}]


async def test_a_lost_channel_is_dialled_again(server: ControlServer, local: Path) -> None:
    async with open_live(server, local, "-k", "lab") as client:
        first = await server.next_session()
        server.refusals += ["taken by a ghost"] * 2
        first.stream.close()
        await client.wait_for("dead")
        live = await client.wait_for("live")
        second = await server.next_session()
        assert second.registration == first.registration
        assert live == client.all("live")[0]
        assert len(client.all("dead")) == 1
        assert not client.all("failed")
        assert await second.ask(b"same application") == b"SAME APPLICATION"
        client.process.send_signal(signal.SIGTERM)
        assert await client.finish() == 0
        assert len(client.all("execute")) == 1


async def test_a_key_that_the_server_chose_is_kept(server: ControlServer, local: Path) -> None:
    server.told_key = "chosen"
    async with open_live(server, local) as client:
        first = await server.next_session()
        assert "key" not in first.registration
        assert client.events[-1]["config"]["key"] == "chosen"
        first.stream.close()
        assert (await server.next_session()).registration["key"] == "chosen"


async def test_the_token_reaches_neither_application_nor_log_nor_arguments(
    server: ControlServer, local: Path
) -> None:
    script = 'env; cat /proc/$PPID/cmdline; exec "$@"'
    environment = {**os.environ, "CONDUCTOR_TOKEN": "s3cr3t-t0ken"}
    async with open_client(
        "-v", server.path, local, "--", shell(script), "sh", UPPERCASE_APPLICATION, local, environment=environment
    ) as client:
        await client.wait_for("live")
        client.process.send_signal(signal.SIGTERM)
        assert await client.finish() == 0
        assert "PATH=" in client.text("stdout")
        assert "s3cr3t" not in client.text("stdout")
        assert "s3cr3t" not in await client.said()
        assert [event["state"] for event in client.events if "s3cr3t" in json.dumps(event)] == ["live"]


async def test_a_relative_local_socket(server: ControlServer, local: Path) -> None:
    async with open_client(
        server.path, "app.sock", "--", UPPERCASE_APPLICATION, "app.sock", cwd=local.parent
    ) as client:
        await client.wait_for("live")
        assert await (await server.next_session()).ask(b"x") == b"X"


async def test_standard_input_is_the_applications(server: ControlServer, local: Path) -> None:
    process = await trio.lowlevel.open_process(
        [*python("")[:1], "-m", "conductor_trio", str(server.path), str(local), "--", *shell("cat")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    client = RunningClient(process, process.stdout)
    assert process.stdin is not None
    await process.stdin.send_all(b"typed\n")
    await process.stdin.aclose()
    assert await client.finish() == 0
    assert client.text("stdout") == "typed\n"
    assert process.stdout is not None
    await process.stdout.aclose()


async def test_under_nohup_a_hangup_is_ignored(server: ControlServer, local: Path) -> None:
    command = ["nohup", *python("")[:1], "-m", "conductor_trio", str(server.path), str(local), "--"]
    process = await trio.lowlevel.open_process(
        [*command, *UPPERCASE_APPLICATION, str(local)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    session = await server.next_session()
    process.send_signal(signal.SIGHUP)
    assert await session.ask(b"x") == b"X"
    process.terminate()
    assert await process.wait() == 0
