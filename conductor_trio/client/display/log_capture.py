"""The log of a client that has a display: on the same terminal, it would be written across it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator

import trio

_STDERR = 2


class _Handler(logging.Handler):
    """Hands the log's records over in Trio's thread, whichever they come from."""

    def __init__(self, hear: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._hear = hear
        self._thread = threading.get_ident()
        self._token = trio.lowlevel.current_trio_token()

    def emit(self, record: logging.LogRecord) -> None:
        if threading.get_ident() == self._thread:
            self._hear(record)
        else:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._hear, record)


@contextlib.contextmanager
def taking_over_log(hear: Callable[[logging.LogRecord], None], descriptor: int) -> Iterator[None]:
    """Within, the log goes to `hear` if it went to the same terminal as `descriptor`."""
    if not _is_same_terminal(descriptor, _STDERR):
        yield
        return
    root = logging.getLogger()
    handlers = root.handlers
    root.handlers = [_Handler(hear)]
    try:
        yield
    finally:
        root.handlers = handlers


def _is_same_terminal(first: int, second: int) -> bool:
    try:
        return os.isatty(first) and os.fstat(first).st_rdev == os.fstat(second).st_rdev
    except OSError:
        return False
