"""The options that several commands of ``conductor-trio`` have, and those of a job."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TypeVar

from conductor_trio.commandline.quantities import parse_time
from conductor_trio.commandline.table import Argument, FirstWords, Kind, Option, Words
from conductor_trio.errors import ConfigError

_T = TypeVar("_T")


def _parse_port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"there is no port {text!r}; give one from 1 to 65535, or 0")
    return int(text)


def _parse_memory(text: str) -> str:
    from conductor_trio.client.config.submit import check_memory  # with TOML, which `--help` does not need

    return _checked(check_memory, text)


def _parse_scheduler(text: str) -> str:
    from conductor_trio.client.config.submit import check_scheduler

    return _checked(check_scheduler, text)


def _parse_count(text: str) -> int:
    from conductor_trio.client.config.submit import check_count

    return _checked(check_count, text)


def _checked(check: Callable[[str], _T], text: str) -> _T:
    try:
        return check(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


VERBOSE = Option(flags=("-v", "--verbose"), field="verbose", help="log more, on standard error")
OWNERS_JSON = Option(flags=("--json",), field="json", help="write lines of JSON")
OPTIONAL_SERVER = Argument(
    field="server", metavar="SERVER", help="the gateway, unless the configuration names it", values=Kind.HOST
)
KEYS = FirstWords("conductor-trio ls --keys")
KEY_OF_SESSION = Argument(
    field="key",
    metavar="KEY",
    help="the session's key; `conductor-trio ls` shows those of yours",
    values=KEYS,
    is_required=True,
)
RECIPE_NAMES = FirstWords("conductor-trio recipes")

KEY = Option(
    flags=("-k", "--key"), field="key", metavar="KEY", help="name in the address; the server's choice if not given"
)
REPLACE = Option(
    flags=("-r", "--replace"),
    field="replace",
    help="take KEY over from another session of yours, and end whoever listens on LOCAL_SOCKET first",
)
REPLACE_OF_RUN = Option(
    flags=("-r", "--replace"), field="replace", help="take KEY over from another session of yours"
)
NO_RECIPE = Option(
    flags=("--no-recipe",),
    field="no_recipe",
    help="start COMMAND as it is, though a recipe knows it; with LOCAL_SOCKET it always is",
)
SOCKET_USER = Option(
    flags=("--socket-user",),
    field="socket_user",
    metavar="USER",
    help="whom to take for the application, too, in a LOCAL_SOCKET's directory that others may write to",
)
JSON = Option(
    flags=("--json",),
    field="json",
    help="write events as lines of JSON, on a terminal, too",
    is_negatable=True,
)
TEXT = Option(
    flags=("--text",),
    field="text",
    help="write lines for people, where standard output is no terminal, too, such as a job's log",
)
LINK_FILE = Option(
    flags=("--link-file",),
    field="link_file",
    metavar="FILE",
    values=Kind.FILE,
    help="keep the link in this file, which only you can read, while visitors can use it",
)
OPEN = Option(
    flags=("--open",),
    field="open",
    help="open the link in a browser, where there is a display",
    is_negatable=True,
)
QR = Option(flags=("--qr",), field="qr", help="draw the link as a QR code", is_negatable=True)
TCP = Option(
    flags=("--tcp",),
    field="tcp",
    metavar="PORT",
    parse=_parse_port,
    help="the application listens on this TCP port, in a network of its own; 0 chooses one, for {port}",
)
TCP_SHARED = Option(
    flags=("--tcp-shared",),
    field="tcp_shared",
    help="accept that every user of this host can connect to that port",
    is_negatable=True,
)
IDLE = Option(
    flags=("--idle",),
    field="idle",
    metavar="TIME",
    parse=parse_time,
    help="end the application when nobody has used it for that long, such as 2h",
    is_negatable=True,
)
BUSY = Option(
    flags=("--busy",),
    field="busy",
    metavar="COMMAND",
    values=Kind.PROGRAM,
    help="with --idle, ask this shell's command first; exit status 0 is a veto, and it is asked again later",
    is_negatable=True,
)
TOKEN_FILE = Option(
    flags=("--token-file",),
    field="token_file",
    metavar="FILE",
    values=Kind.FILE,
    help="the token is the one line of this file, instead of $CONDUCTOR_TOKEN",
)
STARTING = (
    JSON,
    TEXT,
    LINK_FILE,
    OPEN,
    QR,
    TCP,
    TCP_SHARED,
    IDLE,
    BUSY,
    TOKEN_FILE,
    VERBOSE,
)

#: What a job is to have, and the configuration may say.
RESOURCES = (
    Option(
        flags=("--scheduler",),
        field="scheduler",
        metavar="NAME",
        values=Words(("slurm", "pbs")),
        parse=_parse_scheduler,
        help="the batch system, slurm or pbs, where both are here",
    ),
    Option(
        flags=("--time",),
        field="time",
        metavar="TIME",
        parse=parse_time,
        help="how long the job may take, such as 4h",
    ),
    Option(flags=("--gpus",), field="gpus", metavar="NUMBER", parse=_parse_count, help="GPUs"),
    Option(flags=("--cpus",), field="cpus", metavar="NUMBER", parse=_parse_count, help="processors"),
    Option(flags=("--memory",), field="memory", metavar="SIZE", parse=_parse_memory, help="memory, such as 16G"),
    Option(flags=("--partition",), field="partition", metavar="NAME", help="the partition, in PBS the queue"),
    Option(flags=("--account",), field="account", metavar="NAME", help="whose account pays"),
    Option(
        flags=("--directory",),
        field="directory",
        metavar="DIRECTORY",
        values=Kind.DIRECTORY,
        help="where jobs keep link and log, unless in ~/.local/state; compute nodes must see it, too",
    ),
)
