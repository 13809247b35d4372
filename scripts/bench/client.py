"""Our client, which offers an application at a gateway."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from scripts.bench.machine import PATIENCE, BenchError, open_process
from scripts.bench.peers import KEY, Site, control_socket, own_program
from scripts.bench.sessions import TOKEN
from scripts.private_sshd import PrivateSshd

_READ_SIZE = 65536


@attrs.frozen(kw_only=True)
class Client:
    """A running client, and the host name that it was given."""

    pid: int
    host: str


@contextlib.contextmanager
def open_client(
    site: Site, sshd: PrivateSshd | None, local_socket: Path, application: Sequence[str | Path]
) -> Iterator[Client]:
    """Offer an application at the gateway of that site, over SSH where `sshd` is given."""
    way = f"localhost:{sshd.port}" if sshd else ""
    command: list[str | Path] = [
        own_program("conductor-trio"),
        "-k",
        KEY,
        f"{way}{control_socket(site)}",
        local_socket,
        "--",
    ]
    environment = os.environ | {"CONDUCTOR_TOKEN": TOKEN}
    if sshd:
        environment = sshd.me.environment(environment)
    log = site.directory / "client"
    with open_process([*command, *application], log, environment, subprocess.PIPE) as client:
        yield Client(pid=client.pid, host=_wait_live(client, log))


def _wait_live(client: subprocess.Popen[bytes], log: Path) -> str:
    """Return the host name as soon as visitors can use it; raises `BenchError` if that never comes."""
    assert client.stdout is not None
    poll = select.poll()
    poll.register(client.stdout, select.POLLIN)
    said = b""
    while poll.poll(PATIENCE * 1000):
        chunk = os.read(client.stdout.fileno(), _READ_SIZE)
        if not chunk:
            break
        said += chunk
        for line in said.split(b"\n")[:-1]:
            match json.loads(line):
                case {"state": "live", "config": {"urls": [str(host), *_]}}:
                    return host
    raise BenchError(
        f"the client does not come to be live: {said[-200:]!r} {log.read_text(errors='replace')[-200:]}"
    )
