"""The operator's commands of ``conductor-trio-server``, which a running server carries out."""

from __future__ import annotations

from conductor_trio.commandline.quantities import parse_time
from conductor_trio.commandline.table import Argument, Command, Kind, Option
from conductor_trio.server.cli.settings_table import RUNTIME_DIR

#: The file that is read where ``--config`` names none, if it is there.
DEFAULT_FILE = "/etc/conductor-trio/server.toml"
CONFIG_OPTION = Option(
    flags=("--config",),
    field="config",
    metavar="FILE",
    values=Kind.FILE,
    help=f"the file with the settings, over which options win (default {DEFAULT_FILE}, if it is there)",
)
#: By which a running server is found.
WHERE = (CONFIG_OPTION, RUNTIME_DIR.option)
_JSON = Option(flags=("--json",), field="json", help="write JSON, one object a line, for programs")
_USER = Option(flags=("--user",), field="user", metavar="USER", help="the sessions of this user")
_REASON = Option(
    flags=("--reason",), field="reason", metavar="TEXT", default="", help="what those whom it concerns are told"
)
_SHARED = (_JSON, *WHERE)
_FORMS = "[--json] [--config FILE] [-r RUNTIME_DIR]"

_HOST = Argument(field="host", metavar="HOST", help="host name of a session, as in its address")
_TARGET = Argument(field="target", metavar="USER|NETWORK", help="a user's name, an address, or a network")
_NEEDED_TARGET = Argument(
    field="target", metavar="USER|NETWORK", help="a user's name, an address, or a network", is_required=True
)

LS = Command(
    name="ls",
    summary="list the sessions",
    forms=(f"[--user USER] {_FORMS}",),
    options=(_USER, *_SHARED),
)
SHOW = Command(
    name="show",
    summary="tell all that is known of a session",
    forms=(f"HOST {_FORMS}",),
    options=_SHARED,
    arguments=(Argument(field="host", metavar="HOST", help=_HOST.help, is_required=True),),
)
END = Command(
    name="end",
    summary="end sessions, and tell their owners why",
    description="End a session, those of a user, or all. The clients are told, with the reason, and end their "
    "applications; what they have not ended after 15 s, the server ends. A session whose link is lost ends when "
    "its client comes back. Whoever is to stay away is to be blocked, too.",
    forms=(f"HOST|--user USER|--all [--reason TEXT] {_FORMS}",),
    options=(_USER, Option(flags=("--all",), field="all", help="all sessions"), _REASON, *_SHARED),
    arguments=(_HOST,),
)
BLOCK = Command(
    name="block",
    summary="keep a user or a network out, or show who is kept out",
    description="Keep a user or a network out, or, without one, show who is. No new session of a blocked user "
    "is taken; those that run go on, and come back when their link is lost or the server is upgraded: `end` "
    "ends them. Visitors of a blocked network are refused, and what they have under way is cut. A block "
    "outlasts upgrades and restarts.",
    forms=(f"[USER|NETWORK [--for TIME] [--reason TEXT]] {_FORMS}",),
    options=(
        Option(
            flags=("--for",),
            field="seconds",
            metavar="TIME",
            parse=parse_time,
            help="how long, such as 30m, 8h or 2d (until `unblock` unless given)",
        ),
        Option(
            flags=("--reason",), field="reason", metavar="TEXT", default="", help="what a blocked user is told"
        ),
        *_SHARED,
    ),
    arguments=(_TARGET,),
)
UNBLOCK = Command(
    name="unblock",
    summary="keep a user or a network out no longer",
    forms=(f"USER|NETWORK {_FORMS}",),
    options=_SHARED,
    arguments=(_NEEDED_TARGET,),
)
DRAIN = Command(
    name="drain",
    summary="take no new sessions until told otherwise",
    description="Take no new sessions, and tell all clients so. Those that run go on, and come back when their "
    "link is lost. A drain outlasts upgrades and restarts, until --end.",
    forms=(f"[--end] [--reason TEXT] {_FORMS}",),
    options=(Option(flags=("--end",), field="end", help="take new sessions again"), _REASON, *_SHARED),
)
ANNOUNCE = Command(
    name="announce",
    summary="have everybody read a text, or show which",
    description="Show a text on every page of the server's own and have every client print it once, those that "
    "come later, too, until --clear. Without TEXT, print what is announced.",
    forms=(f"[TEXT|--clear] {_FORMS}",),
    options=(Option(flags=("--clear",), field="clear", help="announce nothing any more"), *_SHARED),
    arguments=(Argument(field="text", metavar="TEXT", help="one line, as one word of the shell's"),),
)
TOP = Command(
    name="top",
    summary="watch who uses what",
    description="Show, every two seconds until Ctrl-C, what each user's sessions use: the processor of the "
    "server, visitors' requests and tunnels, bytes a second, memory held, and whether they have to wait since "
    "others want something, too.",
    forms=(f"[--once] {_FORMS}",),
    options=(Option(flags=("--once",), field="once", help="show it once, for one second"), *_SHARED),
)

LINKS = Command(
    name="links",
    summary="print a link to the dashboard, show who was let in, or revoke",
    description="Print a link that opens the operator's dashboard (`--admin-host`) in one browser, once, within "
    "ten minutes, for twelve hours. What is done there is in the audit log under the name of who has asked for "
    "the link. With --list, show the links that were not used and who was let in; with --revoke, end all of "
    "them, or those of a user.",
    forms=(f"[--list | --revoke [--user USER]] {_FORMS}",),
    options=(
        Option(flags=("--list",), field="list", help="show the links and who was let in"),
        Option(flags=("--revoke",), field="revoke", help="end them, and close the dashboards that are open"),
        Option(flags=("--user",), field="user", metavar="USER", help="those of this user only"),
        *_SHARED,
    ),
)

#: All of them.
ADMIN_COMMANDS = (LS, SHOW, END, BLOCK, UNBLOCK, DRAIN, ANNOUNCE, TOP, LINKS)
