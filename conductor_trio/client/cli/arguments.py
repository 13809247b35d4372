"""The command line's three forms, and what the configuration adds to them.

::

    [OPTION]… SERVER LOCAL_SOCKET [--] COMMAND [ARG]…    the contract's: nothing but its arguments counts
    [OPTION]… [SERVER] -- COMMAND [ARG]…                 placeholders, recipes, configuration
    run [OPTION]… RECIPE [ARG]…                          the same, by a recipe's name
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from conductor_trio import __version__
from conductor_trio.client.config.address import check_local_socket, parse_server
from conductor_trio.client.config.durations import parse_duration
from conductor_trio.client.config.placeholders import find_placeholders
from conductor_trio.client.config.recipes import (
    Launch,
    find_recipe,
    launch_command,
    launch_recipe,
)
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.errors import ConfigError
from conductor_trio.limits import DEFAULT_CONTROL_SOCKET

if TYPE_CHECKING:
    from conductor_trio.client.config.files import Config

PROGRAM = "conductor-trio"
TOKEN_VARIABLE = "CONDUCTOR_TOKEN"  # noqa: S105

_TOKEN_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"  # noqa: S105
_TOKEN_LENGTH = 32  # 165 bits; fits a cookie and a URL without quoting

_RUN = "run"
# Options whose value is the next word, alone or at the end of short ones that are written together.
_TAKES_VALUE = re.compile(r"--key|--tcp|--server|--idle|--busy|-[rvVh]*[ks]")


def parse_arguments(argv: Sequence[str], *, is_terminal: bool = False) -> ClientSettings:
    """Return what a command line says; wrong usage raises SystemExit(2), as argparse does, or `ConfigError`.

    The token is taken out of the environment, so that no child inherits it.
    """
    token = _take_token()
    if argv[:1] == [_RUN]:
        return _parse_run(argv[1:], token, is_terminal=is_terminal)
    end = _find_command(argv)
    if end is None:
        return _parse_contract(argv, token, is_terminal=is_terminal)
    return _parse_short(argv[:end], argv[end + 1 :], token, is_terminal=is_terminal)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the contract's form, whose help explains all of them."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [OPTION]... [SERVER] -- COMMAND [ARG]...\n"
        f"       {PROGRAM} [OPTION]... SERVER LOCAL_SOCKET [--] COMMAND [ARG]...\n"
        f"       {PROGRAM} run [OPTION]... RECIPE [ARG]...\n"
        f"       {PROGRAM} recipes [NAME]\n"
        f"       {PROGRAM} ls | stop KEY | share KEY | doctor   [SERVER]",
        description="Start a web application, and give it a private address on a gateway that you reach by SSH.",
        epilog="Without LOCAL_SOCKET, {socket}, {port}, {key}, {host} and {url} in COMMAND are replaced, and a "
        "COMMAND that a recipe knows, such as jupyter lab, is told all that it must know. Where standard output "
        "is no terminal, events are lines of JSON. "
        f"The visitors' token is ${TOKEN_VARIABLE}, or a fresh random one. "
        "Exit status: 0 ended as asked, 1 failed, 2 LOCAL_SOCKET in use or wrong usage; an application that ends "
        "by itself passes on its own.",
        allow_abbrev=False,
    )
    _add_options(parser)
    parser.add_argument(
        "server",
        metavar="SERVER",
        help=f"[user@]host[:port][/path/of/control/socket] (path: {DEFAULT_CONTROL_SOCKET}), or a control socket "
        "on this host, beginning with '/' or '.'",
    )
    parser.add_argument("local_socket", metavar="LOCAL_SOCKET", help="where the application will listen")
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="starts the application")
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    def add_switch(name: str, help_: str) -> None:
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=help_)

    parser.add_argument("-k", "--key", metavar="KEY", help="name in the address; the server's choice if not given")
    parser.add_argument(
        "-r",
        "--replace",
        action="store_true",
        help="end whoever listens on LOCAL_SOCKET first, and take KEY over from another session of yours",
    )
    add_switch("json", "write events as lines of JSON, on a terminal, too")
    add_switch("open", "open the link in a browser, where there is a display")
    add_switch("qr", "draw the link as a QR code")
    parser.add_argument(
        "--tcp",
        metavar="PORT",
        type=_parse_port,
        help="the application listens on this TCP port, in a network of its own; 0 chooses one, for {port}",
    )
    add_switch("tcp-shared", "accept that every user of this host can connect to that port")
    parser.add_argument(
        "--no-recipe", action="store_true", help="start COMMAND as it is, though a recipe knows it"
    )
    parser.add_argument(
        "--idle", metavar="TIME", type=parse_time, help="end the application when nobody has used it for 2h, say"
    )
    parser.add_argument(
        "--busy",
        metavar="COMMAND",
        help="ask this shell's command first, with --idle; exit status 0 is a veto, and it is asked again later",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {__version__}")


def _find_command(argv: Sequence[str]) -> int | None:
    """Return where the ``--`` stands that ends the short form's words; None where it is the contract's form."""
    words = 0
    places = iter(range(len(argv)))
    for place in places:
        word = argv[place]
        if word == "--":
            return place
        if _TAKES_VALUE.fullmatch(word):
            next(places, None)
        elif not word.startswith("-") or word == "-":
            words += 1
        if words == 2:
            return None
    return None


def _parse_contract(argv: Sequence[str], token: str, *, is_terminal: bool) -> ClientSettings:
    parser = build_parser()
    given = parser.parse_args(argv)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        parser.error(
            "the COMMAND that starts the application is missing; without a LOCAL_SOCKET, '--' stands before it"
        )
    local_socket = check_local_socket(given.local_socket)
    launch = _settle_port(Launch(command=tuple(command)), given.tcp, is_told=False)
    return _make_settings(given, None, launch, token, local_socket, is_terminal=is_terminal)


def _parse_short(words: Sequence[str], command: Sequence[str], token: str, *, is_terminal: bool) -> ClientSettings:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, usage=f"{PROGRAM} [OPTION]... [SERVER] -- COMMAND [ARG]...", allow_abbrev=False
    )
    _add_options(parser)
    parser.add_argument("server", nargs="?")
    given = parser.parse_args(words)
    if not command:
        parser.error("the COMMAND that starts the application is missing")
    config = _load_config()
    launch = launch_command(command, {} if given.no_recipe else config.recipes)
    if given.tcp is not None and launch.listen == "unix":
        launch = Launch(command=tuple(command))  # which a recipe would have listen on the socket
    launch = _settle_port(launch, given.tcp)
    return _make_settings(given, config, launch, token, None, is_terminal=is_terminal)


def _parse_run(argv: Sequence[str], token: str, *, is_terminal: bool) -> ClientSettings:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {_RUN}",
        usage="%(prog)s [OPTION]... RECIPE [ARG]...",
        description=f"Start the application of a recipe; `{PROGRAM} recipes` lists them.",
        allow_abbrev=False,
    )
    _add_options(parser)
    parser.add_argument("-s", "--server", metavar="SERVER", help="the gateway, unless the configuration names it")
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe's name")
    parser.add_argument("arguments", metavar="ARG", nargs=argparse.REMAINDER, help="for the application")
    given = parser.parse_args(argv)
    arguments = given.arguments[1:] if given.arguments[:1] == ["--"] else given.arguments
    config = _load_config()
    launch = _settle_port(launch_recipe(find_recipe(given.recipe, config.recipes), arguments), given.tcp)
    return _make_settings(given, config, launch, token, None, is_terminal=is_terminal)


def _make_settings(
    given: argparse.Namespace,
    config: Config | None,
    launch: Launch,
    token: str,
    local_socket: str | None,
    *,
    is_terminal: bool,
) -> ClientSettings:
    def choose(option: str) -> bool:
        said = getattr(given, option)
        return bool(getattr(config, option, None) if said is None else said)

    if given.busy is not None and given.idle is None:
        raise ConfigError("--busy says whether --idle may end the application", advice="give both")
    server = given.server or (config.server if config else None)
    if server is None:
        raise ConfigError(
            "no SERVER: name the gateway before --, with run by -s, or once and for all in "
            '~/.config/conductor-trio/config.toml: server = "gw.example.org"'
        )
    return ClientSettings(
        server=parse_server(server),
        local_socket=local_socket,
        launch=launch,
        token=token,
        key=given.key or (config.key if config else None) or None,
        replace=given.replace,
        verbose=given.verbose,
        has_display=is_terminal and not choose("json"),
        show_qr=choose("qr"),
        open_browser=choose("open"),
        tcp_shared=choose("tcp_shared"),
        idle=given.idle,
        busy=given.busy,
    )


def _load_config() -> Config:
    # Imported only now: TOML and its checks take 10 ms, and the contract's form needs neither.
    from conductor_trio.client.config.files import load_config

    return load_config(os.environ)


def _settle_port(launch: Launch, tcp: int | None, *, is_told: bool = True) -> Launch:
    """Return the launch with the port that the user names, or speaks of; raises `ConfigError`.

    `is_told` is whether the application can be told its port at all.
    """
    texts = [*launch.command, *launch.environment.values()] if is_told else []
    used = find_placeholders(texts)
    if tcp is None and launch.listen == "unix" and "port" not in used:
        return launch
    if "socket" in used:
        raise ConfigError("an application listens on {socket} or on a TCP port", advice="leave out one of them")
    port = launch.port if tcp is None else tcp
    if port == 0 and "port" not in used:
        raise ConfigError(
            "--tcp 0 chooses a port, which COMMAND has to be told: write {port} there, without LOCAL_SOCKET"
        )
    return attrs.evolve(launch, listen="tcp", port=port)


def _parse_port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"there is no port {text!r}; give one from 1 to 65535, or 0")
    return int(text)


def parse_time(text: str) -> float:
    """Return the seconds that an option says."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _take_token() -> str:
    token = os.environ.pop(TOKEN_VARIABLE, "")
    try:
        token.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"${TOKEN_VARIABLE} is not UTF-8") from None
    return token or _make_token()


def _make_token() -> str:
    import secrets  # 5 ms that most who script the client do not need

    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(_TOKEN_LENGTH))
