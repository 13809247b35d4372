"""The last lines of what the application says while it starts, for its owner to see in a browser."""

from __future__ import annotations

import re
from collections import deque

import trio

from conductor_trio.limits.constants import MAX_OUTPUT_LINE, MAX_OUTPUT_LINES

#: What moves a terminal's cursor, or colours it: CSI and OSC sequences, and shorter ones.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[()][0-9A-Z]|[@-Z\\^_])")
_MOST = MAX_OUTPUT_LINES * MAX_OUTPUT_LINE  # characters of a piece that are looked at: what can be shown of it


class OutputTail:
    """Takes what comes over standard output and over standard error, each in pieces that cut lines anywhere."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MAX_OUTPUT_LINES)
        self._begun: dict[str, str] = {}  # the line of each that has no end yet
        self._changed = trio.Event()

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines, the last one being that of either that has begun."""
        begun = (_clean(text) for text in self._begun.values())
        return tuple([*self._lines, *(text for text in begun if text)][-MAX_OUTPUT_LINES:])

    def add(self, kind: str, text: str) -> None:
        """Take in a piece of what came over the one of that kind."""
        *whole, begun = (self._begun.get(kind, "") + text[-_MOST:]).split("\n")
        self._lines.extend(line for line in map(_clean, whole[-MAX_OUTPUT_LINES:]) if line)
        self._begun[kind] = begun[-_MOST:]
        self._changed.set()

    async def wait_changed(self) -> None:
        """Return once something has come since this was waited for last."""
        await self._changed.wait()
        self._changed = trio.Event()


def _clean(line: str) -> str:
    """Return a line as it stands on a terminal in the end: what a progress bar has written over is gone."""
    seen = _ESCAPES.sub("", line).rstrip("\r ").rpartition("\r")[2].rstrip()
    return seen[:MAX_OUTPUT_LINE]
