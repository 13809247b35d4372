"""The log of a client that has a display: on the same terminal, it must not be written across that."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator

import trio

_STDERR = 2


class _Handler(logging.Handler):
    """Hands the log's records over in Trio's thread, whichever they come from."""

    def __init__(self, receive: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._receive = receive
        self._thread = threading.get_ident()
        self._token = trio.lowlevel.current_trio_token()

    def emit(self, record: logging.LogRecord) -> None:
        if threading.get_ident() == self._thread:
            self._receive(record)
        else:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._receive, record)


@contextlib.contextmanager
def capturing_log(receive: Callable[[logging.LogRecord], None]) -> Iterator[None]:
    """Within, `receive` gets the log's records, and nobody else."""
    root = logging.getLogger()
    handlers = root.handlers
    root.handlers = [_Handler(receive)]
    try:
        yield
    finally:
        root.handlers = handlers


def is_log_on(descriptor: int) -> bool:
    """Whether a descriptor is of the terminal, or of the file, that the log is written to."""
    try:
        found, log = os.fstat(descriptor), os.fstat(_STDERR)
        if stat.S_ISREG(found.st_mode):
            return os.path.samestat(found, log)
        return os.isatty(descriptor) and found.st_rdev == log.st_rdev
    except OSError:
        return False
