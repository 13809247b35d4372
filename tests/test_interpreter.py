"""What runs the server is told, and PyPy's collector is told at its start what suits a server."""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from conductor_trio import interpreter
from conductor_trio.interpreter import IS_PYPY

MIB = 1024 * 1024
SETTINGS = dict.fromkeys(interpreter.PYPY_MEMORY, "")


def test_an_interpreter_s_name_and_version_are_told() -> None:
    told = interpreter.describe_interpreter()
    assert told.startswith(platform.python_implementation())
    assert told.endswith(platform.python_version())


def test_what_the_operator_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "pypy_version_info", (7, 3, 19, "final", 0), raising=False)
    monkeypatch.setattr(interpreter, "IS_PYPY", True)
    assert interpreter.missing_memory_settings({"PYPY_GC_NURSERY": "4M"}) == {
        name: value for name, value in interpreter.PYPY_MEMORY.items() if name != "PYPY_GC_NURSERY"
    }
    assert not interpreter.missing_memory_settings(SETTINGS)
    assert interpreter.describe_interpreter().startswith(f"{platform.python_implementation()} 7.3.19, Python 3.")


def test_a_module_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "conductor_trio").mkdir()  # in the working directory, which is not meant
    command = interpreter.module_command("conductor_trio.interpreter")
    assert command[:2] == (sys.executable, "-P")
    subprocess.run(command, check=True, cwd=tmp_path)


@pytest.mark.skipif(IS_PYPY, reason="CPython's collector is told nothing")
def test_nothing_begins_anew_where_nothing_has_to_be_told() -> None:
    environment: dict[str, str] = {}
    interpreter.tell_collector(environment)
    assert not environment


def test_a_process_begins_anew_once_at_most_with_its_own_command_line() -> None:
    program = (
        "import os, sys\n"
        "from conductor_trio.interpreter import PYPY_MEMORY, tell_collector\n"
        "tell_collector(os.environ)\n"
        "print(sys.argv[1:], [name for name in PYPY_MEMORY if name in os.environ])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-c", program, "a b", "--c"],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == [f"['a b', '--c'] {list(interpreter.PYPY_MEMORY) if IS_PYPY else []}"]


def test_the_collector_does_not_look_at_what_is_imported() -> None:
    try:
        with interpreter.importing():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert IS_PYPY or gc.get_freeze_count()
        with pytest.raises(ImportError), interpreter.importing():
            raise ImportError
        assert gc.isenabled()
    finally:
        if not IS_PYPY:
            gc.unfreeze()


@pytest.fixture
def young_only() -> Iterator[None]:
    """Have the collector look at young objects only, within."""
    before = () if IS_PYPY else gc.get_threshold()
    try:
        interpreter.tune_collector()
        yield
    finally:
        if before:
            gc.set_threshold(*before)
            gc.callbacks.pop()
            gc.unfreeze()


def count_looks() -> int:
    return int(sum(looks["collections"] for looks in gc.get_stats()))


@pytest.mark.skipif(IS_PYPY, reason="its collector is another")
def test_the_collector_looks_at_no_object_twice(young_only: None) -> None:
    looks = count_looks()
    kept = [[number] for number in range(100_000)]
    assert count_looks() - looks >= 20
    assert sum(gc.get_count()) < 5000  # younger ones than the last look
    assert len(gc.get_objects()) < 5000
    assert gc.get_freeze_count() > len(kept)


def test_what_it_did_not_look_at_again_is_collected_in_the_end(young_only: None) -> None:
    class Cycle:
        """Refers to itself."""

        def __init__(self) -> None:
            self.own = self

    cycle = Cycle()
    gone = weakref.ref(cycle)
    gc.collect(0)
    del cycle
    interpreter.collect_all()
    assert gone() is None


@pytest.mark.skipif(not IS_PYPY, reason="its collector is another")
def test_memory_that_the_collector_frees_is_given_back() -> None:
    interpreter.tune_collector()
    hooks = getattr(gc, "hooks", None)
    assert hooks is not None and hooks.on_gc_collect is not None
    rubbish = [bytearray(100_000) for _ in range(3000)]
    assert (most := interpreter.resident_memory()) > 286 * MIB
    del rubbish
    gc.collect()
    assert interpreter.resident_memory() < most - 200 * MIB


@pytest.mark.skipif(not IS_PYPY, reason="it runs the client")
@pytest.mark.parametrize("words", [["gw", "--", "true"], ["ls", "gw"]])
def test_the_client_says_at_once_that_it_does_not_run_there(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conductor_trio", *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("conductor-trio: the client does not run on PyPy ")


@pytest.mark.skipif(IS_PYPY, reason="it does not run the client")
def test_who_runs_the_client_has_all_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert interpreter.can_run_client()
    monkeypatch.delattr(os, "posix_spawnp")
    assert not interpreter.can_run_client()


@pytest.mark.skipif(IS_PYPY, reason="its bytes are its own collector's")
def test_free_memory_is_given_back() -> None:
    pieces = [bytes(2000) for _ in range(20_000)]  # more than Python manages by itself: the C library does
    last = bytes(2000)  # behind them, so that the heap does not just end sooner
    held = interpreter.resident_memory()
    pieces.clear()
    interpreter.give_back_memory()
    assert interpreter.resident_memory() < held - 20 * MIB
    del last
