"""SIGINT (Ctrl-C) while a program starts and while it ends: it is gone at once, with a status and no traceback.

Python's own handler raises KeyboardInterrupt wherever the program happens to be: in the middle of an import, in a
destructor, at the end of the interpreter. The entry points replace it before they import anything else.
"""

from __future__ import annotations

import os

try:
    import signal
except KeyboardInterrupt:  # it imports modules itself, and nothing could replace the handler before
    os._exit(130)

TYPE_CHECKING = False  # `typing` takes longer than all else here
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import TypeVar

    _T = TypeVar("_T")

_status = 0


def end_at_once(status: int) -> None:
    """From now on SIGINT ends this process with that status; unless whoever started it wants it ignored."""
    global _status
    _status = status
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def change_status(status: int) -> None:
    """Where SIGINT ends this process at once, it does so with another status."""
    global _status
    _status = status


def raise_within(function: Callable[[], _T]) -> _T:
    """Call a function in which SIGINT raises KeyboardInterrupt, because what it begins is to be ended in order."""
    if signal.getsignal(signal.SIGINT) is not _end:
        return function()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return function()
    finally:
        signal.signal(signal.SIGINT, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(_status)
