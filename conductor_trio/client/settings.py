"""The client's settings, and SERVER taken apart."""

from __future__ import annotations

import re

import attrs

from conductor_trio.client.placeholders import find_placeholders
from conductor_trio.client.recipes import Launch
from conductor_trio.config import DEFAULT_CONTROL_SOCKET, MAX_SOCKET_PATH, ClientLimits
from conductor_trio.errors import ConfigError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ADDRESS = re.compile(r"(?P<host>\[[^\[\]]+\]|[^\[\]:]+)(?::(?P<port>[0-9]+))?")


@attrs.frozen(kw_only=True)
class ServerAddress:
    """Where the server's control socket is: below `host` by SSH, or on this host where `host` is None."""

    host: str | None
    user: str | None = None
    port: int | None = None
    path: str = DEFAULT_CONTROL_SOCKET


@attrs.frozen(kw_only=True)
class ClientSettings:
    """The client's command line, checked, and what the configuration adds to it.

    `local_socket` is where the application listens; None is a fresh path, and only then the placeholders in
    `launch` stand for something.
    """

    server: ServerAddress
    local_socket: str | None
    launch: Launch
    token: str = attrs.field(repr=False)
    key: str | None = None
    replace: bool = False
    verbose: bool = False
    has_display: bool = False  # instead of JSON lines
    show_qr: bool = False
    open_browser: bool = False
    tcp_shared: bool = False
    idle: float | None = None  # seconds without visitors after which the application is to end
    busy: str | None = None  # a shell's command that can veto
    limits: ClientLimits = attrs.field(factory=ClientLimits)

    @property
    def registers_early(self) -> bool:
        """Whether visitors are to see that the application is starting, if the server can show it.

        In the contract's form a program reads the events, and it is written there when a client registers.
        """
        return self.local_socket is None or self.has_display

    @property
    def says_where(self) -> bool:
        """Whether the application is told where to listen, other than by its environment."""
        launch = self.launch
        used = find_placeholders([*launch.command, *launch.environment.values()])
        return bool(self.local_socket or launch.recipe) or launch.listen == "tcp" or "socket" in used

    @property
    def needs_names(self) -> bool:
        """Whether the application cannot start before the server has told its key or host name."""
        return self.local_socket is None and self.launch.needs_registration(key=self.key)

    @property
    def wants_names(self) -> bool:
        """Whether the application is to know its host name from the start, where the server can tell it then.

        A recipe says all that its application has to know; others may look into their environment.
        """
        return self.needs_names or (self.local_socket is None and self.launch.recipe is None)


def parse_server(text: str) -> ServerAddress:
    """Take ``[user@]host[:port][/path]`` or the path of a socket on this host apart; raises `ConfigError`."""

    def wrong(what: str) -> ConfigError:
        return ConfigError(f"SERVER {text!r}: {what}; give [user@]host[:port][/path], or a path on this host")

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
            f"{wrong}: the path of a UNIX socket has at most {MAX_SOCKET_PATH} bytes, {path!r} has more; "
            "choose a shorter one"
        )
    return path
