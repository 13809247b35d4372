"""The commands and options of ``conductor-trio-server``."""

from __future__ import annotations

from conductor_trio.commandline.standard import COMPLETION_COMMAND, FILES_COMMAND, HELP_COMMAND
from conductor_trio.commandline.table import Command, Option, Program, Shipped, shipped_for_shells
from conductor_trio.interpreter import describe_interpreter
from conductor_trio.server.cli.admin_table import ADMIN_COMMANDS, CONFIG_OPTION, WHERE
from conductor_trio.server.cli.settings_table import OPTION_SETTINGS, QUOTAS

PROGRAM = "conductor-trio-server"
_TAKE_OVER = Option(
    flags=("--take-over",),
    field="take_over",
    help="take the place of the server that runs on RUNTIME_DIR, if one does, without a pause",
)
_CHECK = Option(flags=("--check",), field="check", help=f"the same as `{PROGRAM} check`")
_JSON = Option(flags=("--json",), field="json", help="write one object of JSON")
_SAID = tuple(setting.option for setting in OPTION_SETTINGS)
_SETTINGS = (CONFIG_OPTION, *(option for option in _SAID if option.group != QUOTAS))
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
    options=WHERE,
)

_UNITS = f"{PROGRAM}.service", f"{PROGRAM}.socket", "conductor-trio-control.socket"
_EXAMPLES = f"share/doc/{PROGRAM}/examples"
FILES = (
    Shipped(f"man/{PROGRAM}.8", f"share/man/man8/{PROGRAM}.8"),
    *shipped_for_shells(PROGRAM),
    *(Shipped(unit, f"lib/systemd/system/{unit}") for unit in _UNITS),
    Shipped(f"sysusers.d/{PROGRAM}.conf", f"lib/sysusers.d/{PROGRAM}.conf"),
    Shipped(f"tmpfiles.d/{PROGRAM}.conf", f"lib/tmpfiles.d/{PROGRAM}.conf"),
    *(
        Shipped(source, f"{_EXAMPLES}/{source}")
        for source in (
            "server.toml",
            "sshd_config.d/conductor-trio.conf",
            "nginx.conf",
            "nginx-sso.conf",
            "apache.conf",
            "apache-sso.conf",
            "Caddyfile",
            "Caddyfile-sso",
            "logrotate/conductor-trio",
            "prometheus/conductor-trio.rules.yml",
            "prometheus/conductor-trio-metrics.socket",
            "prometheus/conductor-trio-metrics.service",
            "grafana/conductor-trio.json",
        )
    ),
)

SERVER = Program(
    name=PROGRAM,
    version_note=f" ({describe_interpreter()})",
    description="Give applications of a cluster's users web addresses; see conductor-trio for their side. Without "
    "a command, serve.",
    default=SERVE,
    commands=(*ADMIN_COMMANDS, CHECK, CONFIG, RELOAD, COMPLETION_COMMAND, FILES_COMMAND, HELP_COMMAND),
    files=FILES,
)
