"""The writer of log lines: they are queued, and one thread writes them, so that nobody waits for their reader.

It may sleep (a terminal after Ctrl-S, a pipe to a program that is stuck), be gone, or be a disk that is full. What
does not fit into the queue, or cannot be written, is lost, counted, and told as soon as lines arrive again.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

from conductor_trio.limits.constants import LAST_LINES_TIMEOUT, MAX_LINES_WRITTEN, MAX_QUEUED_LINES


class LineWriter:
    """A text stream of whole lines to a descriptor; any thread may write, and never waits.

    `format_loss` gives the line, with its newline, that tells how many were lost; nothing where it has told that
    otherwise. With a `gather_time` the thread wakes no more often than so many seconds apart, which leaves more
    of the processor to those who write many lines.
    """

    encoding = "utf-8"

    def __init__(
        self,
        descriptor: int,
        format_loss: Callable[[int], str],
        *,
        max_queued: int = MAX_QUEUED_LINES,
        most_at_once: int = MAX_LINES_WRITTEN,
        gather_time: float = 0.0,
    ) -> None:
        self._descriptor = descriptor
        self._most_at_once = most_at_once  # bytes of lines that are written by one call
        self._format_loss = format_loss
        self._max_queued = max_queued
        self._gather_time = gather_time
        self._changed = threading.Condition()
        self.lost = 0  #: lines since the start
        # All that follows is changed with the lock of `_changed`.
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._untold = 0
        self._is_writing = False
        self._is_finished = False
        self._open_next: Callable[[], int | None] | None = None
        self._alarm: tuple[float, Callable[[], None]] | None = None
        self._thread: threading.Thread | None = None
        self._ends_inside_line = False  # the writing thread's own

    def write(self, text: str) -> int:
        """Queue lines, with their newline, as one."""
        self.queue(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def queue(self, lines: bytes) -> None:
        """Queue lines, or lose them where there is no room."""
        with self._changed:
            if self._size + len(lines) > self._max_queued:
                self._lose(self.count(lines))
                return
            self._lines.append(lines)
            self._size += len(lines)
            self._wake()

    def count(self, lines: bytes) -> int:
        """Return how many lines those bytes are."""
        return lines.count(b"\n") or 1

    def _lose(self, count: int) -> None:
        """The lock is held: count lines as lost."""
        self.lost += count
        self._untold += count

    @property
    def queued(self) -> int:
        """How many bytes wait to be written."""
        return self._size

    def switch(self, open_next: Callable[[], int | None]) -> None:
        """Have the thread go on with the descriptor that `open_next` gives, if any, and close the one before."""
        with self._changed:
            self._open_next = open_next
            self._wake()

    def flush(self) -> None:
        """Do nothing: what is queued is written at once, or as soon as its reader takes it."""

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Have the writing thread call a function at that monotonic time, unless it is to call one before."""
        with self._changed:
            if self._alarm is None or when < self._alarm[0]:
                self._alarm = (when, function)
                self._wake()

    def close(self) -> None:
        """Return once all that is queued is written, or after `LAST_LINES_TIMEOUT`."""
        deadline = time.monotonic() + LAST_LINES_TIMEOUT
        with self._changed:
            while (self._lines or self._is_writing) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)

    def finish(self) -> None:
        """Do the same, and have nothing left of it, unless the thread still waits for its reader."""
        self.close()
        with self._changed:
            self._is_finished = True
            self._changed.notify_all()
        if self._thread is None:
            self.close_target()
        else:
            self._thread.join(LAST_LINES_TIMEOUT)

    def close_target(self) -> None:
        """Close what is written to."""
        os.close(self._descriptor)

    def _wake(self) -> None:
        """The lock is held: have the thread look."""
        if self._thread is None:
            # A daemon, which ends with the process although its descriptor takes nothing.
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                function = self._wait()
                if function is None and not self._lines:
                    break
            if function is not None:
                function()
                continue
            with self._changed:
                if self._open_next is not None:
                    continue
                piece, count, lost = self._take()
            if lost and (told := self._format_loss(lost)) and not self.write_out(self.encode_loss(told)):
                with self._changed:
                    self._untold += lost
            if not self.write_out(piece):
                with self._changed:
                    self._lose(count)
        self.close_target()

    def _wait(self) -> Callable[[], None] | None:
        """The lock is held: wait for lines, or the end, or return what is to be called now."""
        while True:
            if self._open_next is not None:
                return self._go_on_with_next
            if self._lines or self._is_finished:
                return None
            if self._alarm is None:
                self._changed.wait()
                if self._gather_time:
                    self._gather()
                continue
            when, function = self._alarm
            if (left := when - time.monotonic()) <= 0:
                self._alarm = None
                return function
            self._changed.wait(min(left, threading.TIMEOUT_MAX))

    def _gather(self) -> None:
        """The lock is held: leave it, and let lines come, since the first of them has."""
        self._changed.release()
        try:
            time.sleep(self._gather_time)
        finally:
            self._changed.acquire()

    def _go_on_with_next(self) -> None:
        with self._changed:
            open_next, self._open_next = self._open_next, None
        if open_next is not None and (descriptor := open_next()) is not None:
            os.close(self._descriptor)
            self._descriptor = descriptor
            self._ends_inside_line = False

    def _take(self) -> tuple[bytes, int, int]:
        """The lock is held: take lines to be written at once, how many they are, and how many were lost before."""
        piece = self._lines.popleft()
        while self._lines and len(piece) + len(self._lines[0]) <= self._most_at_once:
            piece += self._lines.popleft()
        self._size -= len(piece)
        lost, self._untold = self._untold, 0
        self._is_writing = True
        return piece, self.count(piece), lost

    def encode_loss(self, text: str) -> bytes:
        """Return what tells how many lines were lost."""
        return text.encode("utf-8", "backslashreplace")

    def write_out(self, data: bytes) -> bool:
        """Write all of it, however long that takes; False where it cannot be."""
        if self._ends_inside_line:
            data = b"\n" + data
        while data:
            try:
                written = os.write(self._descriptor, data)
            except BlockingIOError:  # who shares the open file has made it non-blocking
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                with contextlib.suppress(OSError):
                    poll.poll()
            except OSError:
                return False
            else:
                self._ends_inside_line = data[written - 1 : written] != b"\n"
                data = data[written:]
        return True
