"""What a command line that starts an application means, and what the configuration adds to it.

::

    [OPTION]… SERVER LOCAL_SOCKET [--] COMMAND [ARG]…    the contract's: nothing but its arguments counts
    [OPTION]… [SERVER] -- COMMAND [ARG]…                 placeholders, recipes, configuration
    run [OPTION]… RECIPE [ARG]…                          the same, by a recipe's name
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

import attrs

from conductor_trio.client.cli.table import CLIENT, PROGRAM, RUN
from conductor_trio.client.config.address import ServerAddress, check_local_socket, parse_server
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.placeholders import find_placeholders
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.config.visitor_token import take_token
from conductor_trio.commandline.parser import Invocation, suggest_command
from conductor_trio.errors import ConfigError

if TYPE_CHECKING:
    from conductor_trio.client.config.files import Config


def read_settings(invocation: Invocation, *, is_terminal: bool) -> ClientSettings:
    """Return what `START` or `RUN` says; wrong usage raises SystemExit(2) or `ConfigError`.

    The token is taken out of the environment, so that no child inherits it.
    """
    given = invocation.given
    token = take_token(given.token_file)
    config: Config | None = None
    local_socket: str | None = None
    if invocation.command is RUN:
        config = _load_config()
        launch = _launch_by_name(invocation, config)
    elif given.local_socket is not None:
        launch = _launch_as_it_is(invocation)
        local_socket = check_local_socket(given.local_socket)
    elif not invocation.tail:
        invocation.fail(_explain_no_command(invocation))
    else:
        config = _load_config()
        launch = _launch_by_command(invocation, config)
    _check_port_sharing(given, launch)
    if invocation.command is not RUN and given.socket_user and local_socket is None:
        invocation.fail("--socket-user is for a LOCAL_SOCKET; without one, nobody else can listen there")
    return _make_settings(given, config, launch, token, local_socket, is_terminal=is_terminal)


def _launch_as_it_is(invocation: Invocation) -> Launch:
    """Return how the contract's form starts its command."""
    if not invocation.tail:
        invocation.fail(_explain_no_command(invocation))
    if invocation.given.no_recipe:
        invocation.fail(
            "--no-recipe is for a COMMAND without LOCAL_SOCKET; with one, it is always started as it is"
        )
    return _settle_port(Launch(command=invocation.tail), invocation.given.tcp, is_told=False)


def _launch_by_command(invocation: Invocation, config: Config) -> Launch:
    from conductor_trio.client.config.recipes import launch_command

    given = invocation.given
    launch = launch_command(invocation.tail, {} if given.no_recipe else config.recipes)
    if given.tcp is not None and launch.listen == "unix":
        launch = Launch(command=invocation.tail)  # which a recipe would have listen on the socket
    return _settle_port(launch, given.tcp)


def _launch_by_name(invocation: Invocation, config: Config) -> Launch:
    from conductor_trio.client.config.recipes import find_recipe, launch_recipe

    words = invocation.tail
    if invocation.given.recipe is not None:
        words = (invocation.given.recipe, *words)  # unless it stands behind a -- that ends the options
    name, *arguments = words or ("",)
    if not name:
        invocation.fail(f"the name of the RECIPE is missing; `{PROGRAM} recipes` lists them")
    return _settle_port(launch_recipe(find_recipe(name, config.recipes), arguments), invocation.given.tcp)


def _explain_no_command(invocation: Invocation) -> str:
    given = invocation.given
    mistaken = None if given.server is None else suggest_command(CLIENT, given.server)
    if mistaken is not None:
        return mistaken
    if given.local_socket is None:
        return "a COMMAND that starts the application is required: write '--' before it, or LOCAL_SOCKET"
    return "the COMMAND that starts the application is missing; without a LOCAL_SOCKET, '--' stands before it"


def _check_port_sharing(given: argparse.Namespace, launch: Launch) -> None:
    if given.tcp_shared and launch.listen != "tcp":
        raise ConfigError(
            "--tcp-shared is for an application that listens on a TCP port, and this one listens on a socket"
        )


def _make_settings(
    given: argparse.Namespace,
    config: Config | None,
    launch: Launch,
    token: str,
    local_socket: str | None,
    *,
    is_terminal: bool,
) -> ClientSettings:
    def choose(option: str) -> Any:
        """Return what the command line says, or else the configuration; what is switched off is None."""
        said = getattr(given, option)
        return (getattr(config, option, None) if said is None else said) or None

    if given.busy and choose("idle") is None:
        raise ConfigError("--busy says whether --idle may end the application", advice="give both")
    key = choose("key")
    if given.replace and local_socket is None and key is None:
        raise ConfigError("-r takes a KEY over from another session of yours", advice="say which by -k KEY")
    for option in ("qr", "open"):
        if getattr(given, option) and choose("json"):
            raise ConfigError(
                f"--{option} is for people, and there are only lines of JSON", advice="give --no-json, too"
            )
    if given.text and given.json:
        raise ConfigError("--text is for people, --json for programs", advice="give one of them")
    server = _choose_server(given.server, config)
    if server is None:
        raise ConfigError(
            "no SERVER: name the gateway before --, with run by -s, or once and for all in "
            '~/.config/conductor-trio/config.toml: server = "gw.example.org"'
        )
    return ClientSettings(
        server=server,
        local_socket=local_socket,
        launch=launch,
        token=token,
        key=key,
        replace=given.replace,
        verbose=given.verbose,
        has_display=given.text or (is_terminal and not choose("json")),
        is_terminal=is_terminal,
        link_file=_check_link_file(given.link_file),
        show_qr=bool(choose("qr")),
        open_browser=bool(choose("open")),
        tcp_shared=bool(choose("tcp_shared")),
        idle=choose("idle"),
        busy=choose("busy"),
        socket_user=getattr(given, "socket_user", None),
    )


def _check_link_file(path: str | None) -> str | None:
    """Return an absolute path, as it is now that we know where we are; raises `ConfigError`."""
    if path is None:
        return None
    if not path or not path.isprintable() or path.endswith(("/", " ")):
        raise ConfigError(f"--link-file {path!a} is no name of a file")
    return os.path.abspath(path)


def _choose_server(given: str | None, config: Config | None) -> ServerAddress | None:
    if config is None:
        return None if given is None else parse_server(given)
    from conductor_trio.client.config.files import choose_server

    return choose_server(given, config)


def _load_config() -> Config:
    # Imported only now, as recipes are: these and TOML take 10 ms, and the contract's form needs neither.
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
