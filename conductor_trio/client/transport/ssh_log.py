"""The standard error of ssh, line by line: reported as it comes, and kept to explain a failure."""

from __future__ import annotations

import os
import re
from collections import deque

import trio

from conductor_trio.client.output.events import SshLine
from conductor_trio.client.output.reporter import Reporter
from conductor_trio.client.transport.ssh_errors import find_reason
from conductor_trio.limits import ClientLimits


class SshLog:
    """The reading end of a pipe that is ssh's standard error; its owner closes the descriptor."""

    def __init__(self, descriptor: int, reporter: Reporter, limits: ClientLimits) -> None:
        self._descriptor = descriptor
        self._reporter = reporter
        self._limits = limits
        self._partial = b""
        self._reported = ""
        self.lines: deque[str] = deque(maxlen=limits.max_ssh_lines)

    @property
    def last_line(self) -> str:
        """The last line that ssh wrote, or nothing."""
        return self.lines[-1] if self.lines else ""

    async def run(self) -> None:
        """Read until the end, so that ssh never waits for us."""
        while True:
            await trio.lowlevel.wait_readable(self._descriptor)
            if not self.read_available():
                return

    def read_available(self) -> bool:
        """Read what is there without waiting; False at the end."""
        try:
            while chunk := os.read(self._descriptor, self._limits.read_size):
                *lines, rest = (self._partial + chunk).split(b"\n")
                self._partial = rest[-self._limits.max_ssh_line :]
                for line in lines:
                    self._add(line)
        except BlockingIOError:
            return True
        return False

    def _add(self, line: bytes) -> None:
        # It may hold what the other end made up, which is not to move the cursor of the user's terminal.
        shown = line[: self._limits.max_ssh_line].decode("utf-8", "replace")
        text = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", shown).strip()
        if text:
            is_reason = find_reason([text]) is not None
            self._reporter.send(SshLine(text=text, is_repeated=text == self._reported, is_reason=is_reason))
            self._reported = text
            self.lines.append(text)
