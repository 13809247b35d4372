"""Each proxy as a gateway for one application on a UNIX socket: one worker, streaming, connections kept.

Caddy uses all cores, as it cannot be told otherwise without slowing it down in other ways; the table says so.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import quote

import attrs

from scripts.bench.machine import (
    LOOPBACK,
    REPOSITORY,
    BenchError,
    find_program,
    free_port,
    is_listening,
    open_process,
    wait_until,
)
from scripts.bench.sessions import TOKEN, LocalSession

KEY = "bench"
PATTERN = "{key}-{user}.localhost"
HOST = f"{KEY}-peer.localhost"  # what is sent to those who have no host names of their own


@attrs.frozen(kw_only=True)
class Certificate:
    """Files for TLS: the chain, its key, and both in one, as HAProxy wants them."""

    chain: Path
    key: Path
    both: Path


@attrs.frozen(kw_only=True)
class Site:
    """What a proxy is to be: where its files lie, and the application behind it."""

    directory: Path
    upstream: Path
    upstream_port: int | None = None  # the same application on loopback, where it has that
    certificate: Certificate | None = None
    port: int = attrs.field(factory=free_port)

    @property
    def log(self) -> Path:
        """What the proxy says."""
        return self.directory / "log"


@attrs.frozen(kw_only=True)
class Peer:
    """A running proxy, or the application itself where `pid` is None."""

    name: str
    address: int | Path
    host: str = HOST
    pid: int | None = None
    warm_up: float = 0.0  # seconds of work before its figures count


@attrs.frozen(kw_only=True)
class Kind:
    """One of the programs that are compared."""

    name: str
    title: str
    programs: tuple[str, ...]  # the first is the one whose version counts
    version: tuple[str, ...]
    open: Callable[[Site], AbstractContextManager[Peer]]
    needs_port: bool = False  # of the application


@contextlib.contextmanager
def _open(name: str, site: Site, command: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[Peer]:
    program = find_program(command[0])
    if program is None:
        raise BenchError(f"there is no {command[0]} here")
    with open_process([program, *command[1:]], site.log, env) as process:
        wait_until(lambda: is_listening(site.port), process, site.log, name)
        yield Peer(name=name, address=site.port, pid=process.pid)


# nginx

NGINX_HEAD = """
daemon off; pid {directory}/pid; error_log stderr warn; worker_processes 1; worker_rlimit_nofile 65536;
{user}
events {{ worker_connections 16384; }}
"""
_NGINX_HTTP = """
http {
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
    client_body_temp_path %(directory)s/body; proxy_temp_path %(directory)s/proxy;
    fastcgi_temp_path %(directory)s/f; uwsgi_temp_path %(directory)s/u; scgi_temp_path %(directory)s/s;
    upstream application { server unix:%(upstream)s; keepalive 64; keepalive_requests 1000000000; }
    map $http_upgrade $kept { default upgrade; "" ""; }
    server {
        listen 127.0.0.1:%(port)d %(tls)s;
        %(certificate)s
        client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1;
        proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $kept; proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        location / { proxy_pass http://application; }
    }
}
"""


def nginx_head(directory: Path) -> str:
    """Return the part of nginx's configuration that is outside http {}."""
    # As root its workers would run as somebody who cannot open our sockets.
    return NGINX_HEAD.format(directory=directory, user="user root;" if os.geteuid() == 0 else "")


def nginx_command(directory: Path, configuration: str) -> list[str]:
    """Write nginx's configuration and return its command."""
    path = directory / "nginx.conf"
    path.write_text(configuration)
    return ["nginx", "-e", "stderr", "-p", str(directory), "-c", str(path)]


def open_nginx(site: Site) -> AbstractContextManager[Peer]:
    """Run nginx, as contrib/nginx.conf has it."""
    certificate = site.certificate
    files = f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};" if certificate else ""
    configuration = nginx_head(site.directory) + _NGINX_HTTP % {
        "directory": site.directory,
        "upstream": site.upstream,
        "port": site.port,
        "tls": "ssl" if certificate else "",
        "certificate": files,
    }
    return _open("nginx", site, nginx_command(site.directory, configuration))


# HAProxy

_HAPROXY = """
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout tunnel 600s
    option forwardfor
    http-reuse always
frontend visitors
    bind {loopback}:{port} {tls}
    default_backend application
backend application
    server application unix@{upstream}
"""


def open_haproxy(site: Site) -> AbstractContextManager[Peer]:
    """Run HAProxy with one thread."""
    path = site.directory / "haproxy.cfg"
    tls = f"ssl crt {site.certificate.both}" if site.certificate else ""
    path.write_text(_HAPROXY.format(loopback=LOOPBACK, port=site.port, tls=tls, upstream=site.upstream))
    return _open("haproxy", site, ["haproxy", "-db", "-q", "-f", str(path)])


# Caddy

_CADDY = """
{{
    admin off
    auto_https off
    default_sni localhost
}}
{scheme}://:{port} {{
    bind {loopback}
    {tls}
    reverse_proxy unix/{upstream} {{
        flush_interval -1
        transport http {{
            keepalive_idle_conns_per_host 64
        }}
    }}
}}
"""


