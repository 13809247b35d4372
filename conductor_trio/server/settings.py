"""The server's command line, checked: frozen values."""

from __future__ import annotations

import attrs

from conductor_trio.limits.constants import DEFAULT_PORT
from conductor_trio.limits.server import ServerLimits

#: What stands in the place of a log's file.
JOURNAL = "journal"
#: How the access log may be written.
LOG_FORMATS = ("json", "combined")


@attrs.frozen(kw_only=True)
class TlsSettings:
    """Files for TLS on the public listener."""

    cert_file: str
    key_file: str
    allowed_clients: str | None = None


@attrs.frozen(kw_only=True)
class ServerSettings:
    """The server's command line, checked."""

    runtime_dir: str
    patterns: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int | None = DEFAULT_PORT
    socket: str | None = None
    tls: TlsSettings | None = None
    trusted_proxies: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    status_from: tuple[str, ...] = ()  #: networks; without any, everybody
    metrics: str | tuple[str, int] | None = None  #: a UNIX socket's path, or a host and a port
    access_log: str | None = None  #: a file's path, or `JOURNAL`
    access_log_format: str = "json"
    audit_log: str | None = None
    verbose: bool = False
    take_over: bool = False
    limits: ServerLimits = attrs.field(factory=ServerLimits)
