"""The keys that the user presses on the terminal, one by one, while nobody else is to read there.

ssh asks for passwords on the same terminal, and a shell has it back at Ctrl-Z: so keys are taken only while wanted
and where we are in the terminal's foreground, and otherwise the terminal is as it was.
"""

from __future__ import annotations

import contextlib
import os
import termios
from collections.abc import Callable

import trio

from conductor_trio.limits.constants import MAX_KEYS

_ECHO_AND_LINES = termios.ECHO | termios.ICANON
_LFLAG = 3


class Keyboard:
    """The terminal's input by `descriptor`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before: list[object] | None = None  # how the terminal was, while it is otherwise
        self._changed = trio.lowlevel.ParkingLot()

    def is_taken(self) -> bool:
        """Whether keys come here now."""
        return self._before is not None

    def take(self) -> None:
        """Have keys come here from now on, one by one and not shown; Ctrl-C stays what it is."""
        if self.is_taken() or not _is_in_foreground(self._descriptor):
            return
        with contextlib.suppress(termios.error):  # the terminal has gone
            before = termios.tcgetattr(self._descriptor)
            ours = [*before]
            ours[_LFLAG] = before[_LFLAG] & ~_ECHO_AND_LINES
            termios.tcsetattr(self._descriptor, termios.TCSANOW, ours)
            self._before = before
            self._changed.unpark_all()

    def leave(self) -> None:
        """Leave the terminal as it was; what is typed from now on is for others."""
        before, self._before = self._before, None
        if before is not None and _is_in_foreground(self._descriptor):
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, before)  # type: ignore[arg-type]
        self._changed.unpark_all()

    def take_again(self) -> None:
        """Take keys again after a shell has had the terminal (Ctrl-Z, fg)."""
        if self.is_taken():
            self._before = None
            self.take()

    async def run(self, press: Callable[[str], None]) -> None:
        """Call `press` with one key after the other, until the terminal has gone."""
        while True:
            if not self.is_taken():
                await self._changed.park()
                continue
            await trio.lowlevel.wait_readable(self._descriptor)
            if not self.is_taken():  # meanwhile, and somebody else is to read
                continue
            try:
                typed = os.read(self._descriptor, MAX_KEYS)
            except OSError:
                typed = b""
            if not typed:
                return
            for key in typed.decode("ascii", "replace"):
                if self.is_taken():
                    press(key)


def _is_in_foreground(descriptor: int) -> bool:
    """Whether what is typed is for us: whoever touches the terminal from the background is stopped."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
