"""The command lines of OpenSSH, sans-IO: of the control master, and of what runs over its connection."""

from __future__ import annotations

import os
import re

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.errors import TransportError
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import MAX_SOCKET_PATH

#: What the control master writes to its standard output when it stands.
UP = b"conductor-trio: up"

# What the command line says wins over ssh_config, so it says all that we rely on.
_OPTIONS = (
    # First, as older versions do not know all of these; and for all names, as ours replaces the user's own list.
    "IgnoreUnknown=*",
    "ControlPersist=no",
    "ForkAfterAuthentication=no",  # (8.7) otherwise nobody would end it
    "PermitLocalCommand=yes",
    f"LocalCommand=echo '{UP.decode()}'",
    "RemoteCommand=none",
    "ClearAllForwardings=no",  # it would clear ours, too
    "ExitOnForwardFailure=no",  # the user's configuration may forward ports that another ssh of theirs has
    "StreamLocalBindMask=0177",
    "StreamLocalBindUnlink=no",
    "ChannelTimeout=*=0",  # (9.6) never: the control channel and visitors' may be idle
    "Tunnel=no",
    "ForwardX11=no",
    "ForwardAgent=no",
    "LogLevel=INFO",  # a quieter one would leave us without a reason
)

# It needs no configuration over a connection that stands, and must not make another one.
_COMMAND = ("ssh", "-F", "/dev/null", "-o", "ProxyCommand=false", "-T")

_RANDOM_SUFFIX = 17  # that ssh adds to the path of its control socket while it binds it (mux.c)


def format_master_command(
    address: ServerAddress, limits: ClientLimits, directory: str, *, may_ask: bool
) -> list[str]:
    """Return the command of the control master, whose sockets are in `directory`; raises `TransportError`.

    `may_ask` tells that somebody is there who can be asked for a password.
    """
    assert address.host is not None  # otherwise the local transport is meant
    options = [
        *_OPTIONS,
        f"ConnectTimeout={limits.connect_timeout}",
        f"ServerAliveInterval={limits.ssh_alive_interval}",
        f"ServerAliveCountMax={limits.ssh_alive_count}",
    ]
    if not may_ask:
        options.append("BatchMode=yes")
    command = ["ssh", "-E", format_log_path(directory), "-M", "-S", control_socket(directory), "-N", "-T"]
    for option in options:
        command += ["-o", option]
    if address.identity:
        command += ["-i", address.identity.replace("%", "%%")]
    if address.user:
        command += ["-l", address.user]
    if address.port:
        command += ["-p", str(address.port)]
    return [*command, "-L", f"{forward_socket(directory)}:{escape_forward_path(address.path)}", "--", address.host]


def format_log_path(directory: str) -> str:
    """Return the path of the pipe to which the control master writes its own messages, and only those.

    What the server has it show, such as a banner, goes to its standard error (ssh(1), -E).
    """
    return f"{directory}/l"


def format_command(directory: str) -> list[str]:
    """Return the beginning of a command over the connection of the control master in `directory`."""
    return [*_COMMAND, "-S", control_socket(directory)]


def format_command_through(descriptor: int) -> list[str]:
    """Return the same where the control socket has lost its name, and a descriptor leads there.

    To be started with that descriptor (`pass_fds`). ssh itself closes what it is not to have.
    """
    script = f"""{" ".join(_COMMAND)} -S "/proc/$$/fd/$0" "$@"; exit $?"""
    return ["/bin/sh", "-c", script, str(descriptor)]


def escape_forward_path(path: str) -> str:
    """Return a path as it stands in -L and -R; raises `TransportError` where ssh would take it for another."""
    # Some versions of ssh expand % and ${} there and some do not, so neither spelling is right for all.
    if not path.startswith("/") or re.search(r"[%$\x00-\x1f\x7f]", path):
        raise TransportError(
            f"SSH cannot forward to {path!r}: it must be absolute, and without %, $, control codes"
        )
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise TransportError(f"SSH cannot forward to {path}: it is longer than {MAX_SOCKET_PATH} bytes")
    return re.sub(r"([\\:])", r"\\\1", path)


def forward_socket(directory: str) -> str:
    """Return the path of the socket at which ssh takes connections for the control socket over there."""
    return f"{directory}/c"


def control_socket(directory: str) -> str:
    """Return the path of the control master's socket."""
    path = f"{directory}/m"
    assert len(path) + _RANDOM_SUFFIX <= MAX_SOCKET_PATH
    return path
