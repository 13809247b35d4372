"""Neighbours below one parent domain, for a real browser: a gateway with TLS, and applications of pages and words.

The gateway is a process; the applications are threads of this one, without a client program, since what drives a
browser blocks.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs

from conductor_trio.access.login_link import LOGIN_PREFIX
from conductor_trio.access.tokens import hash_token
from tests.support.certificates import CertificateAuthority
from tests.support.programs import PATIENCE, server_command

DOMAIN = "apps.example.test"
PATTERN = "{key}-{user}." + DOMAIN


@attrs.frozen
class Content:
    """What an application answers for a path."""

    body: str
    type: str = "text/html"
    fields: tuple[tuple[str, str], ...] = ()


@attrs.define(eq=False)
class Neighbour:
    """A session and its application: `seen` are the requests that reached it, as method, path and Origin."""

    host: str
    token: str
    pages: dict[str, Content]
    seen: list[tuple[str, str, str | None]] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        """Its origin."""
        return f"https://{self.host}"

    @property
    def link(self) -> str:
        """The owner's login link."""
        return f"{self.url}{LOGIN_PREFIX}{self.token}"


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = False  # so that closing it waits for their connections' ends

    def __init__(self, path: str, neighbour: Neighbour) -> None:
        super().__init__(path, _Handler)
        self.neighbour = neighbour


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        neighbour = self.server.neighbour
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        neighbour.seen.append((self.command, self.path, self.headers.get("Origin")))
        content = neighbour.pages.get(self.path.partition("?")[0])
        body = (content.body if content else "nothing").encode()
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", content.type if content else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        for name, value in content.fields if content else ():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815

    def address_string(self) -> str:
        return "the gateway"

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@attrs.frozen(kw_only=True)
class Gateway:
    """A running gateway with TLS; to a browser with `browser_options` it has the names below `DOMAIN`."""

    control_socket: Path
    port: int

    @property
    def browser_options(self) -> list[str]:
        """What lets a browser take the gateway for a real one."""
        rules = f"MAP *.{DOMAIN}:443 127.0.0.1:{self.port}"
        return [f"--host-resolver-rules={rules}", "--ignore-certificate-errors"]

    @contextlib.contextmanager
    def open_neighbour(self, key: str, pages: dict[str, Content]) -> Iterator[Neighbour]:
        """Hold a session with an application of these pages."""
        token = f"the-token-of-{key}"
        with contextlib.ExitStack() as stack:
            control = stack.enter_context(socket.socket(socket.AF_UNIX))
            control.settimeout(PATIENCE)
            control.connect(str(self.control_socket))
            lines = stack.enter_context(control.makefile("rwb"))
            relay = Path(json.loads(lines.readline())["directory"]) / "socket"
            neighbour = Neighbour("", token, pages)
            server = stack.enter_context(_Server(str(relay), neighbour))
            relay.chmod(0o660)
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            lines.write(json.dumps({"auth": hash_token(token.encode()), "key": key}).encode() + b"\n")
            lines.flush()
            [neighbour.host] = json.loads(lines.readline())["urls"]
            # The session ends first, and with it the gateway's connections to the application.
            stack.callback(control.shutdown, socket.SHUT_RDWR)
            yield neighbour


@contextlib.contextmanager
def open_gateway(directory: Path, *options: str) -> Iterator[Gateway]:
    """Run a gateway whose state is in the directory."""
    certificate = CertificateAuthority().issue(f"*.{DOMAIN}")
    (directory / "key.pem").write_bytes(certificate.key)
    (directory / "cert.pem").write_bytes(certificate.certificate)
    tls: list[str | Path] = ["--ssl-cert-file", directory / "cert.pem", "--ssl-key-file", directory / "key.pem"]
    command = server_command(directory / "run", "-d", PATTERN, *tls, *options)
    with subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("{") and (entry := json.loads(line))["event"] == "listening":
                    break
            drain = threading.Thread(target=process.stderr.read)
            drain.start()
            port = entry["addresses"][0][1]
            yield Gateway(control_socket=directory / "run" / "client", port=port)
        finally:
            process.terminate()
            process.wait(PATIENCE)
            drain.join()
