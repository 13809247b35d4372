"""The interpreter that runs us: what it is, and how its memory is managed.

On PyPy the server takes about half the processor's time for a request, once it is warm, and four times the memory.
What interpreters differ in is asked here and in `net.kernel`, by `hasattr`, and nowhere else.
"""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import sys
from collections.abc import Iterator, Mapping, MutableMapping

#: Whether this is PyPy.
IS_PYPY = hasattr(sys, "pypy_version_info")
#: Whether the collector, once tuned, leaves old garbage until `collect_all`.
LEAVES_GARBAGE = hasattr(gc, "freeze")
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")

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


#: The file that holds the whole program, where it is one (`make pyz`): its `__main__` says so.
_ARCHIVE: str | None = getattr(sys.modules.get("__main__"), "ARCHIVE", None)


def module_command(module: str) -> tuple[str, ...]:
    """Return the command that runs a module of ours in a process of its own, wherever it is started."""
    # -P keeps the working directory from being searched for it.
    start = ("-m",) if _ARCHIVE is None else (_ARCHIVE, "-m")
    return (sys.executable, "-P", *start, module)


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


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Within, imports; the cyclic garbage collector does not look at what they make, neither now nor later.

    They make no garbage, and looking for it is 3 % of a client's start.
    """
    gc.disable()
    try:
        yield
    finally:
        _freeze()
        gc.enable()


def tune_collector() -> None:
    """Have CPython's cyclic collector look at each object once at most, and PyPy's give back what it frees.

    CPython's looks after 4,000 new objects, not 700: a batch of requests makes that many, which go by themselves.

    Nobody is served while it looks: at 100,000 objects, as thousands of connections have, for 50 to 100 ms, which
    whoever opens connections can bring about again and again; at 4,000 for half a millisecond. So what it has
    looked at is kept out of all further looks, until `collect_all`: nearly all garbage goes by itself, without the
    collector, and what a batch of requests leaves for it is young.

    PyPy's looks at the young ones at every turn, and that is cheap. What is left behind of the old ones the
    allocator keeps, in pieces: after some hours of many kinds of work, 20 to 40 MiB.
    """
    if _freeze():
        gc.set_threshold(4_000)
        gc.callbacks.append(_keep_out)
    if hasattr(gc, "hooks"):
        gc.hooks.on_gc_collect = lambda _: give_back_memory()


def _keep_out(phase: str, info: Mapping[str, int]) -> None:
    if phase == "stop":
        gc.freeze()


def resident_memory() -> int:
    """Return how much memory the process has, in bytes (proc_pid_statm(5))."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE_SIZE


def give_back_memory() -> None:
    """Have the allocator give back what is free: of thousands of handshakes of TLS it keeps hundreds of MiB."""
    import ctypes  # which `--help` does without

    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # malloc_trim(3), of glibc's
        trim(0)


def collect_young() -> None:
    """Have the collector look at what is young while much goes, which it takes off its count of what is new.

    It would look later, and at a hundred thousand in one go.
    """
    if hasattr(gc, "freeze"):
        gc.collect(0)


def collect_all() -> None:
    """Have the collector look at all objects, which takes some 50 ms for 100,000 of them."""
    if hasattr(gc, "freeze"):
        gc.unfreeze()
    gc.collect()


def _freeze() -> bool:
    """Keep what exists out of all looks; False where the collector knows nothing of the kind."""
    if not hasattr(gc, "freeze"):
        return False
    gc.freeze()
    return True
