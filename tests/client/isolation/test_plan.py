"""An application that knows only TCP ports behind its relay: the namespace, the port, the socket, the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import pytest
import trio
import trio_websocket

from conductor_trio.client.isolation.plan import PortPlan, choose_port
from conductor_trio.client.isolation.port_relay import Address, find_listener
from conductor_trio.client.isolation.uplink import is_resolver_local, outward_program
from conductor_trio.errors import ConfigError
from tests.doubles.tcp_application import (
    PORT,
    application,
    connect,
    open_relayed,
    receive_all,
    require_namespaces,
    shell,
    wait_listening,
)
from tests.support.needs import require_program
from tests.support.programs import PATIENCE, open_program, run_program

LOCALHOST = "127.0.0.1"


@pytest.fixture
def local(short_tmp: Path) -> Path:
    require_namespaces()
    return short_tmp / "app.sock"


# The port: who listens there.


@pytest.mark.parametrize(
    ("family", "bound", "found"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "127.0.0.3", "127.0.0.3"),
        (socket.AF_INET, "0.0.0.0", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "::1"),
    ],
)
def test_a_listener_is_found_wherever_it_is(family: socket.AddressFamily, bound: str, found: str) -> None:
    with socket.create_server((bound, 0), family=family) as listener:
        port = listener.getsockname()[1]
        address = find_listener(port, os.geteuid())
        assert address == Address(family=family, host=found)
        socket.create_connection((found, port)).close()
        assert find_listener(port, os.geteuid() + 1) is None
    assert find_listener(port, None) is None


def test_localhost_is_preferred() -> None:
    with socket.create_server(("127.0.0.3", 0)) as other:
        port = other.getsockname()[1]
        with socket.create_server((LOCALHOST, port)):
            assert find_listener(port, None) == Address(family=socket.AF_INET, host=LOCALHOST)


def test_who_is_bound_or_connected_does_not_listen() -> None:
    with socket.create_server((LOCALHOST, 0)) as listener, socket.socket() as bound:
        bound.bind((LOCALHOST, 0))
        assert find_listener(bound.getsockname()[1], None) is None
        with socket.create_connection(listener.getsockname()) as connection:
            assert find_listener(connection.getsockname()[1], None) is None


def test_a_port_is_chosen() -> None:
    assert choose_port(shared=False) == PORT
    with socket.create_server((LOCALHOST, choose_port(shared=True))):
        pass


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_port_that_there_is_not_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match=f"no port {port}"):
        PortPlan(port=port)


# The namespace: what the application finds.


CAPABILITIES = ("CapEff", "CapPrm", "CapAmb")  # root's are others, of course; see test_e2e_tcp


async def test_the_application_finds_all_as_it_is_but_the_network(local: Path) -> None:
    environment = {**os.environ, "CONDUCTOR_HOST": "lab-me.example.org"}
    found = []
    for way in ("direct", "shared", "private"):
        file = local.parent / way
        command = application(creates=file)
        async with (
            open_program(command, environment=environment, cwd=local.parent)
            if way == "direct"
            else open_relayed(command, local, environment=environment, shared=way == "shared")
        ) as program:
            await program.out.wait_line(lambda line: True)
        facts = json.loads(program.out.lines[0])
        found.append({name: value for name, value in facts.items() if name not in CAPABILITIES})
        assert (file.stat().st_uid, file.stat().st_gid) == (os.geteuid(), os.getegid())
    direct, shared, private = found
    assert direct == shared
    assert direct.pop("user namespace") != private.pop("user namespace")
    assert direct == private


async def test_localhost_is_the_applications_own(local: Path) -> None:
    port = choose_port(shared=True)  # which nobody has here, either
    async with open_relayed(application("::", port), local, port=port), await connect(local) as stream:
        await stream.send_all(b"hello")
        assert await stream.receive_some(100) == b"HELLO"
        for host in (LOCALHOST, "::1"):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, port), timeout=PATIENCE)
        # The same port is free for everybody else.
        with socket.create_server((LOCALHOST, port)):
            pass


async def test_the_socket_appears_when_the_port_is_listened_on_and_is_the_owners(local: Path) -> None:
    script = 'echo waiting; read -r _ <"$0"; exec "$@"'
    gate = local.parent / "gate"
    os.mkfifo(gate)
    async with open_relayed([*shell(script), str(gate), *application()], local) as program:
        await program.out.wait_line(lambda line: line == "waiting")
        assert not local.exists()
        gate.write_text("go\n")
        await wait_listening(local)
        assert stat.S_IMODE(local.stat().st_mode) == 0o600
    assert not local.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "::", "127.0.0.3"])
async def test_wherever_the_application_listens_it_is_reached(local: Path, host: str) -> None:
    async with open_relayed(application(host), local), await connect(local) as stream:
        await stream.send_all(b"where")
        assert await stream.receive_some(100) == b"WHERE"


# The relay.


async def test_half_closes_pass_in_both_directions(local: Path) -> None:
    async with open_relayed(application(), local), await connect(local) as stream:
        await stream.send_all(b"a question")
        await stream.send_eof()
        assert await receive_all(stream) == b"A QUESTION<10>"


async def test_many_connections_at_once_carry_what_they_are_given(local: Path) -> None:
    data = os.urandom(100_000)

    async def exchange() -> None:
        async with await trio.open_unix_socket(str(local)) as stream, trio.open_nursery() as nursery:

            async def send() -> None:
                await stream.send_all(data)
                await stream.send_eof()

            nursery.start_soon(send)
            assert await receive_all(stream) == data.upper() + b"<%d>" % len(data)

    async with open_relayed(application(), local):
        await wait_listening(local)
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(exchange)


async def test_a_visitor_that_breaks_off_is_an_end_for_the_application(local: Path) -> None:
    script = (
        "import socket, sys\n"
        f"with socket.create_server(('127.0.0.1', {PORT})) as listener:\n"
        "    connection = listener.accept()[0]\n"
        "    connection.sendall(b'x')\n"
        "    try:\n"
        "        while connection.recv(1000): pass\n"
        "    except ConnectionResetError: pass\n"
        "    print('gone', flush=True)\n"
    )
    async with open_relayed([sys.executable, "-c", script], local) as program:
        async with await connect(local) as stream:
            assert await stream.receive_some(1) == b"x"
        assert await program.wait_ended() == 0
        assert program.out.lines == ["gone"]


WEBSOCKET_APPLICATION = f"""
import trio, trio_websocket
async def echo(request):
    websocket = await request.accept()
    try:
        while True:
            await websocket.send_message((await websocket.get_message())[::-1])
    except trio_websocket.ConnectionClosed:
        pass
