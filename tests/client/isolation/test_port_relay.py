"""Who listens on a port of localhost, and the relay from the socket to it: each byte, each end, wherever it is."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
from pathlib import Path

import pytest
import trio
import trio.testing
import trio_websocket

from conductor_trio.client.isolation.port_relay import Address, PortRelay, find_listener
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

LOCALHOST = "127.0.0.1"


@pytest.fixture
def local(short_tmp: Path) -> Path:
    require_namespaces()
    return short_tmp / "app.sock"


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


async def test_who_takes_the_port_while_a_connection_is_made_gets_none(short_tmp: Path) -> None:
    path = short_tmp / "app.sock"
    with contextlib.ExitStack() as stack:
        former = stack.enter_context(socket.create_server((LOCALHOST, 0), backlog=0))
        port = former.getsockname()[1]
        full = [stack.enter_context(socket.socket()) for _ in range(2)]
        for sock in full:
            sock.setblocking(False)
            sock.connect_ex((LOCALHOST, port))
        relay = PortRelay(port=port, owner=os.geteuid(), local_socket=str(path), on_shortage=raise_it)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relay.run)
            with trio.fail_after(20):
                async with await connect(path) as visitor:
                    await visitor.send_all(b"a secret")
                    await trio.testing.wait_all_tasks_blocked(0.1)
                    former.close()
                    with trio.socket.from_stdlib_socket(socket.create_server((LOCALHOST, port))) as latter:
                        # The kernel tries once more, after a second, and is heard here.
                        while True:
                            stolen, address = await latter.accept()
                            with stolen:
                                if address not in [sock.getsockname() for sock in full]:
                                    assert await stolen.recv(100) == b""
                                    break
                        assert await receive_all(visitor) == b""
            nursery.cancel_scope.cancel()


def raise_it(error: OSError) -> None:
    raise error


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


LAST_WORDS = b"w" * 3_000_000
SPEAKING_APPLICATION = f"""
import socket
with socket.create_server(("127.0.0.1", {PORT})) as listener:
    with listener.accept()[0] as connection:
        connection.recv(1)
        connection.sendall(b"w" * {len(LAST_WORDS)})
"""


async def test_last_words_outlast_their_application(local: Path) -> None:
    """To a visitor who only reads when that has ended."""
    async with open_relayed([sys.executable, "-SEc", SPEAKING_APPLICATION], local) as program:
        async with await connect(local) as stream:
            await stream.send_all(b"?")
            await trio.sleep(0.3)
            assert await receive_all(stream) == LAST_WORDS
        assert await program.wait_ended() == 0


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
