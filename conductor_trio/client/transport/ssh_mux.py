"""What goes over the connection of ssh, the control master, once that stands: commands, and the control channel.

Both go through sockets in a temporary directory. They are held, so that a connection that stands is of use though
their names are gone: another one might need a password that nobody is there to type.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs
import trio

from conductor_trio.client.host.held_socket import HeldSocket
from conductor_trio.client.transport.ssh_command import (
    control_socket,
    format_command,
    format_command_through,
    forward_socket,
)
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.stream import SocketStream


@attrs.frozen(kw_only=True)
class MuxCommand:
    """The beginning of a command over the connection, and the descriptors that it is to inherit."""

    words: Sequence[str]
    descriptors: Sequence[int] = ()


class SshMux:
    """The sockets of the control master in a directory; to be closed."""

    def __init__(self, directory: str, limits: ClientLimits) -> None:
        self._directory = directory
        self._limits = limits
        self._control = HeldSocket(control_socket(directory))
        self._forward = HeldSocket(forward_socket(directory))

    def hold(self) -> None:
        """Hold the sockets, which are there by now."""
        self._control.hold()
        self._forward.hold()

    async def connect(self) -> SocketStream:
        """Connect to the control socket over there; raises `UpstreamUnavailable`."""
        return await self._forward.connect(self._limits.ssh_command_timeout)

    def command(self) -> MuxCommand:
        """Return how a command over the connection begins."""
        descriptor = self._control.descriptor
        if descriptor is None or self._control.hold():
            return MuxCommand(words=format_command(self._directory))
        return MuxCommand(words=format_command_through(descriptor), descriptors=[descriptor])

    async def run(self, arguments: Sequence[str]) -> tuple[int, str]:
        """Run a command; return its status and what ssh said. A status of -1: it could not be run, or hung."""
        command = self.command()
        with trio.move_on_after(self._limits.ssh_command_timeout):
            try:
                result = await trio.run_process(
                    [*command.words, *arguments],
                    stdin=b"",
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                    cwd="/",  # whatever has become of ours
                    pass_fds=command.descriptors,
                    start_new_session=True,  # out of reach of a terminal's signals
                )
            except (OSError, RuntimeError) as error:  # no descriptor, process or thread is left
                return -1, f"ssh cannot be run: {error}"
            said = " ".join(result.stderr.decode("utf-8", "replace").split())
            return result.returncode, re.sub(r"[\x00-\x1f\x7f-\x9f]", "", said)[:300]
        return -1, f"no answer within {self._limits.ssh_command_timeout:g} s"

    def close(self) -> None:
        """Hold them no longer."""
        self._control.close()
        self._forward.close()
