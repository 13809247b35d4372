"""The whole chain for one application: a gateway, a client with the application behind it, and the link."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import trustme

from conductor_trio.access.login_link import format_login_link
from scripts.apps.application import AppError, Application, Installed, run
from scripts.bench.machine import LOOPBACK, free_port, is_listening, open_process, wait_until
from scripts.bench.peers import own_program
from scripts.private_sshd import PrivateSshd

#: Not below localhost, of which applications and browsers think better than of others.
DOMAIN = "apps.example.org"

#: What a browser is told so that it finds us there, and asks no further.
BROWSER_OPTIONS = (f"--host-resolver-rules=MAP *.{DOMAIN} {LOOPBACK}", "--ignore-certificate-errors")

_TOLD_LINES = 12
_START_PATIENCE = 120.0  # what is imported for the first time comes from a slow disk
_PAUSE = 0.1


@attrs.frozen(kw_only=True)
class Gateway:
    """A running server, and how clients get there."""

    port: int
    control_socket: Path
    sshd: PrivateSshd | None

    @property
    def address(self) -> str:
        """What clients are given as SERVER."""
        return (
            str(self.control_socket) if self.sshd is None else f"localhost:{self.sshd.port}{self.control_socket}"
        )


@contextlib.contextmanager
def open_gateway(directory: Path, sshd: PrivateSshd | None, *, shows_port: bool = True) -> Iterator[Gateway]:
    """Run a server whose files are in `directory`, for clients that come by SSH if there is an SSH server.

    Without `shows_port` its addresses are as if it had the port that browsers take by themselves.
    """
    gateway = Gateway(port=free_port(), control_socket=directory / "run" / "client", sshd=sshd)
    certificate = directory / "certificate.pem"
    trustme.CA().issue_cert(f"*.{DOMAIN}").private_key_and_cert_chain_pem.write_to_path(certificate)
    listen: list[str | Path] = ["-p", str(gateway.port), "--host", LOOPBACK]
    listen += ["-d", f"{{key}}-{{user}}.{DOMAIN}" + (f":{gateway.port}" if shows_port else "")]
    listen += ["--ssl-cert-file", certificate, "--ssl-key-file", certificate]
    log, program = directory / "server.log", own_program("conductor-trio-server")
    with open_process([program, *listen, "-r", directory / "run", "--grace", "1"], log) as process:
        wait_until(lambda: is_listening(gateway.port), process, log, "conductor-trio-server")
        yield gateway


@contextlib.contextmanager
def open_link(application: Application, installed: Installed, gateway: Gateway, directory: Path) -> Iterator[str]:
    """Run the application behind the gateway; gives the link that leads to its first page. Raises `AppError`.

    It runs in ``<directory>/home``, and knows no other home.
    """
    home = directory / "home"
    home.mkdir()
    for name, text in application.files.items():
        (home / name).write_text(text)
    path = os.pathsep.join([*map(str, installed.path), os.environ.get("PATH", os.defpath)])
    environment = {
        "PATH": path,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/sh",
        "USER": getpass.getuser(),
    }
    if application.prepare:
        run([installed.python, "-c", application.prepare], f"{application.title}: no data", environment, home)
    environment |= {"CONDUCTOR_SERVER": gateway.address, "CONDUCTOR_KEY": application.name}
    if gateway.sshd is not None:
        environment = gateway.sshd.me.environment(environment)
    log = directory / "client.log"
    with open_process(_client_command(application), log, environment, cwd=home) as process:
        live = _wait_live(process, log)
        yield f"{format_login_link(live['urls'][0], live['auth'], 'https')}?next={quote(application.start)}"


def _client_command(application: Application) -> list[str | Path]:
    program = own_program("conductor-trio")
    if application.run_recipe:
        return [program, "run", *application.command]
    return [program, "--", *application.command]


def _wait_live(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    end = time.monotonic() + _START_PATIENCE
    while process.poll() is None and time.monotonic() < end:
        for event in read_events(log):
            if event["state"] == "live":
                config: dict[str, Any] = event["config"]
                return config
        time.sleep(_PAUSE)
    raise AppError("it does not start")


def read_events(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the client's events so far."""
    for line in _read_lines(log):
        with contextlib.suppress(ValueError):  # a line of its log, or one that is not whole yet
            yield json.loads(line)


def tell(log: Path) -> str:
    """Return the last that the client and the application said."""
    said = []
    for line in _read_lines(log):
        try:
            event = json.loads(line)
        except ValueError:
            said.append(f"{line}\n")
        else:
            said.append(str(event.get("data") or event.get("reason") or ""))
    return "\n".join("".join(said).splitlines()[-_TOLD_LINES:])


def _read_lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.exists() else []
