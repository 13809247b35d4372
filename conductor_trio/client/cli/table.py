"""The commands of ``conductor-trio``."""

from __future__ import annotations

from conductor_trio.client.cli.options import (
    BUSY,
    IDLE,
    KEY,
    KEY_OF_SESSION,
    KEYS,
    NO_RECIPE,
    OPTIONAL_SERVER,
    OWNERS_JSON,
    RECIPE_NAMES,
    REPLACE,
    REPLACE_OF_RUN,
    RESOURCES,
    SOCKET_USER,
    STARTING,
    TCP,
    TCP_SHARED,
    TOKEN_FILE,
    VERBOSE,
)
from conductor_trio.client.config.visitor_token import TOKEN_VARIABLE
from conductor_trio.commandline.quantities import parse_time
from conductor_trio.commandline.standard import COMPLETION_COMMAND, FILES_COMMAND, HELP_COMMAND
from conductor_trio.commandline.table import Argument, Command, Kind, Option, Program, Shipped, shipped_for_shells
from conductor_trio.limits.constants import DEFAULT_CONTROL_SOCKET

PROGRAM = "conductor-trio"

START = Command(
    name="",
    summary="start a web application and give it an address",
    forms=("[OPTION]... [SERVER] -- COMMAND [ARG]...", "[OPTION]... SERVER LOCAL_SOCKET [--] COMMAND [ARG]..."),
    options=(KEY, REPLACE, NO_RECIPE, SOCKET_USER, *STARTING),
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
        KEY,
        REPLACE_OF_RUN,
        Option(
            flags=("-s", "--server"),
            field="server",
            metavar="SERVER",
            help="the gateway, unless the configuration names it",
            values=Kind.HOST,
        ),
        *STARTING,
    ),
    arguments=(Argument(field="recipe", metavar="RECIPE", help="a recipe's name", values=RECIPE_NAMES),),
    tail=Argument(field="arguments", metavar="ARG", help="for the application", values=Kind.FILE),
)
SUBMIT = Command(
    name="submit",
    summary="start an application in a batch job of Slurm or PBS, wait for it and follow it",
    description="Hand a batch job in that starts the application and gives it an address; show the place in the "
    "queue, then the link and the log, until the job ends. It goes on without this command, after Ctrl-C, too. "
    "Words before a second -- are options of sbatch or qsub.",
    forms=(
        "[OPTION]... [SERVER] -- [SCHEDULER_OPTION]... [--] COMMAND [ARG]...",
        "--attach KEY",
    ),
    options=(
        *RESOURCES,
        Option(
            flags=("--attach",),
            field="attach",
            metavar="KEY",
            help="follow a job that was handed in before",
            values=KEYS,
        ),
        Option(flags=("--no-wait",), field="no_wait", help="only hand the job in"),
        Option(flags=("--dry-run",), field="dry_run", help="only show what would be handed in"),
        KEY,
        REPLACE_OF_RUN,
        NO_RECIPE,
        TCP,
        TCP_SHARED,
        IDLE,
        BUSY,
        TOKEN_FILE,
        VERBOSE,
    ),
    arguments=(OPTIONAL_SERVER,),
    tail=Argument(field="command", metavar="COMMAND", help="starts the application", values=Kind.PROGRAM),
)
SETUP = Command(
    name="setup",
    summary="make a key for compute nodes, install it at a gateway, and name that in your configuration",
    description="Make a key of its own, which may do nothing at the gateway but what a session needs; install it "
    "over a login that you make as with ssh; name the gateway in your configuration; and try the way. What is "
    "there already is kept, so that this can be run again.",
    forms=("[OPTION]... HOST",),
    options=(
        Option(flags=("--replace",), field="replace", help="name HOST in the place of another gateway"),
        VERBOSE,
    ),
    arguments=(
        Argument(
            field="server",
            metavar="HOST",
            help="the gateway, [user@]host[:port][/path/of/control/socket]",
            values=Kind.HOST,
            is_required=True,
        ),
    ),
)
LS = Command(
    name="ls",
    summary="list your sessions at a gateway, wherever they run",
    forms=("[OPTION]... [SERVER]",),
    options=(
        Option(
            flags=("--keys",), field="keys", help="only the key and the application of each, asking you nothing"
        ),
        OWNERS_JSON,
        VERBOSE,
    ),
    arguments=(OPTIONAL_SERVER,),
)
STOP = Command(
    name="stop",
    summary="end a session of yours from anywhere, its application included",
    forms=("[OPTION]... KEY [SERVER]",),
    options=(OWNERS_JSON, VERBOSE),
    arguments=(KEY_OF_SESSION, OPTIONAL_SERVER),
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
            parse=parse_time,
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
        OWNERS_JSON,
        VERBOSE,
    ),
    arguments=(KEY_OF_SESSION, OPTIONAL_SERVER),
)
DOCTOR = Command(
    name="doctor",
    summary="try every hop on the way to a gateway and back, and say at the first that fails what to do",
    forms=("[OPTION]... [SERVER] [LOCAL_SOCKET]",),
    options=(OWNERS_JSON, VERBOSE),
    arguments=(
        OPTIONAL_SERVER,
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
    arguments=(Argument(field="name", metavar="NAME", help="a recipe's name", values=RECIPE_NAMES),),
)

_EXAMPLES = f"share/doc/{PROGRAM}/examples"
FILES = (
    Shipped(f"man/{PROGRAM}.1", f"share/man/man1/{PROGRAM}.1"),
    *shipped_for_shells(PROGRAM),
    *(
        Shipped(source, f"{_EXAMPLES}/{source}")
        for source in ("busy-jupyter", "jobs/jupyter.pbs", "jobs/jupyter.slurm")
    ),
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
    commands=(
        RUN,
        SUBMIT,
        LS,
        STOP,
        SHARE,
        SETUP,
        DOCTOR,
        RECIPES,
        COMPLETION_COMMAND,
        FILES_COMMAND,
        HELP_COMMAND,
    ),
    files=FILES,
    elsewhere={
        "cancel": "stop",
        "end": "stop",
        "exec": "run",
        "kill": "stop",
        "login": "setup",
        "logs": "submit --attach",
        "ps": "ls",
        "revoke": "share --revoke",
        "sessions": "ls",
        "start": "run",
        "status": "ls",
        "test": "doctor",
        "unshare": "share --revoke",
    },
)
