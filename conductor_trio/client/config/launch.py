"""How an application is started: what the command line says of it, and what a recipe has added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from conductor_trio.client.config.naming import describe_command, name_application
from conductor_trio.client.config.placeholders import REGISTERED, Values, fill, find_placeholders

#: The application listens on a UNIX socket, or it knows only TCP ports.
Listen = Literal["unix", "tcp"]


@attrs.frozen(kw_only=True)
class Launch:
    """How an application is started: a command and additions to the environment, with placeholders."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = attrs.field(factory=dict)
    listen: Listen = "unix"
    port: int = 0
    ready: str | None = None
    recipe: str | None = None
    #: What the user has said of that, and what a recipe says it is: people know the application by these.
    said: tuple[str, ...] = attrs.field(default=(), eq=False)
    description: str = attrs.field(default="", eq=False)

    def needs_registration(self, *, key: str | None) -> bool:
        """Whether the server must say something before the application can start; `key` is what is known."""
        wanted = find_placeholders([*self.command, *self.environment.values()]) & REGISTERED
        return bool(wanted - ({"key"} if key else set()))

    @property
    def known_as(self) -> str:
        """What people call the application."""
        return name_application(self.said or self.command, self.description)

    @property
    def command_line(self) -> str:
        """The command that they know it by."""
        return describe_command(self.said or self.command)

    def fill_command(self, values: Values) -> tuple[str, ...]:
        """Return the command with its placeholders filled; raises `ConfigError` where a value is not known."""
        return tuple(fill(word, values) for word in self.command)
