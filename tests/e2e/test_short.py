"""The client without LOCAL_SOCKET and the real server: names before their applications, restarts, ports."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.doubles.tcp_application import require_namespaces
from tests.support.programs import (
    OWN_PYTHON,
    Program,
    Server,
    ask,
    open_program,
    open_server,
    run_program,
    wait_gone,
    wait_until,
)
from tests.support.successors import ending_successors, upgrade
from tests.support.users import (
    ALICE,
    BOB,
    Person,
    everybodys_python,
    real_person,
)

pytestmark = pytest.mark.e2e

TOKEN = "t0ken-of-the-test"

# Listens once it may, and answers every request with what it was told.
SLOW = """
import os, socket, sys, time
path, go, told = sys.argv[1:]
while not os.path.exists(go):
    time.sleep(0.01)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
while True:
    connection, _ = listener.accept()
    with connection:
        if connection.recv(65536):
            head = f"HTTP/1.1 200 OK\\r\\nContent-Length: {len(told)}\\r\\n\\r\\n"
            connection.sendall((head + told).encode())
"""


@asynccontextmanager
async def open_client(
    server: Server,
    *words: str | Path,
    person: Person | None = None,
    python: Path = OWN_PYTHON,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Program]:
    """Run a client in the short form, with the key `app`."""
    variables = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "CONDUCTOR_TOKEN": TOKEN, **(environment or {})}
    command = [python.with_name("conductor-trio"), "-k", "app", "--json", *words]
    index = command.index("--")
    command.insert(index, server.control_socket)
    async with open_program(command, person=person, environment=variables) as client:
        yield client


async def open_link(server: Server, host: str) -> tuple[int, bytes]:
    answer = await ask(server.port, host, "/", token=TOKEN)
    return answer.status, answer.body


@pytest.mark.parametrize("restarts", [0, 2])
async def test_visitors_are_told_that_it_is_starting_until_it_has(
    short_tmp: Path, runtime_dir: Path, restarts: int
) -> None:
    go = short_tmp / "go"
    application: list[str | Path] = [OWN_PYTHON, "-SEc", SLOW, "{socket}", go, "{host} {url}"]
    async with (
        open_server(runtime_dir) as server,
        ending_successors(server.program),
        open_client(server, "--", *application) as client,
    ):
        (host,) = (await client.wait_state("starting"))["config"]["urls"]
        for _ in range(restarts):
            await upgrade(server)
            assert (await client.wait_state("starting"))["config"]["urls"] == [host]
        status, body = await open_link(server, host)
        assert (status, b"starting" in body) == (503, True)
        go.touch()
        live = await client.wait_state("live")
        assert live["config"]["urls"] == [host]
        assert await open_link(server, host) == (200, f"{host} http://{host}".encode())
        if restarts:
            await upgrade(server)
            await client.wait_state("live")
            assert (await open_link(server, host))[0] == 200
        assert await client.end(signal.SIGTERM) == 0
        assert [event["state"] for event in client.events].count("execute") == 1
        assert not [event for event in client.events if event["state"] in ("dead", "failed")]


async def test_a_server_that_was_killed_meanwhile_is_registered_with_again(
    short_tmp: Path, runtime_dir: Path
) -> None:
    go = short_tmp / "go"
    async with (
        open_server(runtime_dir) as server,
        open_client(server, "--", OWN_PYTHON, "-SEc", SLOW, "{socket}", go, "{host}") as client,
    ):
        await client.wait_state("starting")
        server.program.process.kill()
        await client.wait_state("dead")
        async with open_server(runtime_dir) as again:
            (host,) = (await client.wait_state("starting"))["config"]["urls"]
            go.touch()
            await client.wait_state("live")
            assert await open_link(again, host) == (200, host.encode())
            assert await client.end(signal.SIGTERM) == 0


async def test_bob_cannot_connect_to_alices_port_and_her_visitors_can(short_tmp: Path, runtime_dir: Path) -> None:
    require_namespaces()
    alice, bob, python = real_person(ALICE), real_person(BOB), everybodys_python()
    home, temporary = alice.make_directory(short_tmp / "home"), alice.make_directory(short_tmp / "t")
    environment = {"HOME": str(home), "TMPDIR": str(temporary)}
    web_server: list[str | Path] = [python, "-m", "http.server", "--directory", home, "{port}"]
    attempt: list[str | Path] = [
        python,
        "-SEc",
        "import socket, sys; print(socket.socket().connect_ex(('127.0.0.1', int(sys.argv[1]))))",
    ]
    for options, refused in (([], True), (["--tcp-shared"], False)):
        async with (
            open_server(runtime_dir) as server,
            open_client(
                server, *options, "--", *web_server, person=alice, python=python, environment=environment
            ) as client,
        ):
            execute = await client.wait_state("execute")
            (host,) = (await client.wait_state("live"))["config"]["urls"]
            assert (await open_link(server, host))[0] == 200
            (directory,) = temporary.iterdir()
            enter = await run_program(["/bin/ls", directory], person=bob)
            assert enter.process.returncode != 0
            tried = await run_program([*attempt, execute["command"][-1]], person=bob)
            assert (tried.out.lines != ["0"]) is refused
            # Killed at once, it leaves no process, no directory, no port.
            client.process.kill()
            await client.wait_ended()
            await wait_gone(execute["pid"])
            await wait_until(lambda: not list(temporary.iterdir()))
