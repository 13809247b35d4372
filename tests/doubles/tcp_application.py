"""An application that knows only TCP ports, and the client's relay round it, run as the client runs it.

::

    async with open_relayed(application("127.0.0.1", PORT), path) as program:
        async with await connect(path) as stream:
            ...
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from conductor_trio.client.isolation import namespace
from conductor_trio.client.isolation.plan import PortPlan
from tests.support.needs import missing
from tests.support.programs import (
    OWN_PYTHON,
    PATIENCE,
    Program,
    open_program,
)
from tests.support.users import Person

PORT = 20080

# Tells what it finds itself to be; sends everything back in capitals, and at the end how many bytes that was.
_SCRIPT = """
import json, os, resource, socket, sys, threading
host, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if name:
    open(name, "x").close()
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
umask = os.umask(0)
os.umask(umask)
print(json.dumps({
    "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
    "environment": dict(os.environ), "directory": os.getcwd(), "umask": umask,
    "files": resource.getrlimit(resource.RLIMIT_NOFILE), "descriptors": len(os.listdir("/proc/self/fd")),
    # Without 32 and 33, which glibc keeps for itself, and sets anew in every program.
    **{field: int(status[field], 16) & ~(3 << 31) for field in ("SigBlk", "SigIgn")},
    **{field: status[field].strip() for field in ("CapEff", "CapPrm", "CapAmb", "NoNewPrivs")},
    "processes": os.path.exists("/proc/1/stat"), "user namespace": os.readlink("/proc/self/ns/user"),
}), flush=True)
def serve(connection):
    with connection:
        count = 0
        while data := connection.recv(65536):
            count += len(data)
            connection.sendall(data.upper())
        connection.sendall(b"<%d>" % count)
family = socket.AF_INET6 if ":" in host else socket.AF_INET
with socket.create_server((host, port), family=family, backlog=128) as listener:
    while True:
        threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
"""


def application(
    host: str = "127.0.0.1", port: int = PORT, *, creates: Path | str = "", python: Path = OWN_PYTHON
) -> list[str]:
    """Return the command of an application that listens there, having created a file first."""
    return [str(python), "-SEc", _SCRIPT, host, str(port), str(creates)]


def shell(script: str) -> list[str]:
    """Return the command that runs a shell script."""
    return ["/bin/sh", "-c", script]


def require_namespaces() -> None:
    """Go on only where network namespaces are allowed."""
    done = subprocess.run([sys.executable, "-m", namespace.__name__], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        missing(f"needs network namespaces: {done.stdout.strip()}")


@asynccontextmanager
async def open_relayed(
    command: Sequence[str],
    local_socket: Path,
    *,
    port: int = PORT,
    shared: bool = False,
    prefix: Sequence[str] = (),
    python: Path = OWN_PYTHON,
    person: Person | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Program]:
    """Run the application and its relay; the whole group is told to end on leaving, as the client does."""
    _, *words = PortPlan(port=port, shared=shared).wrap(command, str(local_socket))
    async with open_program(
        [*prefix, python, *words], person=person, environment=environment, cwd=local_socket.parent
    ) as program:
        try:
            yield program
        finally:
            if program.process.poll() is None:
                os.killpg(program.process.pid, signal.SIGTERM)


async def connect(path: Path) -> trio.SocketStream:
    """Connect to a UNIX socket as soon as it is listened on."""
    with trio.fail_after(PATIENCE):
        while True:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return await trio.open_unix_socket(str(path))
            await trio.sleep(0.01)


async def wait_listening(path: Path) -> None:
    """Wait until the socket is listened on; before, it may be there without its mode."""
    await (await connect(path)).aclose()


async def receive_all(stream: trio.SocketStream) -> bytes:
    """Return everything up to the end, which may be a broken one."""
    received = bytearray()
    with contextlib.suppress(trio.BrokenResourceError), trio.fail_after(PATIENCE):
        async for chunk in stream:
            received += chunk
    return bytes(received)
