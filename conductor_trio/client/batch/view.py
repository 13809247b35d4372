"""The view of a batch job: its news, its log and a status line on standard output, a terminal or not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

import trio

from conductor_trio.client.display.capabilities import Terminal, detect_terminal
from conductor_trio.client.display.painter import Item, Renderer, Status
from conductor_trio.client.display.screen import TerminalStream
from conductor_trio.client.output.writer import Output
from conductor_trio.limits.client import ClientLimits

_DEFAULT_WIDTH = 80


class JobView(Output):
    """Writes items, the log's text and the status line."""

    def __init__(self, descriptor: int, limits: ClientLimits, terminal: Terminal) -> None:
        super().__init__(descriptor, limits)
        self._renderer = Renderer(terminal)
        self._stream = TerminalStream(has_cursor=terminal.has_cursor)

    def show(self, items: list[Item]) -> None:
        """Write news."""
        lines = "".join(self._renderer.paint(item, self._width()) for item in items)
        if lines:
            self._write_text(self._stream.put(lines))

    def pass_on(self, text: str) -> None:
        """Write a piece of the log."""
        if text:
            self._write_text(self._stream.pass_on(text))

    def set_status(self, status: Status | None) -> None:
        """Have this be the status line."""
        painted = "" if status is None else self._renderer.paint_status(status, self._width())
        self._write_text(self._stream.set_status(painted))

    def _write_text(self, text: str) -> None:
        if text:
            self.write(text.encode("utf-8", "replace"))

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._descriptor).columns or _DEFAULT_WIDTH
        except OSError:
            return _DEFAULT_WIDTH


@contextlib.asynccontextmanager
async def open_view(descriptor: int, limits: ClientLimits) -> AsyncIterator[JobView]:
    """Give the view; on leaving, everything is written, and the terminal has no status line of ours."""
    is_terminal = os.isatty(descriptor)
    terminal = detect_terminal({**os.environ, **({} if is_terminal else {"TERM": "dumb"})})
    view = JobView(descriptor, limits, terminal)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(view.run, name="output: the job")
        try:
            yield view
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + limits.terminal_timeout):
                view.set_status(None)
                view.close()
                await view.wait_written()
