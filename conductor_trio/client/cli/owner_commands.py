"""The owner's commands: ``ls``, ``stop``, ``share`` and ``doctor``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from conductor_trio.client.cli.arguments import PROGRAM, parse_time
from conductor_trio.client.config.address import ServerAddress, check_local_socket, parse_server
from conductor_trio.errors import ConductorError, ConfigError

if TYPE_CHECKING:
    from conductor_trio.client.session.owner_client import OwnerClient

_FAILED = 1
_WRONG_USAGE = 2
_INTERRUPTED = 130  # as a shell counts SIGINT

_T = TypeVar("_T")


def run_command(word: str, arguments: Sequence[str]) -> int:
    """Carry a command out and return the exit status; wrong usage raises SystemExit(2) or `ConfigError`."""
    given = _PARSERS[word]().parse_intermixed_args(arguments)
    logging.raiseExceptions = False
    logging.basicConfig(level=logging.DEBUG if given.verbose else logging.ERROR, format=f"{PROGRAM}: %(message)s")
    run: Callable[[argparse.Namespace], int] = given.run
    try:
        return run(given)
    except ConfigError:
        raise
    except ConductorError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return _FAILED
    except BrokenPipeError:  # `ls | head`: whoever reads it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        return _INTERRUPTED


def _make_parser(word: str, what: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {word}", description=what, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="write lines of JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what happens on the way")
    parser.set_defaults(run=run)
    return parser


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", help=f"the session's key; `{PROGRAM} ls` shows those of yours")


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "server", metavar="SERVER", nargs="?", help="the gateway, unless the configuration names it"
    )


def _make_ls_parser() -> argparse.ArgumentParser:
    parser = _make_parser("ls", "List your sessions at a gateway, wherever they run.", _list)
    _add_server(parser)
    return parser


def _make_stop_parser() -> argparse.ArgumentParser:
    parser = _make_parser("stop", "End a session of yours from anywhere, its application included.", _stop)
    _add_key(parser)
    _add_server(parser)
    return parser


def _make_share_parser() -> argparse.ArgumentParser:
    parser = _make_parser(
        "share",
        "Make a further link to a session of yours, which you can give away and revoke. It is shown only once.",
        _share,
    )
    _add_key(parser)
    _add_server(parser)
    parser.add_argument(
        "--for", dest="seconds", metavar="TIME", type=parse_time, help="how long it is good, such as 8h or 2d"
    )
    parser.add_argument("--label", metavar="NAME", help="whom or what it is for")
    parser.add_argument("--once", action="store_true", help="it opens one browser only")
    parser.add_argument("--list", action="store_true", help="list the links that there are instead")
    parser.add_argument("--revoke", metavar="ID", help="end the link of that id instead, and all that it let in")
    return parser


def _make_doctor_parser() -> argparse.ArgumentParser:
    parser = _make_parser(
        "doctor",
        "Try every hop on the way to a gateway and back, and say at the first that fails what to do.",
        _examine,
    )
    _add_server(parser)
    parser.add_argument(
        "local_socket", metavar="LOCAL_SOCKET", nargs="?", help="the socket of an application that already runs"
    )
    return parser


_PARSERS = {
    "ls": _make_ls_parser,
    "stop": _make_stop_parser,
    "share": _make_share_parser,
    "doctor": _make_doctor_parser,
}


def _list(given: argparse.Namespace) -> int:
    from conductor_trio.client.session.listing import format_sessions

    sessions = _visit(_choose_server(given), lambda desk: desk.list_sessions())
    if given.json:
        _write("".join(json.dumps(session.raw) + "\n" for session in sessions))
    else:
        _write(format_sessions(sessions, time.time()))
    return 0


def _stop(given: argparse.Namespace) -> int:
    _visit(_choose_server(given), lambda desk: desk.stop(given.key))
    _write(json.dumps({"key": given.key, "state": "ended"}) + "\n" if given.json else f"{given.key} has ended.\n")
    return 0


def _share(given: argparse.Namespace) -> int:
    is_new = not given.list and given.revoke is None
    if (given.list and given.revoke is not None) or (
        not is_new and (given.seconds is not None or given.label is not None or given.once)
    ):
        raise ConfigError("--list and --revoke stand alone: --for, --label and --once are for a new link")
    server = _choose_server(given)
    if given.list:
        return _list_shares(given, server)
    if given.revoke is not None:
        return _revoke(given, server)
    return _make_share(given, server)


def _make_share(given: argparse.Namespace, server: ServerAddress) -> int:
    from conductor_trio.client.session.listing import describe_share

    made = _visit(
        server,
        lambda desk: desk.share(given.key, label=given.label or "", seconds=given.seconds, is_once=given.once),
    )
    if given.json:
        _write(json.dumps({"link": made.link, **made.share.raw}) + "\n")
    else:
        # The link alone on standard output, for whoever pipes it on.
        sys.stderr.write(describe_share(made.share, given.key) + "\n")
        _write(made.link + "\n")
    return 0


def _list_shares(given: argparse.Namespace, server: ServerAddress) -> int:
    from conductor_trio.client.session.listing import format_shares

    session = _visit(server, lambda desk: desk.find_session(given.key))
    if session is None:
        raise ConductorError(
            f"you have no session with the key {given.key!a}", advice=f"`{PROGRAM} ls` shows those you have"
        )
    if given.json:
        _write("".join(json.dumps(share.raw) + "\n" for share in session.shares))
    else:
        _write(format_shares(session.shares, time.time()))
    return 0


def _revoke(given: argparse.Namespace, server: ServerAddress) -> int:
    _visit(server, lambda desk: desk.revoke(given.key, given.revoke))
    said = json.dumps({"key": given.key, "id": given.revoke, "state": "revoked"})
    _write(said + "\n" if given.json else f"The link {given.revoke} to {given.key} is revoked.\n")
    return 0


def _examine(given: argparse.Namespace) -> int:
    import trio

    from conductor_trio.client.doctor.examination import examine
    from conductor_trio.client.doctor.findings import format_finding_json
    from conductor_trio.findings import format_finding

    form = format_finding_json if given.json else format_finding
    local_socket = None if given.local_socket is None else check_local_socket(given.local_socket)
    is_well = trio.run(examine, _choose_server(given), local_socket, lambda finding: _write(form(finding)))
    return 0 if is_well else _FAILED


def _visit(server: ServerAddress, converse: Callable[[OwnerClient], Awaitable[_T]]) -> _T:
    # Imported only now: `--help` and wrong usage need no trio.
    import trio

    from conductor_trio.client.session.owner_client import open_owner_client

    return trio.run(open_owner_client, server, converse)


def _choose_server(given: argparse.Namespace) -> ServerAddress:
    if given.server is not None:
        return parse_server(given.server)
    # Imported only now: TOML and its checks take 10 ms.
    from conductor_trio.client.config.files import load_config

    server = load_config(os.environ).server
    if server is None:
        raise ConfigError(
            "no SERVER: name the gateway at the end, or once and for all in "
            '~/.config/conductor-trio/config.toml: server = "gw.example.org"'
        )
    return parse_server(server)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
