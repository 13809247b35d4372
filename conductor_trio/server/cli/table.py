"""The commands and options of ``conductor-trio-server``."""

from __future__ import annotations

import attrs

from conductor_trio.commandline.standard import COMPLETION_COMMAND, HELP_COMMAND
from conductor_trio.commandline.table import Command, Kind, Option, Program
from conductor_trio.interpreter import describe_interpreter
from conductor_trio.limits.constants import DEFAULT_PORT, DEFAULT_RUNTIME_DIR
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.cli.admin_table import ADMIN_COMMANDS

PROGRAM = "conductor-trio-server"
_LIMITS = ServerLimits()


@attrs.frozen(kw_only=True)
class Limit:
    """A limit that the operator can set: the option, and the least that makes sense."""

    option: Option
    what: str
    least: int


def _count(flags: str, field: str, what: str, *, least: int = 1) -> Limit:
    """Return the limit for a field of `ServerLimits` that counts something."""
    default = getattr(_LIMITS, field)
    option = Option(
        flags=tuple(flags.split()),
        field=field,
        metavar="N",
        parse=int,
        default=default,
        help=f"{what} (default {default})",
        group="quotas",
    )
    return Limit(option=option, what=f"how many {what} there may be", least=least)


def _seconds(flags: str, field: str, what: str, group: str = "") -> Limit:
    """Return the limit for a field of `ServerLimits` that is a time."""
    default = getattr(_LIMITS, field)
    option = Option(
        flags=tuple(flags.split()),
        field=field,
        metavar="SECONDS",
        parse=float,
        default=default,
        help=f"{what} (default {default:g})",
        group=group,
    )
    return Limit(option=option, what="a number of seconds", least=0)


_GRACE = _seconds("--grace", "grace_timeout", "how long running requests may go on at the end")
_QUOTAS = (
    _count("--max-sessions", "max_sessions", "sessions at once"),
    _count("--max-user-sessions", "max_user_sessions", "sessions of one user at once"),
    _count("--max-user-new-sessions", "max_user_new_sessions", "new sessions of one user within a minute"),
    _count("--max-visitors", "max_visitors", "visitors' connections at once"),
    _count("--max-address-visitors", "max_address_visitors", "visitors' connections from one address at once"),
    _count("--max-route-connections", "max_route_connections", "requests and tunnels of one session at once"),
    _count(
        "--max-route-held --max-route-parked",
        "max_route_parked",
        "requests that wait for one session whose link was lost",
        least=0,
    ),
    _seconds(
        "--lost-timeout --detached-timeout",
        "detached_timeout",
        "how long the name of a session is kept whose link was lost",
        group="quotas",
    ),
)
#: What the operator can set of `ServerLimits`.
LIMITS = (_GRACE, *_QUOTAS)

_WHERE = (
    Option(
        flags=("-p", "--port"),
        field="port",
        metavar="PORT",
        parse=int,
        help=f"listen on this TCP port (default {DEFAULT_PORT})",
    ),
    Option(
        flags=("-s", "--sock", "--socket"),
        field="socket",
        metavar="SOCKET",
        values=Kind.FILE,
        help="listen on this UNIX socket instead, of mode 0660; for a front proxy",
    ),
    Option(flags=("--host",), field="host", metavar="HOST", help="address for -p (default 127.0.0.1; '' for all)"),
    Option(
        flags=("-r", "--runtime-dir"),
        field="runtime_dir",
        metavar="RUNTIME_DIR",
        values=Kind.DIRECTORY,
        default=DEFAULT_RUNTIME_DIR,
        help=f"directory of the control socket and the relay sockets (default {DEFAULT_RUNTIME_DIR})",
    ),
    Option(
        flags=("-d", "--domain"),
        field="patterns",
        metavar="PATTERN",
        is_repeatable=True,
        help="host names to give, such as {key}-{user}.apps.example.org; may be given several times "
        "(default {key}-{user}.localhost:PORT)",
    ),
)
_TLS = (
    Option(
        flags=("--ssl-cert-file",),
        field="ssl_cert_file",
        metavar="F",
        values=Kind.FILE,
        help="certificate, with its chain, for TLS",
    ),
    Option(flags=("--ssl-key-file",), field="ssl_key_file", metavar="F", values=Kind.FILE, help="its private key"),
    Option(
        flags=("--ssl-allowed-clients",),
        field="ssl_allowed_clients",
        metavar="F",
        values=Kind.FILE,
        help="CA file: let in only visitors whose certificate it verifies",
    ),
)
_TRUST = (
    Option(
        flags=("--trusted-proxy",),
        field="trusted_proxies",
        metavar="NETWORK",
        is_repeatable=True,
        help="front proxy whose X-Forwarded-* fields are believed; a UNIX socket's peers always are",
    ),
    Option(
        flags=("--allow-origin",),
        field="allowed_origins",
        metavar="ORIGIN",
        is_repeatable=True,
        help="further origin whose pages may use the applications, such as https://portal.example.org",
    ),
)
_ADMIN_GROUP = Option(
    flags=("--admin-group",),
    field="admin_group",
    metavar="GROUP",
    help="let members of this group give the operator's commands, beside root and the server's own user",
)
_TAKE_OVER = Option(
    flags=("--take-over",),
    field="take_over",
    help="take the place of the server that runs on RUNTIME_DIR, if one does, without a pause",
)
_CHECK = Option(flags=("--check",), field="check", help=f"the same as `{PROGRAM} check`")
_VERBOSE = Option(flags=("-v", "--verbose"), field="verbose", help="log more, as JSON")
_OPTIONS = (*_WHERE, *_TLS, *_TRUST, _GRACE.option, _ADMIN_GROUP, _TAKE_OVER, _VERBOSE)
_QUOTA_OPTIONS = tuple(quota.option for quota in _QUOTAS)

SERVE = Command(
    name="",
    summary="serve, until SIGTERM or SIGINT",
    forms=(
        "[-p PORT | -s SOCKET] [--host HOST] [-r RUNTIME_DIR] [-d PATTERN]... [-v]\n"
        "           [--ssl-cert-file F --ssl-key-file F [--ssl-allowed-clients F]] [OPTION]...",
    ),
    options=(*_OPTIONS, _CHECK, *_QUOTA_OPTIONS),
)
CHECK = Command(
    name="check",
    summary="look at what the server needs on this host, and do nothing else",
    description="Look at what the server needs on this host, and change nothing: directories, groups, host names, "
    "certificates, sockets, limits and, as root, the settings of sshd. Give it the options of the server's own "
    "command line, which is looked at as a whole. Exit status 1: something keeps the server from its work.",
    forms=("[OPTION OF THE SERVER]...",),
    options=(*_OPTIONS, *_QUOTA_OPTIONS),
)

SERVER = Program(
    name=PROGRAM,
    version_note=f" ({describe_interpreter()})",
    description="Give applications of a cluster's users web addresses; see conductor-trio for their side. Without "
    "a command, serve.",
    default=SERVE,
    commands=(*ADMIN_COMMANDS, CHECK, COMPLETION_COMMAND, HELP_COMMAND),
)
