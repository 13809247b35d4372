"""One stream of text for the terminal: the application's output, whole lines of ours, and a status line below.

The cursor rests in the first column of the status line, so that whatever erases from there to the end of the
screen takes all of it away, even where a narrower window has wrapped it. The line is there only while the
application's last line is complete: its progress bar, or its question, has the last word.
"""

from __future__ import annotations

import re

from conductor_trio.limits.constants import MAX_STYLES

_STYLE = re.compile(r"\x1b\[([\d;:]*)m")
_STYLES_AT_END = re.compile(r"(?:\x1b\[[\d;:]*m)+\Z")
_RESET = "\x1b[0m"
_ERASE = "\r\x1b[J"


class TerminalStream:
    """The text for a terminal as one stream: composes it, and remembers cursor and style that it leaves.

    Without a cursor that can be moved there is no status line, and no style is looked after.
    """

    def __init__(self, *, has_cursor: bool) -> None:
        self._has_cursor = has_cursor
        self._styles: list[str] = []  # those that the application has set and not reset
        self._is_plain = True  # whether the terminal is without them, because of us or anyway
        self.status = ""  # what it is meant to be, whether or not there is a place for it now
        self.is_at_line_start = True

    def pass_on(self, text: str) -> str:
        """Return what writes the application's text as it is, in its own style."""
        before = self._erase()
        if self._is_plain:
            before += "".join(self._styles)
        self._follow(text)
        self._is_plain = not self._styles
        return before + text + self._draw()

    def put(self, lines: str) -> str:
        """Return what writes complete lines of ours."""
        before = self._erase() + self._reset() + ("" if self.is_at_line_start else "\n")
        self.is_at_line_start = True
        return before + lines + self._draw()

    def set_status(self, status: str) -> str:
        """Return what draws this status line instead of the last; none where it is empty."""
        before = self._erase()
        self.status = status if self._has_cursor else ""
        return before + self._draw()

    def break_line(self) -> None:
        """Have what comes from us next begin below: someone else has written at the cursor."""
        self.is_at_line_start = False

    def _erase(self) -> str:
        return _ERASE if self.status and self.is_at_line_start else ""

    def _draw(self) -> str:
        return f"{self._reset()}{self.status}\r" if self.status and self.is_at_line_start else ""

    def _reset(self) -> str:
        reset = "" if self._is_plain else _RESET
        self._is_plain = True
        return reset

    def _follow(self, text: str) -> None:
        """Note where the application's text leaves the cursor, and in which style."""
        if not self._has_cursor:
            self.is_at_line_start = text.endswith("\n")
            return
        for match in _STYLE.finditer(text):
            first, _, others = match[1].partition(";")
            if not first.strip("0"):
                self._styles.clear()
            if first.strip("0") or others:
                self._styles = [*self._styles, match[0]][-MAX_STYLES:]
        if visible := _STYLES_AT_END.sub("", text):
            self.is_at_line_start = visible.endswith("\n")