def open_caddy(site: Site) -> AbstractContextManager[Peer]:
    """Run Caddy, which uses all cores."""
    certificate = site.certificate
    text = _CADDY.format(
        scheme="https" if certificate else "http",
        port=site.port,
        loopback=LOOPBACK,
        tls=f"tls {certificate.chain} {certificate.key}" if certificate else "",
        upstream=site.upstream,
    )
    path = site.directory / "Caddyfile"
    path.write_text(text)
    home = str(site.directory)
    environment = {**os.environ, "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
    return _open("caddy", site, ["caddy", "run", "--adapter", "caddyfile", "--config", str(path)], environment)


# configurable-http-proxy


def open_chp(site: Site) -> AbstractContextManager[Peer]:
    """Run JupyterHub's proxy in front of the UNIX socket; it makes a connection to it for each request."""
    return _open_chp("chp", site, f"unix+http://{quote(str(site.upstream), safe='')}")


def open_chp_tcp(site: Site) -> AbstractContextManager[Peer]:
    """Run JupyterHub's proxy in front of the same application on a loopback port; it keeps connections."""
    return _open_chp("chp-tcp", site, f"http://{LOOPBACK}:{site.upstream_port}")


def _open_chp(name: str, site: Site, target: str) -> AbstractContextManager[Peer]:
    command = ["configurable-http-proxy", "--ip", LOOPBACK, "--port", str(site.port), "--log-level", "error"]
    command += ["--api-ip", LOOPBACK, "--api-port", str(free_port()), "--default-target", target]
    if site.certificate:
        command += ["--ssl-cert", str(site.certificate.chain), "--ssl-key", str(site.certificate.key)]
    return _open(name, site, command, {**os.environ, "CONFIGPROXY_AUTH_TOKEN": TOKEN, "NODE_ENV": "production"})


# conductor


def own_program(name: str) -> str:
    """Return the path of one of our own commands."""
    return str(Path(sys.executable).with_name(name))


def control_socket(site: Site) -> Path:
    """Return where the gateway of that site takes on clients."""
    return site.directory / "r" / "client"


@contextlib.contextmanager
def open_gateway(name: str, site: Site, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a gateway that listens for visitors and for clients."""
    control_socket(site).parent.mkdir()
    with open_process(command, site.log) as process:
        wait_until(lambda: is_listening(site.port) and is_listening(control_socket(site)), process, site.log, name)
        yield process


def ours_command(site: Site, program: str | None = None) -> list[str]:
    """Return the command that runs this project's server at a site, or another installation of it."""
    command = [program or own_program("conductor-trio-server"), "-p", str(site.port), "-d", PATTERN]
    command += ["-r", str(control_socket(site).parent)]
    if site.certificate:
        command += ["--ssl-cert-file", str(site.certificate.chain), "--ssl-key-file", str(site.certificate.key)]
    return command


def original_command(template: str, site: Site) -> list[str]:
    """Return the command that runs the original's server: `template` with {runtime} and {port} filled in."""
    values = {"{runtime}": str(control_socket(site).parent), "{port}": str(site.port)}
    words = shlex.split(template)
    for placeholder, value in values.items():
        words = [word.replace(placeholder, value) for word in words]
    if site.certificate:
        words += ["--ssl-cert-file", str(site.certificate.chain), "--ssl-key-file", str(site.certificate.key)]
    return words


@contextlib.contextmanager
def open_registered(name: str, site: Site, command: Sequence[str], warm_up: float = 0.0) -> Iterator[Peer]:
    """Run a gateway with the application registered at it."""
    with (
        open_gateway(name, site, command) as process,
        LocalSession(control_socket(site), site.upstream, KEY) as session,
    ):
        yield Peer(name=name, address=site.port, host=session.host, pid=process.pid, warm_up=warm_up)


PYPY_SERVER = str(REPOSITORY / ".pypy/bin/conductor-trio-server")
PYPY_WARM_UP = 10.0

OURS = Kind(
    name="ours",
    title="conductor-trio",
    programs=(own_program("conductor-trio-server"),),
    version=("--version",),
    open=lambda site: open_registered("ours", site, ours_command(site)),
)


def original_kind(template: str) -> Kind:
    """Return the original program as a peer."""
    return Kind(
        name="original",
        title="original",
        programs=(shlex.split(template)[0],),
        version=(),
        open=lambda site: open_registered("original", site, original_command(template, site)),
    )


#: The same server, on PyPy where there is one (scripts/pypy.sh).
OURS_ON_PYPY = Kind(
    name="pypy",
    title="conductor-trio (PyPy)",
    programs=(PYPY_SERVER,),
    version=(),
    open=lambda site: open_registered("pypy", site, ours_command(site, PYPY_SERVER), PYPY_WARM_UP),
)

_CHP = ("configurable-http-proxy", "node")
PEERS = (
    OURS_ON_PYPY,
    Kind(name="chp", title="CHP", programs=_CHP, version=("--version",), open=open_chp),
    Kind(
        name="chp-tcp",
        title="CHP (TCP)",
        programs=_CHP,
        version=("--version",),
        open=open_chp_tcp,
        needs_port=True,
    ),
    Kind(name="caddy", title="Caddy (all cores)", programs=("caddy",), version=("version",), open=open_caddy),
    Kind(name="haproxy", title="HAProxy", programs=("haproxy",), version=("-v",), open=open_haproxy),
    Kind(name="nginx", title="nginx", programs=("nginx",), version=("-v",), open=open_nginx),
)
