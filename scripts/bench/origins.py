"""The applications behind the proxies: nginx for pages and downloads, another for the rest."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

from scripts.bench.machine import (
    LOOPBACK,
    BenchError,
    find_program,
    free_port,
    is_listening,
    open_process,
    wait_until,
)
from scripts.bench.peers import nginx_command, nginx_head

PAGE = '{"page": "%s"}' % ("x" * 1011)  # 1 KiB, as a small answer of an application's interface
DOWNLOAD_PATH = "/download"

_HTTP = """
http {
    access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 600s;
    client_body_temp_path %(directory)s/body; proxy_temp_path %(directory)s/proxy;
    fastcgi_temp_path %(directory)s/f; uwsgi_temp_path %(directory)s/u; scgi_temp_path %(directory)s/s;
    server {
        listen unix:%(socket)s backlog=1024;
        listen %(loopback)s:%(port)d backlog=1024;
        default_type application/json;
        location / { return 200 '%(page)s'; }
        location = %(download)s { alias %(file)s; }
    }
}
"""


@attrs.frozen(kw_only=True)
class Origins:
    """Where the applications listen."""

    pages: Path
    pages_port: int  # the same application
    websocket: Path
    upload: Path
    slow: Path  # seconds until it answers


def pages_command(directory: Path, socket: Path, port: int, file: Path, head: str = "") -> list[str]:
    """Return the command of nginx with pages, and a file to download, on a socket and a loopback port.

    What it writes goes to `directory`; `head` is added to its configuration. Raises `BenchError` without nginx.
    """
    program = find_program("nginx")
    if program is None:
        raise BenchError("there is no nginx here, which is the application behind all proxies (make system)")
    values = {"directory": directory, "socket": socket, "loopback": LOOPBACK, "port": port}
    values |= {"page": PAGE, "download": DOWNLOAD_PATH, "file": file}
    return [program, *nginx_command(directory, nginx_head(directory) + head + _HTTP % values)[1:]]


@contextlib.contextmanager
def open_origins(directory: Path, download_size: int) -> Iterator[Origins]:
    """Run the applications; a download has that many bytes."""
    file = directory / "file"
    with file.open("wb") as content:
        content.truncate(download_size)  # a hole, which takes no room on the disk
    origins = Origins(
        pages=directory / "pages.sock",
        pages_port=free_port(),
        websocket=directory / "ws.sock",
        upload=directory / "up.sock",
        slow=directory / "slow.sock",
    )
    pages = pages_command(directory, origins.pages, origins.pages_port, file)
    streams = [
        sys.executable,
        "-m",
        "scripts.bench.streams",
        *map(str, (origins.websocket, origins.upload, origins.slow)),
    ]
    pages_log, streams_log = directory / "pages.log", directory / "streams.log"
    with open_process(pages, pages_log) as nginx, open_process(streams, streams_log) as other:
        wait_until(lambda: is_listening(origins.pages), nginx, pages_log, "the application")
        for path in (origins.websocket, origins.upload, origins.slow):
            wait_until(lambda: is_listening(path), other, streams_log, "the application for streams")  # noqa: B023
        for path in (origins.pages, origins.websocket, origins.upload, origins.slow):
            path.chmod(0o660)  # as a relay socket has to be
        yield origins
