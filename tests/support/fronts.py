"""Front proxies before the engine, as `contrib` has them: nginx, Apache and Caddy, and what stands for a sign-on.

::

    async with open_front(open_apache, directory, alice, bob) as front, front.proxy.visitor() as visitor:
        await visitor.send(request(ALICE))
        assert (await visitor.receive_response()).status == 200

Each runs on loopback, with its files in a directory of the test's, and is given the file as it is shipped but for
its paths and ports.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.listeners import open_unix_listener, serve_connections
from conductor_trio.net.stream import SocketStream
from tests.doubles.origin import OriginHandler, open_origin
from tests.support.certificates import CertificateAuthority
from tests.support.engine import Engine, Visitor, open_engine
from tests.support.needs import require_program
from tests.support.programs import Program, open_program, run_program
from tests.support.users import GATEWAY, real_person
from tests.support.users import Person as User
from tests.support.websocket_ends import TrioStream

CONTRIB = Path(__file__).parents[2] / "contrib"
DOMAIN = "apps.example.org"


@attrs.frozen
class Person:
    """An owner of an application, behind whose address all else is theirs alone."""

    name: str

    @property
    def host(self) -> str:
        """The application's address."""
        return f"lab-{self.name}.{DOMAIN}"

    @property
    def token(self) -> bytes:
        """The application's token."""
        return b"secret-of-" + self.name.encode()

    @property
    def answer(self) -> bytes:
        """What the application answers."""
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(self.name), self.name.encode())


ALICE, BOB = Person("alice"), Person("bob")


