"""The one table of the server's settings: options of its command line, and keys of its file."""

from __future__ import annotations

from conductor_trio.commandline.table import Kind as Completed
from conductor_trio.configuration.settings import Count, Path, Port, Seconds, Section, Setting, Switch, Text, Texts
from conductor_trio.limits.constants import DEFAULT_PORT, DEFAULT_RUNTIME_DIR
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.cli.dashboard_settings import DASHBOARD
from conductor_trio.server.cli.sign_on_settings import SIGN_ON
from conductor_trio.server.cli.site import SITE
from conductor_trio.server.cli.values import (
    LogTarget,
    MetricsAddress,
    Workers,
    normalize_log_format,
    normalize_metrics,
    normalize_origin,
    normalize_user_or_group,
)
from conductor_trio.server.orders.networks import parse_network

_LIMITS = ServerLimits()
QUOTAS = "quotas"


def _count(flags: str, field: str, what: str, *, least: int = 1) -> Setting:
    """Return the setting for a field of `ServerLimits` that counts something."""
    default = getattr(_LIMITS, field)
    return Setting(
        flags=tuple(flags.split()),
        field=field,
        metavar="N",
        kind=Count(what=what, least=least),
        default=default,
        help=f"{what} (default {default})",
        group=QUOTAS,
    )


def _seconds(flags: str, field: str, what: str, group: str = "") -> Setting:
    """Return the setting for a field of `ServerLimits` that is a time."""
    default = getattr(_LIMITS, field)
    return Setting(
        flags=tuple(flags.split()),
        field=field,
        metavar="SECONDS",
        kind=Seconds(),
        default=default,
        help=f"{what} (default {default:g})",
        group=group,
    )


GRACE = _seconds("--grace", "grace_timeout", "how long running requests may go on at the end")
#: The fields of `ServerLimits` that the operator can set.
LIMITS = (
    GRACE,
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
        group=QUOTAS,
    ),
)

