"""The commands and options of ``conductor-trio-server``."""

from __future__ import annotations

from conductor_trio.commandline.standard import COMPLETION_COMMAND, HELP_COMMAND
from conductor_trio.commandline.table import Command, Kind, Option, Program
from conductor_trio.interpreter import describe_interpreter
from conductor_trio.server.cli.settings_table import OPTION_SETTINGS, QUOTAS

PROGRAM = "conductor-trio-server"
#: The file that is read where ``--config`` names none, if it is there.
DEFAULT_FILE = "/etc/conductor-trio/server.toml"

_CONFIG = Option(
    flags=("--config",),
    field="config",
    metavar="FILE",
    values=Kind.FILE,
    help=f"the file with the settings, over which options win (default {DEFAULT_FILE}, if it is there)",
)
_OBSERVED = (
    Option(
        flags=("--status-from",),
        field="status_from",
        metavar="NETWORK",
        is_repeatable=True,
        help="who may see /_conductor/status; may be given several times (default everybody)",
    ),
    Option(
        flags=("--metrics",),
        field="metrics",
        metavar="ADDRESS",
        help="serve metrics for Prometheus on this loopback address, such as 127.0.0.1:9090, or UNIX socket",
    ),
    Option(
        flags=("--access-log",),
        field="access_log",
        metavar="FILE",
        values=Kind.FILE,
        help="write a line for each request to FILE, or with `journal` there; SIGUSR1 opens files anew",
    ),
    Option(
        flags=("--access-log-format",),
        field="access_log_format",
        metavar="FORMAT",
        default="json",
        help="json or combined (default json)",
    ),
    Option(
        flags=("--audit-log",),
        field="audit_log",
        metavar="FILE",
        values=Kind.FILE,
        help="write who had sessions, shares and visitors to FILE, or with `journal` there",
    ),
)
_TAKE_OVER = Option(
    flags=("--take-over",),
    field="take_over",
    help="take the place of the server that runs on RUNTIME_DIR, if one does, without a pause",
)
_CHECK = Option(flags=("--check",), field="check", help=f"the same as `{PROGRAM} check`")
_JSON = Option(flags=("--json",), field="json", help="write one object of JSON")
_SAID = tuple(setting.option for setting in OPTION_SETTINGS)
_SETTINGS = (_CONFIG, *(option for option in _SAID if option.group != QUOTAS))
_QUOTA_SETTINGS = tuple(option for option in _SAID if option.group == QUOTAS)

SERVE = Command(
    name="",
    summary="serve, until SIGTERM or SIGINT",
    forms=(
        "[--config FILE] [-p PORT | -s SOCKET] [--host HOST] [-r RUNTIME_DIR]\n"
        "           [-d PATTERN]... [-v] [--ssl-cert-file F --ssl-key-file F [--ssl-allowed-clients F]]\n"
        "           [OPTION]...",
    ),
    options=(*_SETTINGS, _TAKE_OVER, _CHECK, *_QUOTA_SETTINGS),
)
CHECK = Command(
    name="check",
    summary="look at what the server needs on this host, and do nothing else",
    description="Look at what the server needs on this host, and change nothing: the file with the settings, "
    "directories, groups, host names, certificates, sockets, limits and, as root, the settings of sshd. Give it "
    "the options of the server's own command line, which is looked at as a whole. Exit status 1: something keeps "
    "the server from its work.",
    forms=("[OPTION OF THE SERVER]...",),
    options=(*_SETTINGS, _TAKE_OVER, *_QUOTA_SETTINGS),
)
CONFIG = Command(
    name="config",
    summary="show the settings that are in force, and where each is said",
    description="Show what a server uses that is started now, by the file and these options, as a file with the "
    "place where each value is said: an option, a line of the file, or nowhere. Then tell whether the server that "
    "runs on RUNTIME_DIR, if one does, uses the same, which root and the server's user may know.",
    forms=("[--json] [OPTION OF THE SERVER]...",),
    options=(_JSON, *_SETTINGS, *_QUOTA_SETTINGS),
)
RELOAD = Command(
    name="reload",
    summary="have the running server apply its file, and tell what came of it",
    description="Have the server that runs on RUNTIME_DIR apply its file, and whatever version is installed now, "
    "without a failed request, and wait for what comes of it: what was applied, and what needs a restart. Exit "
    "status 1: it goes on as it was, and why; 2: since the file or its command line is wrong.",
    forms=("[--config FILE] [-r RUNTIME_DIR]",),
    options=(_CONFIG, *(option for option in _SAID if option.field == "runtime_dir")),
)

SERVER = Program(
    name=PROGRAM,
    version_note=f" ({describe_interpreter()})",
    description="Give applications of a cluster's users web addresses; see conductor-trio for their side. Without "
    "a command, serve.",
    default=SERVE,
    commands=(CHECK, CONFIG, RELOAD, COMPLETION_COMMAND, HELP_COMMAND),
)
