"""The plan for an application that knows only TCP ports: its port, its namespace, the command that is run instead.

::

    plan = PortPlan(port=choose_port(shared=False), shared=False)
    await plan.check()                                    # StartError where the host does not allow it
    command = plan.wrap(command, local_socket)            # to be run as any application
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs
import trio

from conductor_trio.client.isolation import namespace, runner
from conductor_trio.client.isolation.uplink import is_resolver_local, uplink_program
from conductor_trio.errors import ConfigError, StartError
from conductor_trio.interpreter import module_command
from conductor_trio.limits.constants import MAX_PORT
from conductor_trio.net.procfs import tcp_listeners

_LOCALHOST = "127.0.0.1"
_RESOLVERS = Path("/etc/resolv.conf")

# In a fresh namespace every port is free. This one is below those that connections take (ip_local_port_range), and
# no application that we know listens there by default.
_PRIVATE_PORT = 20080


def choose_port(*, shared: bool) -> int:
    """Return a port that is free, or was so a moment ago, where the application will run."""
    if not shared:
        return _PRIVATE_PORT
    with socket.socket() as probe:
        probe.bind((_LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port


@attrs.frozen(kw_only=True)
class PortPlan:
    """An application on `port`, in a network namespace of its own or, where `shared`, on the host's localhost."""

    port: int
    shared: bool = False

    def __attrs_post_init__(self) -> None:
        if not 0 < self.port <= MAX_PORT:
            raise ConfigError(f"there is no port {self.port}", advice="give one from 1 to 65535")

    async def check(self) -> None:
        """The host allows it, or `StartError` tells why not."""
        if self.shared:
            self._check_free()
            return
        done = await trio.run_process(
            module_command(namespace.__name__),
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        if done.returncode != 0:
            what, _, advice = done.stdout.decode(errors="replace").strip().partition("\n")
            what = what or "the attempt to make a network namespace failed"
            raise StartError(what, advice=advice or None, hop="here", reason="namespace")

    def _check_free(self) -> None:
        """No other user listens on the port of the host, or `StartError` tells who."""
        others = {one.uid for one in tcp_listeners() if one.port == self.port} - {os.geteuid()}
        if others:
            raise StartError(
                f"another user of this host (id {min(others)}) listens on port {self.port}",
                advice="choose another port, or leave out --tcp-shared",
            )

    def wrap(self, command: Sequence[str], local_socket: str) -> tuple[str, ...]:
        """Return the command that runs `command` and makes its port reachable at `local_socket`."""
        mode = runner.SHARED if self.shared else runner.PRIVATE
        return (*module_command(runner.__name__), mode, str(self.port), local_socket, *command)

    @property
    def notice(self) -> str | None:
        """The warning for the user about the network of the application; None where there is nothing to say."""
        if self.shared:
            return f"every user of this host can connect to the application's port {self.port} (--tcp-shared)"
        if uplink_program() is None:
            return (
                "the application has no network but localhost, since there is neither pasta nor slirp4netns here; "
                "with the package passt or slirp4netns it would have"
            )
        with contextlib.suppress(OSError):
            if is_resolver_local(_RESOLVERS.read_text(errors="replace")):
                return (
                    "the application cannot look up host names, since it has a localhost of its own, and "
                    f"{_RESOLVERS} names no resolver elsewhere"
                )
        return None