RUNTIME_DIR = Setting(
    flags=("-r", "--runtime-dir"),
    field="runtime_dir",
    metavar="RUNTIME_DIR",
    kind=Path(completed=Completed.DIRECTORY),
    default=DEFAULT_RUNTIME_DIR,
    help=f"directory of the control socket and the relay sockets (default {DEFAULT_RUNTIME_DIR})",
    more="A reload leaves it as it is: another one needs a restart.",
)
_WHERE = (
    Setting(
        flags=("-p", "--port"),
        field="port",
        metavar="PORT",
        kind=Port(),
        default=DEFAULT_PORT,
        help=f"listen on this TCP port (default {DEFAULT_PORT})",
        more="Sockets that the service manager hands on take the place of port, host and socket.",
    ),
    Setting(
        flags=("-s", "--socket", "--sock"),
        field="socket",
        metavar="SOCKET",
        kind=Path(),
        help="listen on this UNIX socket instead, of mode 0660; for a front proxy",
        example='"/run/conductor-front/http"',
    ),
    Setting(
        flags=("--host",),
        field="host",
        metavar="HOST",
        kind=Text(may_be_empty=True),
        default="127.0.0.1",
        help="address for -p (default 127.0.0.1; '' for all)",
    ),
    RUNTIME_DIR,
    Setting(
        flags=("-d", "--domain"),
        field="patterns",
        metavar="PATTERN",
        kind=Texts(),
        default=(),
        help="host names to give, such as {key}-{user}.apps.example.org; may be given several times "
        "(default {key}-{user}.localhost:PORT)",
        example='["{key}-{user}.apps.example.org"]',
    ),
)
_TLS = (
    Setting(
        flags=("--ssl-cert-file",),
        field="ssl_cert_file",
        metavar="F",
        kind=Path(),
        help="certificate, with its chain, for TLS",
        example='"/etc/conductor-trio/cert.pem"',
    ),
    Setting(
        flags=("--ssl-key-file",),
        field="ssl_key_file",
        metavar="F",
        kind=Path(),
        help="its private key",
        example='"/etc/conductor-trio/key.pem"',
    ),
    Setting(
        flags=("--ssl-allowed-clients",),
        field="ssl_allowed_clients",
        metavar="F",
        kind=Path(),
        help="CA file: let in only visitors whose certificate it verifies",
        example='"/etc/conductor-trio/visitors-ca.pem"',
    ),
)
_TRUST = (
    Setting(
        flags=("--trusted-proxy",),
        field="trusted_proxies",
        metavar="NETWORK",
        kind=Texts(normalize=parse_network),
        default=(),
        help="front proxy whose X-Forwarded-* fields are believed; a UNIX socket's peers always are",
        example='["127.0.0.1"]',
    ),
    Setting(
        flags=("--allow-origin",),
        field="allowed_origins",
        metavar="ORIGIN",
        kind=Texts(normalize=normalize_origin),
        default=(),
        help="further origin whose pages may use the applications, such as https://portal.example.org",
        example='["https://portal.example.org"]',
    ),
)
_OBSERVED = (
    Setting(
        flags=("--status-from",),
        field="status_from",
        metavar="NETWORK",
        kind=Texts(normalize=parse_network),
        default=(),
        help="who may see /_conductor/status; may be given several times (default everybody)",
        example='["10.0.0.0/8"]',
    ),
    Setting(
        flags=("--metrics",),
        field="metrics",
        metavar="ADDRESS",
        kind=MetricsAddress(normalize=normalize_metrics),
        help="serve metrics for Prometheus on this loopback address, such as 127.0.0.1:9091, or UNIX socket",
        example='"127.0.0.1:9091"',
    ),
    Setting(
        flags=("--access-log",),
        field="access_log",
        metavar="FILE",
        kind=LogTarget(),
        help="write a line for each request to FILE, or with `journal` there; SIGUSR1 opens files anew",
        example='"/var/log/conductor-trio/access.log"',
    ),
    Setting(
        flags=("--access-log-format",),
        field="access_log_format",
        metavar="FORMAT",
        kind=Text(normalize=normalize_log_format),
        default="json",
        help="json or combined (default json)",
    ),
    Setting(
        flags=("--audit-log",),
        field="audit_log",
        metavar="FILE",
        kind=LogTarget(),
        help="write who had sessions, shares and visitors to FILE, or with `journal` there",
        example='"journal"',
    ),
)
_ADMIN_GROUP = Setting(
    flags=("--admin-group",),
    field="admin_group",
    metavar="GROUP",
    kind=Text(),
    help="let members of this group give the operator's commands, beside root and the server's own user",
    example='"conductor-admin"',
)
_WORKERS = Setting(
    flags=("--workers",),
    field="workers",
    metavar="N",
    kind=Workers(),
    default=1,
    help=Workers.help,
    more=Workers.more,
)
_VERBOSE = Setting(
    flags=("-v", "--verbose"), field="verbose", kind=Switch(), default=False, help="log more, as JSON"
)
_USERS = (
    Setting(
        field="allow",
        kind=Texts(normalize=normalize_user_or_group),
        help="the users, and with @ the groups, who may have sessions; everybody, unless it is said",
        example='["@staff", "alice"]',
    ),
    Setting(
        field="deny",
        kind=Texts(normalize=normalize_user_or_group),
        default=(),
        help="the users, and with @ the groups, who may have none",
        more="What is said of a user goes before what is said of groups, and of groups deny before allow. "
        "Sessions that are there when a reload denies their user go on until they end.",
        example='["@students"]',
    ),
)
_OWN = (
    Setting(
        field="max_sessions",
        kind=Count(what="sessions of one user at once"),
        help="sessions of one user at once, in the place of max_user_sessions",
        example="20",
    ),
    Setting(
        field="max_new_sessions",
        kind=Count(what="new sessions of one user within a minute"),
        help="new sessions of one user within a minute, in the place of max_user_new_sessions",
        example="60",
    ),
)

#: The settings with options, in the order in which help shows them.
_LAST = (_ADMIN_GROUP, *DASHBOARD, GRACE, _WORKERS, _VERBOSE)
_ROOT = (*_WHERE, *_TLS, *_TRUST, *_OBSERVED, *_LAST, *LIMITS[1:])
OPTION_SETTINGS = (*_WHERE, *_TLS, *_TRUST, *SIGN_ON, *_OBSERVED, *_LAST, *LIMITS[1:])

SECTIONS = (
    Section(settings=(*_ROOT, *_USERS)),
    Section(
        name="sso",
        settings=SIGN_ON,
        help="A single sign-on in a front proxy, which says who a visitor is; contrib/nginx-sso.conf is one.",
    ),
    SITE,
    Section(
        name="users",
        named="user",
        settings=_OWN,
        help="What holds for one user only, and goes before what is said of their groups.",
    ),
    Section(
        name="groups",
        named="group",
        settings=_OWN,
        help="What holds for each user of a group of this host; of several groups the largest number counts.",
    ),
)
