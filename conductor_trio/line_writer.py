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

    `format_loss` gives the line, with its newline, that tells how many were lost.
    """

    encoding = "utf-8"

    def __init__(self, descriptor: int, format_loss: Callable[[int], str]) -> None:
        self._descriptor = descriptor
        self._format_loss = format_loss
        self._changed = threading.Condition()
        # All that follows is changed with the lock of `_changed`.
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._is_writing = False
        self._alarm: tuple[float, Callable[[], None]] | None = None
        self._thread: threading.Thread | None = None
        self._ends_inside_line = False  # the writing thread's own

    def write(self, text: str) -> int:
        """Queue lines, with their newline, as one."""
        line = text.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._size + len(line) > MAX_QUEUED_LINES:
                self._lost += 1
                return len(text)
            self._lines.append(line)
            self._size += len(line)
            self._wake()
        return len(text)

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
                alarm = self._wait()
                if alarm is None:
                    piece, count, lost = self._take()
            if alarm is not None:
                alarm()
                continue
            told = b"" if not lost else self._format_loss(lost).encode("utf-8", "backslashreplace")
            if not self._write(told + piece):
                with self._changed:
                    self._lost += count + lost

    def _wait(self) -> Callable[[], None] | None:
        """The lock is held: wait for lines, or return what is to be called now."""
        while not self._lines:
            if self._alarm is None:
                self._changed.wait()
                continue
            when, function = self._alarm
            if (left := when - time.monotonic()) <= 0:
                self._alarm = None
                return function
            self._changed.wait(min(left, threading.TIMEOUT_MAX))
        return None

    def _take(self) -> tuple[bytes, int, int]:
        """The lock is held: take lines to be written at once, how many they are, and how many were lost before."""
        piece, count = self._lines.popleft(), 1
        while self._lines and len(piece) + len(self._lines[0]) <= MAX_LINES_WRITTEN:
            piece += self._lines.popleft()
            count += 1
        self._size -= len(piece)
        lost, self._lost = self._lost, 0
        self._is_writing = True
        return piece, count, lost

    def _write(self, data: bytes) -> bool:
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
