"""The launch specification: the user's command with placeholders filled, its environment and network namespace."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from conductor_trio.access.login_link import guess_scheme
from conductor_trio.client.config.placeholders import Values, make_environment
from conductor_trio.client.config.settings import ClientSettings

if TYPE_CHECKING:
    from conductor_trio.client.isolation.plan import PortPlan
    from conductor_trio.control.messages import Accepted


@attrs.frozen(kw_only=True)
class LaunchSpec:
    """The program that is started, and what the user is told of it."""

    command: tuple[str, ...]  # as the user knows it
    executed: tuple[str, ...]  # the same, or what runs it
    environment: Mapping[str, str] | None = None  # None: ours
    recipe: str | None = None  # the name of what has added to the command
    has_input: bool = True  # whether our standard input is the program's, too


def plan_port(settings: ClientSettings) -> PortPlan | None:
    """Return how an application with a TCP port runs, None for all others."""
    if settings.launch.listen == "unix":
        return None
    from conductor_trio.client.isolation.plan import PortPlan, choose_port  # what few applications need

    port = settings.launch.port or choose_port(shared=settings.tcp_shared)
    return PortPlan(port=port, shared=settings.tcp_shared)


def make_launch_spec(
    settings: ClientSettings, local_socket: str, plan: PortPlan | None, names: Accepted | None
) -> LaunchSpec:
    """Return what to start; `names` are the server's, if it has told them. Raises `ConfigError`."""
    launch = settings.launch
    command, environment = launch.command, None
    if settings.local_socket is None:
        values = _make_values(local_socket, plan, settings.key, names)
        command = launch.fill_command(values)
        environment = make_environment(os.environ, launch.environment, values)
    executed = command if plan is None else plan.wrap(command, local_socket)
    return LaunchSpec(
        command=command,
        executed=executed,
        environment=environment,
        recipe=launch.recipe,
        has_input=not settings.takes_keys,
    )


def _make_values(local_socket: str, plan: PortPlan | None, key: str | None, names: Accepted | None) -> Values:
    host = names.urls[0] if names and names.urls else None
    return Values(
        socket=None if plan else local_socket,  # which is then the relay's
        port=plan.port if plan else None,
        key=(names.key if names else None) or key,
        host=host,
        url=f"{guess_scheme(host)}://{host}" if host else None,
    )
