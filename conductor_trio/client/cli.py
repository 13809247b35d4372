"""``conductor-trio``: the command line, the log, the exit status."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from conductor_trio import __version__
from conductor_trio.client.settings import ClientSettings, check_local_socket, parse_server
from conductor_trio.config import DEFAULT_CONTROL_SOCKET
from conductor_trio.errors import ConfigError

TOKEN_VARIABLE = "CONDUCTOR_TOKEN"  # noqa: S105
_TOKEN_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"  # noqa: S105
_TOKEN_LENGTH = 32  # 165 bits; fits a cookie and a URL without quoting

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the client and return its exit status; wrong usage raises SystemExit(2), as argparse does."""
    _fill_standard_descriptors()
    settings = parse_arguments(sys.argv[1:] if argv is None else argv)
    _configure_log(verbose=settings.verbose)
    # Imported only now: `import trio` takes 80 ms, `--help` and wrong usage 50 ms without it.
    import trio

    from conductor_trio.client.run import run_client

    try:
        return trio.run(run_client, settings)
    except KeyboardInterrupt:  # before the signal watcher stood, so nothing had been started
        return 0
    except BaseExceptionGroup as group:
        _log_bug(group)
        return 1
    except Exception as error:
        _log_bug(error)
        return 1


def parse_arguments(argv: Sequence[str]) -> ClientSettings:
    """Check the command line; takes the token out of the environment, so that no child inherits it."""
    parser = _build_parser()
    given = parser.parse_args(argv)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        parser.error("the COMMAND that starts the application is missing")
    token = os.environ.pop(TOKEN_VARIABLE, "") or _make_token()
    try:
        token.encode()
    except UnicodeEncodeError:
        _refuse(parser, f"${TOKEN_VARIABLE} is not UTF-8")
    try:
        return ClientSettings(
            server=parse_server(given.server),
            local_socket=check_local_socket(given.local_socket),
            command=tuple(command),
            token=token,
            key=given.key or None,
            replace=given.replace,
            verbose=given.verbose,
        )
    except ConfigError as error:
        _refuse(parser, str(error))


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conductor-trio",
        usage="%(prog)s [-k KEY] [-r] [-v] SERVER LOCAL_SOCKET [--] COMMAND [ARG]...",
        description="Start a web application that listens on a UNIX socket, and give it a private address on a "
        "gateway that you reach by SSH. Events are JSON lines on standard output, logs go to standard error.",
        epilog=f"The visitors' token is ${TOKEN_VARIABLE}, or a fresh random one. Exit status: 0 ended as asked, "
        "1 failed, 2 LOCAL_SOCKET in use or wrong usage; an application that ends by itself passes on its own.",
        allow_abbrev=False,
    )
    parser.add_argument("-k", "--key", metavar="KEY", help="name in the address; the server's choice if not given")
    parser.add_argument(
        "-r",
        "--replace",
        action="store_true",
        help="end whoever listens on LOCAL_SOCKET first, and take KEY over from another session of yours",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument(
        "server",
        metavar="SERVER",
        help=f"[user@]host[:port][/path/of/control/socket] (path: {DEFAULT_CONTROL_SOCKET}), or a control socket "
        "on this host, beginning with '/' or '.'",
    )
    parser.add_argument("local_socket", metavar="LOCAL_SOCKET", help="where the application will listen")
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="starts the application")
    return parser


def _refuse(parser: argparse.ArgumentParser, reason: str) -> NoReturn:
    """Exit with one line: what argparse's error() puts before it does not help with a wrong value."""
    parser.exit(2, f"{parser.prog}: {reason}\n")


def _make_token() -> str:
    import secrets  # 5 ms that most who script the client do not need

    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(_TOKEN_LENGTH))


def _fill_standard_descriptors() -> None:
    """Descriptors 0 to 2 are open, so that nothing that we open later becomes standard output by accident."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _configure_log(*, verbose: bool) -> None:
    # Standard error may be a pipe whose reader is gone; that must not reach the user as a traceback.
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s conductor-trio %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])


def _log_bug(error: BaseException) -> None:
    with contextlib.suppress(OSError):
        _log.critical("this is a bug, please report it: %r", error)
        _log.debug("traceback", exc_info=error)
