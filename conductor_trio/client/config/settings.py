"""The client's settings, and SERVER taken apart."""

from __future__ import annotations

import attrs

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.placeholders import find_placeholders
from conductor_trio.limits.client import ClientLimits


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
    is_terminal: bool = True  # where the display is; otherwise its lines go to a file or a pipe
    link_file: str | None = None  # holds the link while visitors can use it
    show_qr: bool = False
    open_browser: bool = False
    tcp_shared: bool = False
    idle: float | None = None  # seconds without visitors after which the application is to end
    busy: str | None = None  # a shell's command that can veto
    may_ask: bool = True  # ssh, for a password and the like, where there is a terminal
    socket_user: str | None = None  # who may listen at `local_socket`, besides the user
    limits: ClientLimits = attrs.field(factory=ClientLimits)

    @property
    def registers_early(self) -> bool:
        """Whether visitors are to see that the application is starting, if the server can show it.

        With LOCAL_SOCKET, programs rely on the order of docs/protocol.md, "Control channel".
        """
        return self.local_socket is None or self.has_display

    @property
    def takes_keys(self) -> bool:
        """Whether keys on the terminal are ours: what a recipe knows is no program that people type to."""
        return self.has_display and self.is_terminal and self.launch.recipe is not None

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
