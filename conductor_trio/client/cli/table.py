"""The commands and options of ``conductor-trio``."""

from __future__ import annotations

import argparse
import re

from conductor_trio.commandline.quantities import parse_duration
from conductor_trio.commandline.standard import COMPLETION_COMMAND, HELP_COMMAND
from conductor_trio.commandline.table import Argument, Command, FirstWords, Kind, Option, Program
from conductor_trio.limits.constants import DEFAULT_CONTROL_SOCKET

PROGRAM = "conductor-trio"
TOKEN_VARIABLE = "CONDUCTOR_TOKEN"  # noqa: S105


def _parse_port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"there is no port {text!r}; give one from 1 to 65535, or 0")
    return int(text)


def _parse_time(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


_VERBOSE = Option(flags=("-v", "--verbose"), field="verbose", help="log more, on standard error")
_OWNERS_JSON = Option(flags=("--json",), field="json", help="write lines of JSON")
_OPTIONAL_SERVER = Argument(
    field="server", metavar="SERVER", help="the gateway, unless the configuration names it", values=Kind.HOST
)
_KEY_OF_SESSION = Argument(
    field="key",
    metavar="KEY",
    help=f"the session's key; `{PROGRAM} ls` shows those of yours",
    is_required=True,
)
_RECIPES = FirstWords(f"{PROGRAM} recipes")

_KEY = Option(
    flags=("-k", "--key"), field="key", metavar="KEY", help="name in the address; the server's choice if not given"
)
_REPLACE = Option(
    flags=("-r", "--replace"),
    field="replace",
    help="take KEY over from another session of yours, and end whoever listens on LOCAL_SOCKET first",
)
_REPLACE_OF_RUN = Option(
    flags=("-r", "--replace"), field="replace", help="take KEY over from another session of yours"
)
_NO_RECIPE = Option(
    flags=("--no-recipe",),
    field="no_recipe",
    help="start COMMAND as it is, though a recipe knows it; with LOCAL_SOCKET it always is",
)
_SOCKET_USER = Option(
    flags=("--socket-user",),
    field="socket_user",
    metavar="USER",
    help="whom to take for the application, too, in a LOCAL_SOCKET's directory that others may write to",
)
_STARTING = (
    Option(
        flags=("--json",),
        field="json",
        help="write events as lines of JSON, on a terminal, too",
        is_negatable=True,
    ),
    Option(
        flags=("--open",),
        field="open",
        help="open the link in a browser, where there is a display",
        is_negatable=True,
    ),
    Option(flags=("--qr",), field="qr", help="draw the link as a QR code", is_negatable=True),
    Option(
        flags=("--tcp",),
        field="tcp",
        metavar="PORT",
        parse=_parse_port,
        help="the application listens on this TCP port, in a network of its own; 0 chooses one, for {port}",
    ),
    Option(
        flags=("--tcp-shared",),
        field="tcp_shared",
        help="accept that every user of this host can connect to that port",
        is_negatable=True,
    ),
    Option(
        flags=("--idle",),
        field="idle",
        metavar="TIME",
        parse=_parse_time,
        help="end the application when nobody has used it for that long, such as 2h",
        is_negatable=True,
    ),
    Option(
        flags=("--busy",),
        field="busy",
        metavar="COMMAND",
        values=Kind.PROGRAM,
        help="with --idle, ask this shell's command first; exit status 0 is a veto, and it is asked again later",
        is_negatable=True,
    ),
    Option(
        flags=("--token-file",),
        field="token_file",
        metavar="FILE",
        values=Kind.FILE,
        help="the token is the one line of this file, instead of $CONDUCTOR_TOKEN",
    ),
    _VERBOSE,
)

START = Command(
    name="",
    summary="start a web application and give it an address",
    forms=("[OPTION]... [SERVER] -- COMMAND [ARG]...", "[OPTION]... SERVER LOCAL_SOCKET [--] COMMAND [ARG]..."),
    options=(_KEY, _REPLACE, _NO_RECIPE, _SOCKET_USER, *_STARTING),
    arguments=(
        Argument(
            field="server",
            metavar="SERVER",
            help=f"[user@]host[:port][/path/of/control/socket] (path: {DEFAULT_CONTROL_SOCKET}), or a control "
            "socket on this host, beginning with '/' or '.'",
            values=Kind.HOST,
        ),
        Argument(
            field="local_socket",
            metavar="LOCAL_SOCKET",
            help="where the application will listen",
            values=Kind.FILE,
        ),
    ),
    tail=Argument(field="command", metavar="COMMAND", help="starts the application", values=Kind.PROGRAM),
)
RUN = Command(
    name="run",
    summary="start an application by the name of its recipe",
    description=f"Start the application of a recipe; `{PROGRAM} recipes` lists them. What follows RECIPE is for "
    "the application.",
    forms=("[OPTION]... RECIPE [ARG]...",),
    options=(
        _KEY,
        _REPLACE_OF_RUN,
        Option(
            flags=("-s", "--server"),
            field="server",
            metavar="SERVER",
            help="the gateway, unless the configuration names it",
            values=Kind.HOST,
        ),
        *_STARTING,
    ),
    arguments=(Argument(field="recipe", metavar="RECIPE", help="a recipe's name", values=_RECIPES),),
    tail=Argument(field="arguments", metavar="ARG", help="for the application", values=Kind.FILE),
)
LS = Command(
    name="ls",
    summary="list your sessions at a gateway, wherever they run",
    forms=("[OPTION]... [SERVER]",),
    options=(_OWNERS_JSON, _VERBOSE),
    arguments=(_OPTIONAL_SERVER,),
)
STOP = Command(
    name="stop",
    summary="end a session of yours from anywhere, its application included",
    forms=("[OPTION]... KEY [SERVER]",),
    options=(_OWNERS_JSON, _VERBOSE),
    arguments=(_KEY_OF_SESSION, _OPTIONAL_SERVER),
)
SHARE = Command(
    name="share",
    summary="make a further link to a session of yours, let people in by name, list such shares, or end one",
    description="Make a further link to a session of yours, which you can give away and revoke; it is shown only "
    "once. With --with, let people in who come by the gateway's single sign-on, and need no link. With --list or "
    "--revoke, list or end such shares instead.",
    forms=("[OPTION]... KEY [SERVER]", "--list [OPTION]... KEY [SERVER]", "--revoke ID [OPTION]... KEY [SERVER]"),
    options=(
        Option(
            flags=("--for",),
            field="seconds",
            metavar="TIME",
            parse=_parse_time,
            help="how long it is good, such as 8h or 2d",
        ),
        Option(
            flags=("--with",),
            field="grantees",
            metavar="USER",
            is_repeatable=True,
            help="whom to let in by the single sign-on, without a link: a user, or @GROUP; may be given again",
        ),
        Option(flags=("--label",), field="label", metavar="NAME", help="whom or what it is for"),
        Option(flags=("--once",), field="once", help="it opens one browser only"),
        Option(flags=("--list",), field="list", help="list the links that there are instead"),
        Option(
            flags=("--revoke",),
            field="revoke",
            metavar="ID",
            help="end the link of that id instead, and all that it let in",
        ),
        _OWNERS_JSON,
        _VERBOSE,
    ),
    arguments=(_KEY_OF_SESSION, _OPTIONAL_SERVER),
)
DOCTOR = Command(
    name="doctor",
    summary="try every hop on the way to a gateway and back, and say at the first that fails what to do",
    forms=("[OPTION]... [SERVER] [LOCAL_SOCKET]",),
    options=(_OWNERS_JSON, _VERBOSE),
    arguments=(
        _OPTIONAL_SERVER,
        Argument(
            field="local_socket",
            metavar="LOCAL_SOCKET",
            help="the socket of an application that already runs",
            values=Kind.FILE,
        ),
    ),
)
RECIPES = Command(
    name="recipes",
    summary="list the recipes, or show one as a file that you can change and keep as your own",
    forms=("[NAME]",),
    arguments=(Argument(field="name", metavar="NAME", help="a recipe's name", values=_RECIPES),),
)

CLIENT = Program(
    name=PROGRAM,
    description="Start a web application, and give it a private address on a gateway that you reach by SSH.",
    notes="Without LOCAL_SOCKET, {socket}, {port}, {key}, {host} and {url} in COMMAND are replaced, and a "
    "COMMAND that a recipe knows, such as jupyter lab, is told all that it must know. Where standard output "
    f"is no terminal, events are lines of JSON. The visitors' token is ${TOKEN_VARIABLE}, or a fresh random one. "
    "Exit status: 0 ended as asked, 1 failed, 2 LOCAL_SOCKET in use or wrong usage; an application that ends "
    "by itself passes on its own.",
    default=START,
    commands=(RUN, LS, STOP, SHARE, DOCTOR, RECIPES, COMPLETION_COMMAND, HELP_COMMAND),
)
