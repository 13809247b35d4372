"""The server's command line, checked: frozen values."""

from __future__ import annotations

import attrs

from conductor_trio.limits.constants import DEFAULT_PORT
from conductor_trio.limits.server import ServerLimits


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
    verbose: bool = False
    take_over: bool = False
    admin_group: str | None = None
    limits: ServerLimits = attrs.field(factory=ServerLimits)
