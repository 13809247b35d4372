"""The descriptors of this process: which are open, and that none can be opened."""

from __future__ import annotations

import errno
import os
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def open_descriptors() -> Counter[str]:
    """Return what this process's descriptors point to, and how many point there."""
    found: Counter[str] = Counter()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found[os.readlink(f"/proc/self/fd/{descriptor}")] += 1
        except FileNotFoundError:  # the descriptor with which the directory was read
            continue
    return found


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Let this process open nothing more: the lowest free descriptor is the first that is forbidden."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(OSError) as caught:
            os.open("/dev/null", os.O_RDONLY)
        assert caught.value.errno == errno.EMFILE
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
