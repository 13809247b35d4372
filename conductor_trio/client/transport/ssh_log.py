"""What ssh writes to its standard error."""

from __future__ import annotations

import logging
import os
import re
from collections import deque

import trio

_log = logging.getLogger(__name__)

_MAX_LINES = 100
_MAX_LINE = 4096


class SshLog:
    """The reading end of a pipe: what it says is logged, once in a row, and kept to explain a failure."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._partial = b""
        self._logged = ""
        self.lines: deque[str] = deque(maxlen=_MAX_LINES)

    @property
    def last_line(self) -> str:
        """The last line, or nothing."""
        return self.lines[-1] if self.lines else ""

    async def run(self) -> None:
        """Read until the end, so that ssh never waits for us."""
        while True:
            await trio.lowlevel.wait_readable(self._descriptor)
            if not self.read_available():
                return

    def read_available(self) -> bool:
        """Take in what is there; False at the end."""
        try:
            while chunk := os.read(self._descriptor, 65536):
                *lines, rest = (self._partial + chunk).split(b"\n")
                self._partial = rest[-_MAX_LINE:]
                for line in lines:
                    self._add(line)
        except BlockingIOError:
            return True
        return False

    def _add(self, line: bytes) -> None:
        # It may hold what the other end made up, which is not to move the cursor of the user's terminal.
        text = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", line[:_MAX_LINE].decode("utf-8", "replace")).strip()
        if text:
            # It says the same each time that we try to reach a server that is away.
            _log.log(logging.DEBUG if text == self._logged else logging.INFO, "ssh: %s", text)
            self._logged = text
            self.lines.append(text)