def request(
    person: Person, target: str = "/", *, line: str = "GET", token: bytes | None = None, fields: bytes = b""
) -> bytes:
    """Write a visitor's request to that person's application, with their token unless another is given."""
    token = person.token if token is None else token
    return (
        b"%b %b HTTP/1.1\r\nHost: %b\r\nCookie: a=b; authorization=%b; c=d\r\n%b\r\n"
        % (line.encode(), target.encode(), person.host.encode(), token, fields)
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class FrontProxy:
    """A running front proxy."""

    program: Program
    port: int
    plain_port: int
    directory: Path  #: with `ca.pem`, and what it logs
    authority: CertificateAuthority

    async def connect(self) -> tuple[TrioStream, trio.SSLStream[TrioStream]]:
        """Return a visitor's connection by TLS: below it and above it."""
        raw = TrioStream(SocketStream(socket.create_connection(("127.0.0.1", self.port))))
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        tls = trio.SSLStream(raw, context, server_hostname=ALICE.host, https_compatible=True)
        await tls.do_handshake()
        return raw, tls

    @asynccontextmanager
    async def visitor(self) -> AsyncIterator[Visitor]:
        """Hold a visitor's connection by TLS."""
        _, tls = await self.connect()
        async with tls:
            yield Visitor(tls)  # type: ignore[arg-type]  # any stream will do


def shipped(name: str, replaced: Mapping[str, str]) -> str:
    """Return a file of `contrib` with this test's paths and ports; each of them must be in it."""
    text = (CONTRIB / name).read_text()
    for theirs, ours in replaced.items():
        assert theirs in text, f"{theirs!r} is not in {name}"
        text = text.replace(theirs, ours)
    return text


def _issue(directory: Path) -> CertificateAuthority:
    authority = CertificateAuthority()
    certificate = authority.issue(f"*.{DOMAIN}")
    (directory / "site.pem").write_bytes(certificate.certificate)
    (directory / "site.key").write_bytes(certificate.key)
    (directory / "ca.pem").write_bytes(authority.certificate)
    return authority


def _unprivileged() -> User | None:
    """Return whom those work as who will not do it as root, None where we are nobody special ourselves."""
    return real_person(GATEWAY) if os.geteuid() == 0 else None


@contextlib.contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """Give ports that nobody else is given while the block runs; to listen there needs SO_REUSEADDR."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", 0))
        yield [sock.getsockname()[1] for sock in sockets]


#: Runs a front proxy with its files in that directory, before the server at that socket, and perhaps with
#: more for its configuration, which says something of a sign-on.
Opener = Callable[[Path, Path, str], AbstractAsyncContextManager[FrontProxy]]


@asynccontextmanager
async def open_nginx(directory: Path, server_socket: Path, sign_on: str = "") -> AsyncIterator[FrontProxy]:
    """Run nginx."""
    nginx = require_program("nginx")
    authority = _issue(directory)
    with free_ports(2) as (port, plain_port):
        site = shipped(
            "nginx.conf",
            {
                "unix:/run/conductor-front/http": f"unix:{server_socket}",
                "listen 80;\n": f"listen 127.0.0.1:{plain_port};\n",
                "    listen [::]:80;\n": "",
                "listen 443 ssl;\n": f"listen 127.0.0.1:{port} ssl;\n",
                "    listen [::]:443 ssl;\n": "",
                "/etc/ssl/certs/apps.example.org.pem": f"{directory}/site.pem",
                "/etc/ssl/private/apps.example.org.key": f"{directory}/site.key",
                "    # No size, no copy on disk": f"{sign_on}\n    # No size, no copy on disk",
            },
        )
        (directory / "site.conf").write_text(site)
        (directory / "nginx.conf").write_text(f"""
            daemon off;
            master_process off;
            pid {directory}/pid;
            error_log stderr notice;
            events {{ worker_connections 512; }}
            http {{
                access_log {directory}/access.log;
                client_body_temp_path {directory}/body;
                proxy_temp_path {directory}/proxy;
                fastcgi_temp_path {directory}/fastcgi;
                uwsgi_temp_path {directory}/uwsgi;
                scgi_temp_path {directory}/scgi;
                include {directory}/site.conf;
            }}
        """)
        command: list[str | Path] = [nginx, "-e", "stderr", "-c", directory / "nginx.conf"]
        checked = await run_program([*command, "-t"])
        assert checked.process.returncode == 0, checked.err.text
        assert "[warn]" not in checked.err.text, checked.err.text
        async with open_program(command) as program:
            # It listens by then.
            await program.err.wait_line(lambda line: "getrlimit(RLIMIT_NOFILE)" in line)
            yield FrontProxy(
                program=program, port=port, plain_port=plain_port, directory=directory, authority=authority
            )
    assert "secret" not in (directory / "access.log").read_text() + program.err.text


_APACHE_MODULES = (
    "mpm_event authn_core authz_core authz_user env headers http2 proxy proxy_http reqtimeout rewrite setenvif ssl"
)


@asynccontextmanager
async def open_apache(directory: Path, server_socket: Path, sign_on: str = "") -> AsyncIterator[FrontProxy]:
    """Run Apache; `{port}` in what is said of a sign-on is its port."""
    apache, user = require_program("apache2"), _unprivileged()
    authority = _issue(directory)
    logs = directory / "logs"
    logs.mkdir()
    modules = Path("/usr/lib/apache2/modules")
    names = [*_APACHE_MODULES.split(), *(["auth_openidc"] if "OIDC" in sign_on else [])]
    with free_ports(2) as (port, plain_port):
        site = shipped(
            "apache.conf",
            {
                "unix:/run/conductor-front/http": f"unix:{server_socket}",
                "*:80>": f"127.0.0.1:{plain_port}>",
                "*:443>": f"127.0.0.1:{port}>",
                "/etc/ssl/certs/apps.example.org.pem": f"{directory}/site.pem",
                "/etc/ssl/private/apps.example.org.key": f"{directory}/site.key",
                "${APACHE_LOG_DIR}": str(logs),
                "    # With its port:": sign_on.replace("{port}", str(port)) + "\n    # With its port:",
            },
        )
        (directory / "apache.conf").write_text(
            "\n".join(
                [
                    f"ServerRoot {directory}",
                    *(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in names),
                    f"DefaultRuntimeDir {logs}",
                    f"PidFile {logs}/pid",
                    "ServerName localhost",
                    "ErrorLog /dev/stderr",
                    "LogLevel notice",
                    f"Mutex file:{logs} default",
                    'LogFormat "%h %u %t \\"%r\\" %>s" combined',
                    'LogFormat "%h %u %t \\"%r\\" %>s" common',
                    *([] if user is None else [f"User {user.name}", f"Group {user.name}"]),
                    "StartServers 1",
                    "GracefulShutdownTimeout 1",
                    f"Listen 127.0.0.1:{plain_port}",
                    f"Listen 127.0.0.1:{port}",
                    site,
                ]
            )
        )
        command: list[str | Path] = [apache, "-D", "FOREGROUND", "-d", directory, "-f", directory / "apache.conf"]
        async with open_program(command) as program:
            await program.err.wait_line(lambda line: "resuming normal operations" in line)
            yield FrontProxy(
                program=program, port=port, plain_port=plain_port, directory=directory, authority=authority
            )
    logged = "".join(path.read_text() for path in logs.glob("*.log"))
    assert "secret" not in logged + program.err.text


@asynccontextmanager
async def open_caddy(directory: Path, server_socket: Path, sign_on: str = "") -> AsyncIterator[FrontProxy]:
    """Run Caddy."""
    caddy = require_program("caddy")
    authority = _issue(directory)
    with free_ports(2) as (port, plain_port):
        site = shipped(
            "Caddyfile",
            {
                "unix//run/conductor-front/http": f"unix/{server_socket}",
                "	admin unix//var/lib/caddy/admin.sock\n": (
                    f"	admin off\n	http_port {plain_port}\n	https_port {port}\n	default_bind 127.0.0.1\n"
                ),
                "/etc/ssl/certs/apps.example.org.pem": f"{directory}/site.pem",
                "/etc/ssl/private/apps.example.org.key": f"{directory}/site.key",
                "	# There is no access log": f"{sign_on}\n	# There is no access log",
            },
        )
        (directory / "Caddyfile").write_text(site)
        command: list[str | Path] = [
            caddy, "run", "--adapter", "caddyfile", "--config", directory / "Caddyfile",
        ]  # fmt: skip
        environment = {"PATH": os.defpath, "HOME": str(directory), "XDG_DATA_HOME": str(directory)}
        async with open_program(command, environment=environment) as program:
            await program.err.wait_line(lambda line: "serving initial configuration" in line)
            yield FrontProxy(
                program=program, port=port, plain_port=plain_port, directory=directory, authority=authority
            )
    assert "secret" not in program.err.text


@attrs.define(eq=False)
class Front:
    """A front proxy and the engine behind it; `connections` counts those that it opened to the engine."""

    proxy: FrontProxy
    engine: Engine
    connections: int = 0

    async def serve(self, sock: socket.socket, address: str) -> None:
        """Serve one of them."""
        self.connections += 1
        await self.engine.serve_visitor(sock, address)


@asynccontextmanager
async def open_front(
    opener: Opener, directory: Path, alice: OriginHandler, bob: OriginHandler, sign_on: str = "", **settings: Any
) -> AsyncIterator[Front]:
    """Run a front proxy and the engine before the two applications, perhaps with a sign-on."""
    server_socket = directory / "http"
    # Many visitors come from one address here, with many wrong tokens.
    limits = ServerLimits(max_token_failures=10_000)
    async with (
        open_engine(directory, alice, limits=limits, **settings) as engine,
        open_origin(directory / "bob", bob) as bobs,
    ):
        with (
            engine.another_route(ALICE.host, engine.origin.path, ALICE.token, user=ALICE.name),
            engine.another_route(BOB.host, bobs.path, BOB.token),
            open_unix_listener(str(server_socket), 0o666) as listener,
        ):
            async with trio.open_nursery() as accepting:
                async with opener(directory, server_socket, sign_on) as proxy:
                    front = Front(proxy, engine)
                    accept = functools.partial(serve_connections, on_shortage=_give_up)
                    accepting.start_soon(accept, listener, front.serve, engine.nursery)
                    yield front
                accepting.cancel_scope.cancel()


def _give_up(shortage: OSError) -> None:
    raise shortage


@asynccontextmanager
async def open_sign_on() -> AsyncIterator[int]:
    """Run what stands for oauth2-proxy, and give its port: whoever shows its cookie is whom that names.

    Of those whose names begin with ``staff-`` it also says that they are of that group.
    """

    async def answer(stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += bytes(await stream.receive_some(4096))
        assert head.startswith(b"GET /oauth2/auth HTTP/")
        user = head.partition(b"_oauth2_proxy=")[2].partition(b";")[0]
        status = b"202 Accepted\r\nX-Auth-Request-User: " + user if user else b"401 Unauthorized"
        if user.startswith(b"staff-"):
            status += b"\r\nX-Auth-Request-Groups: staff, dev"
        await stream.send_all(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        serve = functools.partial(trio.serve_tcp, answer, 0, host="127.0.0.1")
        [listener] = await nursery.start(serve)
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()
