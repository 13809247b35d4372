"""What the options of the server mean."""

from __future__ import annotations

import argparse
import ipaddress
import os

import attrs

from conductor_trio.access.origins import format_origin, parse_origin
from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import DEFAULT_PORT
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.cli.table import LIMITS
from conductor_trio.server.settings import ServerSettings, TlsSettings


def read_settings(args: argparse.Namespace) -> ServerSettings:
    """Return the settings that the options of `SERVE` or `CHECK` say; raises `ConfigError`."""
    if args.socket is not None and (args.port is not None or args.host is not None):
        raise ConfigError("-s listens on a UNIX socket and -p or --host on a TCP port", advice="give one of them")
    port = DEFAULT_PORT if args.port is None else args.port
    if not 0 <= port < 65536:
        raise ConfigError(f"port {port} is no TCP port (1 to 65535)")
    # Port 0 is one of the kernel's choice, which no URL can name before it is bound.
    default_pattern = "{key}-{user}.localhost" + (f":{port}" if args.socket is None and port else "")
    return ServerSettings(
        runtime_dir=os.path.abspath(args.runtime_dir),
        patterns=tuple(args.patterns) or (default_pattern,),
        host="127.0.0.1" if args.host is None else args.host,
        port=None if args.socket is not None else port,
        socket=None if args.socket is None else os.path.abspath(args.socket),
        tls=_tls_settings(args),
        trusted_proxies=tuple(_network(text) for text in args.trusted_proxies),
        allowed_origins=tuple(_origin(text) for text in args.allowed_origins),
        verbose=args.verbose,
        take_over=args.take_over,
        admin_group=args.admin_group,
        limits=_limits(args),
    )


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ConfigError(f"--trusted-proxy: {error}") from error


def _origin(text: str) -> str:
    """Return an origin as browsers write it: one that is written otherwise would allow nothing."""
    origin = parse_origin(text.removesuffix("/").encode())
    if origin is None:
        raise ConfigError(
            f"--allow-origin: {text!r} is no origin",
            advice="write it as https://portal.example.org, without a path",
        )
    return format_origin(origin)


def _tls_settings(args: argparse.Namespace) -> TlsSettings | None:
    if args.ssl_cert_file is None and args.ssl_key_file is None:
        if args.ssl_allowed_clients is not None:
            raise ConfigError("--ssl-allowed-clients needs --ssl-cert-file and --ssl-key-file")
        return None
    if args.ssl_cert_file is None:
        raise ConfigError("--ssl-key-file needs --ssl-cert-file")
    if args.ssl_key_file is None:
        raise ConfigError("--ssl-cert-file needs --ssl-key-file")
    return TlsSettings(
        cert_file=args.ssl_cert_file, key_file=args.ssl_key_file, allowed_clients=args.ssl_allowed_clients
    )


def _limits(args: argparse.Namespace) -> ServerLimits:
    values = {limit.option.field: getattr(args, limit.option.field) for limit in LIMITS}
    for limit in LIMITS:
        if not values[limit.option.field] >= limit.least:
            raise ConfigError(f"{limit.option.flags[0]} is {limit.what}, {limit.least} or more")
    return attrs.evolve(ServerLimits(), **values)
