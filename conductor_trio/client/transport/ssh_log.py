"""What ssh says, line by line: reported as it comes, and kept to explain a failure.

Only what ssh says itself is evidence. On its standard error are also the words of others: the server's banner, and
whatever a ProxyCommand, a jump host or a remote command writes.
"""

from __future__ import annotations

import os
import re
from collections import deque

import attrs
import trio

from conductor_trio.client.output.events import SshLine
from conductor_trio.client.output.reporter import Reporter
from conductor_trio.client.transport.ssh_errors import find_reason
from conductor_trio.limits.client import ClientLimits


@attrs.define(kw_only=True)
class _Source:
    """The reading end of a pipe, and the line that has begun to come; `is_own` where only ssh itself writes."""

    descriptor: int
    is_own: bool
    partial: bytes = b""


class SshLog:
    """The reading ends of ssh's standard error and, if given, of its own log; their owner closes them."""

    def __init__(
        self, stderr: int, reporter: Reporter, limits: ClientLimits, *, own_log: int | None = None
    ) -> None:
        self._sources = [_Source(descriptor=stderr, is_own=False)]
        if own_log is not None:
            self._sources.append(_Source(descriptor=own_log, is_own=True))
        self._reporter = reporter
        self._limits = limits
        self._reported = ""
        self.lines: deque[str] = deque(maxlen=limits.max_ssh_lines)
        #: Those of them that ssh wrote to its own log.
        self.own_lines: deque[str] = deque(maxlen=limits.max_ssh_lines)

    async def run(self) -> None:
        """Read until the end, so that ssh never waits for us."""
        async with trio.open_nursery() as nursery:
            for source in self._sources:
                nursery.start_soon(self._read_on, source, name="ssh: what it says")

    async def _read_on(self, source: _Source) -> None:
        while True:
            await trio.lowlevel.wait_readable(source.descriptor)
            if not self._read(source):
                return

    def read_available(self) -> bool:
        """Read what is there without waiting; False at the end of either."""
        are_open = [self._read(source) for source in self._sources]
        return all(are_open)

    def forget(self) -> None:
        """Forget the lines so far."""
        self.lines.clear()
        self.own_lines.clear()

    def _read(self, source: _Source) -> bool:
        try:
            while chunk := os.read(source.descriptor, self._limits.read_size):
                *lines, rest = (source.partial + chunk).split(b"\n")
                source.partial = rest[-self._limits.max_ssh_line :]
                for line in lines:
                    self._add(line, is_own=source.is_own)
        except BlockingIOError:
            return True
        return False

    def _add(self, line: bytes, *, is_own: bool) -> None:
        # It may hold what the other end made up, which is not to move the cursor of the user's terminal.
        shown = line[: self._limits.max_ssh_line].decode("utf-8", "replace")
        text = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", shown).strip()
        if text:
            is_reason = is_own and find_reason([text]) is not None
            self._reporter.send(SshLine(text=text, is_repeated=text == self._reported, is_reason=is_reason))
            self._reported = text
            self.lines.append(text)
            if is_own:
                self.own_lines.append(text)
