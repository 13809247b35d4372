"""A terminal for tests: a pseudo-terminal, and what its user would see."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
from collections.abc import Iterator

import pyte
import trio

_TIMEOUT = 20.0  # for what a test waits for, in real seconds


class Terminal:
    """`descriptor` is where programs write; `screen` is what has become of it."""

    def __init__(self, master: int, descriptor: int, columns: int, lines: int) -> None:
        self.descriptor = descriptor
        self.master = master
        self.received = b""
        self.screen = pyte.HistoryScreen(columns, lines, history=1000, ratio=1)
        self._stream = pyte.ByteStream(self.screen)
        self._set_size(columns, lines)

    @property
    def lines(self) -> list[str]:
        """What is on the screen, without empty lines at the end."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines)

    async def wait_for(self, text: str) -> None:
        """Read until the screen shows it."""
        while text not in self.text:
            await self._read(f"no {text!r}")

    async def wait_gone(self, text: str) -> None:
        """Read until the screen shows it no longer."""
        while text in self.text:
            await self._read(f"still {text!r}")

    def read_all(self) -> None:
        """Take in what is there."""
        with contextlib.suppress(OSError):  # there is nothing, or nobody who could write any more
            while True:
                self._feed(os.read(self.master, 65536))

    def resize(self, columns: int, lines: int) -> None:
        """The user changes the window."""
        self.read_all()
        self._set_size(columns, lines)
        self.screen.resize(lines, columns)
        # The kernel tells the terminal's foreground group, which we are not.
        os.kill(os.getpid(), signal.SIGWINCH)

    def hide_typing(self) -> None:
        """Someone asks for a password."""
        attributes = termios.tcgetattr(self.descriptor)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(self.descriptor, termios.TCSANOW, attributes)

    def write(self, text: str) -> None:
        """Someone else writes to the terminal."""
        os.write(self.descriptor, text.encode())

    async def _read(self, what: str) -> None:
        # In a thread, so that the deadline holds whatever the test's clock does.
        is_readable, _, _ = await trio.to_thread.run_sync(
            select.select, [self.master], [], [], _TIMEOUT, abandon_on_cancel=True
        )
        assert is_readable, f"{what} in\n{self.text}"
        self._feed(os.read(self.master, 65536))

    def _feed(self, chunk: bytes) -> None:
        self.received += chunk
        self._stream.feed(chunk)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))


@contextlib.contextmanager
def open_terminal(columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
    """Give a terminal of that size."""
    master, descriptor = pty.openpty()
    os.set_blocking(master, False)
    try:
        yield Terminal(master, descriptor, columns, lines)
    finally:
        os.close(descriptor)
        os.close(master)
