"""Threads, and none to be had."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading

import pytest

from conductor_trio.thread import is_thread_missing, run_in_thread


async def test_what_the_function_returns_and_raises_comes_through() -> None:
    assert await run_in_thread(threading.get_ident) != threading.get_ident()

    def fail() -> None:
        raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own") as caught:
        await run_in_thread(fail)
    assert not is_thread_missing(caught.value)


# No stack of that size can be had. In a process of its own, because threads that are idle are used again.
NO_THREAD = """
import sys, threading, trio
from conductor_trio.thread import run_in_thread
threading.stack_size(1 << 46)
try:
    trio.run(run_in_thread, threading.get_ident)
except OSError as error:
    print(error.errno)
"""


def test_no_thread_left_is_an_oserror() -> None:
    said = subprocess.run([sys.executable, "-c", NO_THREAD], check=True, capture_output=True, text=True).stdout
    assert int(said) == errno.EAGAIN
