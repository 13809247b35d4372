"""Whole lines of the application's text, made of the pieces in which it comes. Sans-IO.

A read ends where the pipe's buffer did, and programs write a line and its end apart. Who reads events wants to see
neither; but a prompt has no end of its line, and must not be kept back.
"""

from __future__ import annotations

_END = "\n"


class LineKeeper:
    """Keeps the begun line of a text that comes in pieces, at most `max_kept` characters of it."""

    def __init__(self, max_kept: int) -> None:
        self._max_kept = max_kept
        self._kept = ""

    @property
    def keeps_something(self) -> bool:
        """Whether a line has begun."""
        return bool(self._kept)

    def add(self, text: str) -> str:
        """Take a piece in, and return what can be passed on: whole lines, and all of one that gets too long."""
        whole, end, begun = text.rpartition(_END)
        passed = self._kept + whole + end if end else ""
        self._kept = begun if end else self._kept + begun
        return passed if len(self._kept) <= self._max_kept else passed + self.take()

    def take(self) -> str:
        """Return what is kept, and keep it no longer."""
        kept, self._kept = self._kept, ""
        return kept
