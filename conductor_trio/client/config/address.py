"""The SERVER and LOCAL_SOCKET arguments: addresses and paths, parsed and checked."""

from __future__ import annotations

import re

import attrs

from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import DEFAULT_CONTROL_SOCKET, MAX_SOCKET_PATH

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


_ADDRESS = re.compile(r"(?P<host>\[[^\[\]]+\]|[^\[\]:]+)(?::(?P<port>[0-9]+))?")


@attrs.frozen(kw_only=True)
class ServerAddress:
    """Where the server's control socket is: below `host` by SSH, or on this host where `host` is None."""

    host: str | None
    user: str | None = None
    port: int | None = None
    path: str = DEFAULT_CONTROL_SOCKET
    identity: str | None = None  # the private key to log in with, if ssh is not to choose


def parse_server(text: str) -> ServerAddress:
    """Take ``[user@]host[:port][/path]`` or the path of a socket on this host apart; raises `ConfigError`."""

    def wrong(what: str) -> ConfigError:
        return ConfigError(
            f"SERVER {text!r}: {what}", advice="give [user@]host[:port][/path], or a path on this host"
        )

    if _CONTROL.search(text):
        raise wrong("it holds a control character")
    if text.startswith(("/", ".")):
        return ServerAddress(host=None, path=_checked_path(text, wrong="SERVER"))
    login, slash, path = text.partition("/")
    user, at, place = login.rpartition("@")  # as ssh does: a user name may hold an @
    match = _ADDRESS.fullmatch(place)
    if match is None:
        what = "an IPv6 address needs brackets" if place.count(":") > 1 else "host or port is malformed"
        raise wrong(what)
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise wrong(f"there is no port {port}")
    host = match["host"].strip("[]")
    # ssh would take them for options, whatever stands before them.
    if (at and not user) or user.startswith("-") or host.startswith("-"):
        raise wrong("user and host cannot be empty or begin with '-'")
    if re.search(r"\s", login):
        raise wrong("user and host hold no blanks")
    path = _checked_path(slash + path, wrong="SERVER") if slash else DEFAULT_CONTROL_SOCKET
    return ServerAddress(host=host, user=user or None, port=port, path=path)


def format_place(address: ServerAddress) -> str:
    """Return the host as the user named it."""
    user = f"{address.user}@" if address.user else ""
    port = f" port {address.port}" if address.port else ""
    return f"{user}{address.host}{port}"


def check_local_socket(path: str) -> str:
    """Return the path where the application is to listen, or raise `ConfigError`."""
    if not path or _CONTROL.search(path):
        raise ConfigError("LOCAL_SOCKET is empty or holds a control character")
    return _checked_path(path, wrong="LOCAL_SOCKET")


def _checked_path(path: str, *, wrong: str) -> str:
    if len(path.encode("utf-8", "surrogateescape")) > MAX_SOCKET_PATH:
        raise ConfigError(
            f"{wrong}: the path of a UNIX socket has at most {MAX_SOCKET_PATH} bytes, {path!r} has more",
            advice="choose a shorter one",
        )
    return path
