"""Functions that block, in threads; where the host has no thread left, that is an OSError as any other lack."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TypeVar

import trio

_T = TypeVar("_T")


def is_thread_missing(error: BaseException) -> bool:
    """Whether an error is Python's word for EAGAIN of pthread_create(3): a limit on processes or memory."""
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


async def run_in_thread(function: Callable[[], _T], *, abandon_on_cancel: bool = False) -> _T:
    """Return what a function returns that may block; raises OSError where there is no thread for it."""
    try:
        return await trio.to_thread.run_sync(function, abandon_on_cancel=abandon_on_cancel)
    except RuntimeError as error:
        if not is_thread_missing(error):
            raise
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
