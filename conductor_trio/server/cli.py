"""``conductor-trio-server``: the command line, and what becomes of the process."""

from __future__ import annotations

import argparse
import contextlib
import gc
import ipaddress
import os
import resource
import sys
from collections.abc import Sequence

import attrs

from conductor_trio import __version__
from conductor_trio.errors import ConfigError, StartError
from conductor_trio.findings import Status, format_finding
from conductor_trio.limits import DEFAULT_PORT, DEFAULT_RUNTIME_DIR, ServerLimits
from conductor_trio.server.settings import ServerSettings, TlsSettings

PROGRAM = "conductor-trio-server"


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Gives applications of a cluster's users web addresses; see conductor-trio for their side.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("-p", "--port", type=int, metavar="PORT", help=f"listen on this TCP port (default {DEFAULT_PORT})")
    add("-s", "--sock", "--socket", dest="socket", metavar="SOCKET", help="listen on this UNIX socket instead")
    add("--host", metavar="HOST", help="address for -p (default 127.0.0.1; '' for all)")
    add(
        "-r",
        "--runtime-dir",
        default=DEFAULT_RUNTIME_DIR,
        metavar="RUNTIME_DIR",
        help="directory of the control socket and the relay sockets (default %(default)s)",
    )
    add(
        "-d",
        "--domain",
        dest="patterns",
        action="append",
        default=[],
        metavar="PATTERN",
        help="host names to give, such as {key}-{user}.apps.example.org; may be given several times "
        "(default {key}-{user}.localhost:PORT)",
    )
    _add_tls_options(parser)
    _add_trust_options(parser)
    add(
        "--grace",
        type=float,
        metavar="SECONDS",
        default=ServerLimits().grace_timeout,
        help="how long running requests may go on at the end (default %(default)g)",
    )
    add(
        "--take-over",
        action="store_true",
        help="take the place of the server that runs on RUNTIME_DIR, if one does, without a pause",
    )
    add("--check", action="store_true", help="look at what the server needs on this host, and do nothing else")
    _add_quota_options(parser)
    add("-v", "--verbose", action="store_true", help="log more, as JSON")
    add("-V", "--version", action="version", version=f"%(prog)s {__version__}")
    return parser


#: Options, the fields of `ServerLimits` that they set, the least that makes sense, and what they count.
_QUOTAS = (
    ("--max-sessions", "max_sessions", 1, "sessions at once"),
    ("--max-user-sessions", "max_sessions_per_user", 1, "sessions of one user at once"),
    ("--max-user-new-sessions", "max_new_sessions", 1, "new sessions of one user within a minute"),
    ("--max-visitors", "max_visitors", 1, "visitors' connections at once"),
    ("--max-route-connections", "max_route_connections", 1, "requests and tunnels of one session at once"),
    ("--max-route-held", "max_parked_per_route", 0, "requests that wait for one session whose link was lost"),
)


def _add_quota_options(parser: argparse.ArgumentParser) -> None:
    quotas = parser.add_argument_group("quotas")
    for option, field, _, what in _QUOTAS:
        default = getattr(ServerLimits(), field)
        quotas.add_argument(
            option, dest=field, type=int, metavar="N", default=default, help=f"{what} (default %(default)d)"
        )
    quotas.add_argument(
        "--lost-timeout",
        type=float,
        metavar="SECONDS",
        default=ServerLimits().detached_timeout,
        help="how long the name of a session is kept whose link was lost (default %(default)g)",
    )


def _limits(args: argparse.Namespace) -> ServerLimits:
    for option, seconds in (("--grace", args.grace), ("--lost-timeout", args.lost_timeout)):
        if not seconds >= 0:
            raise ConfigError(f"{option} is a number of seconds, 0 or more")
    quotas = {field: getattr(args, field) for _, field, _, _ in _QUOTAS}
    for option, field, least, what in _QUOTAS:
        if quotas[field] < least:
            raise ConfigError(f"{option} is how many {what} there may be, {least} or more")
    return attrs.evolve(ServerLimits(), grace_timeout=args.grace, detached_timeout=args.lost_timeout, **quotas)


def _add_tls_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--ssl-cert-file", metavar="F", help="certificate (chain) for TLS")
    add("--ssl-key-file", metavar="F", help="its private key")
    add("--ssl-allowed-clients", metavar="F", help="CA file: let in only visitors whose certificate it verifies")


def _add_trust_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--trusted-proxy",
        dest="trusted_proxies",
        action="append",
        default=[],
        metavar="NETWORK",
        help="front proxy whose X-Forwarded-* fields are believed; a UNIX socket's peers always are",
    )
    add(
        "--allow-origin",
        dest="allowed_origins",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="further origin whose pages may send requests, such as https://portal.example.org",
    )


def parse_settings(argv: Sequence[str] | None) -> ServerSettings:
    """Return the settings of a command line; raises `ConfigError`, or SystemExit as argparse does."""
    args = _make_parser().parse_args(argv)
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
        allowed_origins=tuple(args.allowed_origins),
        verbose=args.verbose,
        take_over=args.take_over,
        check=args.check,
        limits=_limits(args),
    )


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ConfigError(f"--trusted-proxy: {error}") from error


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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server; returns the exit status: 0 ended as asked, 1 could not start, 2 wrong usage."""
    try:
        settings = parse_settings(argv)
        if settings.check:
            return _check(settings)
        # Imported only now, where Ctrl-C is ours to handle: it takes a quarter of a second.
        import trio

        from conductor_trio import log
        from conductor_trio.server.app import run_server

        _allow_many_files()
        _collect_less_often()
        log.configure(verbose=settings.verbose)
        trio.run(run_server, settings, log.get_logger())
    except ConfigError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except StartError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:  # before the signals were ours
        return 0
    return 0


def _check(settings: ServerSettings) -> int:
    """Tell what is found on this host; 1 where something keeps the server from its work."""
    from conductor_trio.server.check.host import check_host

    has_failed = False
    for finding in check_host(settings, os.environ):
        has_failed |= finding.status is Status.FAILED
        sys.stdout.write(format_finding(finding))
        sys.stdout.flush()
    return 1 if has_failed else 0


def _allow_many_files() -> None:
    """Open as many files as we may: the usual soft limit, 1024, is for programs that use select()."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a sandbox forbids it, and has set the limit that it wants
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _collect_less_often() -> None:
    """Have the cyclic garbage collector look after 10,000 new objects, not 700.

    A batch of requests makes 700, which all go by themselves when they are answered. Looking at them took 2 % of a
    request's time on a kept connection, and 7 % where it has a connection of its own. What exists before the first
    is kept out of all looks.
    """
    gc.freeze()
    gc.set_threshold(10_000)