trio.run(trio_websocket.serve_websocket, echo, "127.0.0.1", {PORT}, None)
"""


async def test_websockets_pass(local: Path) -> None:
    async with open_relayed([sys.executable, "-c", WEBSOCKET_APPLICATION], local):
        stream = await connect(local)
        async with trio.open_nursery() as nursery:
            websocket = await trio_websocket.wrap_client_stream(nursery, stream, "app.localhost", "/ws")
            for message in ("abc", "x" * 200_000, "é"):
                await websocket.send_message(message)
                assert await websocket.get_message() == message[::-1]
            await websocket.aclose()


MOVING_APPLICATION = f"""
import socket
for family, host, answer in (socket.AF_INET, "127.0.0.1", b"first"), (socket.AF_INET6, "::1", b"second"):
    with socket.create_server((host, {PORT}), family=family) as listener:
        connection = listener.accept()[0]
    connection.sendall(answer)
    connection.close()
"""


async def test_an_application_may_stop_listening_and_listen_again_elsewhere(local: Path) -> None:
    async with open_relayed([sys.executable, "-SEc", MOVING_APPLICATION], local) as program:
        async with await connect(local) as stream:
            assert await receive_all(stream) == b"first"
        answer = b""
        while not answer:  # nobody listens for a moment, which shows as a connection that ends at once
            async with await trio.open_unix_socket(str(local)) as stream:
                answer = await receive_all(stream)
        assert answer == b"second"
        assert await program.wait_ended() == 0


# The end.


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


# Where it is not allowed.


async def test_where_namespaces_are_allowed_the_check_passes(local: Path) -> None:
    await PortPlan(port=PORT).check()


CHECK = """
import sys, trio
from conductor_trio.client.isolation.plan import PortPlan
from conductor_trio.errors import StartError
try:
    trio.run(PortPlan(port=1, shared=sys.argv[1] == "shared").check)
except StartError as error:
    print(error.reason, error)
"""


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("shared", ""),
        (
            "private",
            "namespace this host does not let you have a network namespace (user.max_user_namespaces is 0), "
            "without which every user of it could connect to the application's port; ask its administrators for "
            "it, or accept that with --tcp-shared\n",
        ),
    ],
)
async def test_a_host_without_namespaces_says_so_and_what_to_do(way: str, said: str) -> None:
    """A user namespace in which no further ones may be made stands for the host."""
    require_namespaces()
    script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    command = [*shell(script), "sh", sys.executable, "-c", CHECK, way]
    program = await run_program([require_program("unshare"), "--user", "--map-root-user", *command])
    assert (program.process.returncode, program.out.text) == (0, said), program.err.text


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("", False),
        ("# nameserver 127.0.0.1\nsearch example.org\n", False),
        ("nameserver 127.0.0.53\noptions edns0\n", True),
        ("nameserver ::1\nnameserver 127.0.0.1\n", True),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.1\n", False),
        ("nameserver\n", False),
    ],
)
def test_a_resolver_on_localhost_is_noticed(text: str, local: bool) -> None:
    assert is_resolver_local(text) is local


async def test_what_is_worth_knowing_is_told(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PortPlan(port=8000, shared=True).notice == (
        "every user of this host can connect to the application's port 8000 (--tcp-shared)"
    )
    monkeypatch.setenv("PATH", str(short_tmp))
    assert outward_program() is None
    assert "no network but localhost" in (PortPlan(port=8000).notice or "")
    for name in ("slirp4netns", "pasta"):
        (short_tmp / name).touch(mode=0o755)
        assert outward_program() == name
        assert "no network but localhost" not in (PortPlan(port=8000).notice or "")
