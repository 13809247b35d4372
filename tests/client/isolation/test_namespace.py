"""The namespace: what the application finds in it, and what is said where none is allowed."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from conductor_trio.client.isolation.plan import PortPlan, choose_port
from tests.doubles.tcp_application import (
    PORT,
    application,
    connect,
    open_relayed,
    require_namespaces,
    shell,
)
from tests.support.needs import require_program
from tests.support.programs import PATIENCE, open_program, run_program

LOCALHOST = "127.0.0.1"


@pytest.fixture
def local(short_tmp: Path) -> Path:
    require_namespaces()
    return short_tmp / "app.sock"


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
