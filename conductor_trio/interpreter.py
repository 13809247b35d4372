"""The interpreter that runs the server: what it is, and how its memory is managed.

On PyPy the server takes about half the processor's time for a request, once it is warm, and four times the memory.
What interpreters differ in is asked here and in `net.kernel`, by `hasattr`, and nowhere else.
"""

from __future__ import annotations

import gc
import os
import platform
import sys
from collections.abc import Mapping, MutableMapping

#: Whether this is PyPy.
IS_PYPY = hasattr(sys, "pypy_version_info")

#: What PyPy's collector reads at the start of a process, and only then (PyPy, "Garbage collector configuration").
#: Untuned its nursery follows the processor's cache. One of 16 MiB holds what hundreds of requests leave behind,
#: which then costs nothing; twice as much is hardly faster. The old generation is looked at before it has grown by
#: as much, and in small steps: otherwise each marks as much as two nurseries hold, and everybody waits meanwhile.
PYPY_MEMORY = {
    "PYPY_GC_NURSERY": "16M",
    "PYPY_GC_MIN": "48M",
    "PYPY_GC_MAJOR_COLLECT": "1.4",
    "PYPY_GC_INCREMENT_STEP": "2M",
}


def describe_interpreter() -> str:
    """Return what runs, as ``PyPy 7.3.19, Python 3.11.11``."""
    name, version = platform.python_implementation(), platform.python_version()
    own_version = getattr(sys, "pypy_version_info", None)
    if own_version is None:
        return f"{name} {version}"
    return f"{name} {'.'.join(map(str, own_version[:3]))}, Python {version}"


def can_run_client() -> bool:
    """Whether it has what the client is made of: a program started from memory, and files held by their place.

    The client needs much more of the kernel than the server, and would gain nothing on PyPy, which starts slowly.
    """
    return hasattr(os, "posix_spawnp") and hasattr(os, "O_PATH")


def missing_memory_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the collector is to be told: nothing where it cannot be, or the operator has."""
    if not IS_PYPY:
        return {}
    return {name: value for name, value in PYPY_MEMORY.items() if name not in environment}


def tell_collector(environment: MutableMapping[str, str]) -> None:
    """Begin anew in place of this process, where its collector had to be told something at its start."""
    if missing := missing_memory_settings(environment):
        environment.update(missing)
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606


def tune_collector() -> None:
    """Have CPython's cyclic collector look after 10,000 new objects, not 700, and PyPy's give back what it frees.

    A batch of requests makes 700, which all go by themselves when they are answered. Looking at them took 2 % of a
    request's time on a kept connection, and 7 % where it has a connection of its own. What exists before the first
    is kept out of all looks.

    PyPy's looks at the young ones at every turn, and that is cheap. What is left behind of the old ones the
    allocator keeps, in pieces: after some hours of many kinds of work, 20 to 40 MiB.
    """
    if hasattr(gc, "freeze"):
        gc.freeze()
        gc.set_threshold(10_000)
    if hasattr(gc, "hooks"):
        import ctypes  # which `--help` does without

        if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # malloc_trim(3), of glibc's
            gc.hooks.on_gc_collect = lambda _: trim(0)
