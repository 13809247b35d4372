"""Groups of processes, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial

import pytest
import trio
import trio.testing

from conductor_trio.net import process
from conductor_trio.net.procfs import group_states
from tests.doubles.client_command import python, shell
from tests.support.descriptors import no_descriptor_left

# Says when it is ready, so that no signal comes before its handler stands.
STUBBORN = shell("trap '' TERM; echo ready; while :; do sleep 1000; done")


async def start(command: list[str]) -> trio.Process:
    child = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    assert await child.stdout.receive_some(100) == b"ready\n"
    await child.stdout.aclose()
    return child


def is_group_alive(group: int) -> bool:
    """Whether a process of the group runs, apart from those that are dead and were not reaped."""
    return any(member_of == group and state not in "ZX" for member_of, state in group_states())


@pytest.fixture
def force_exit() -> trio.Event:
    return trio.Event()


async def test_a_group_that_obeys_ends_by_sigterm(force_exit: trio.Event) -> None:
    child = await start(shell("echo ready; sleep 1000; sleep 1000"))
    await process.end_group(child, term_timeout=10, force_exit=force_exit)
    assert child.returncode == -signal.SIGTERM
    assert not is_group_alive(child.pid)


async def test_a_group_that_does_not_obey_is_killed_after_the_grace(force_exit: trio.Event) -> None:
    child = await start(STUBBORN)
    started = trio.current_time()
    await process.end_group(child, term_timeout=0.2, force_exit=force_exit)
    assert child.returncode == -signal.SIGKILL
    assert trio.current_time() - started >= 0.2


async def test_a_group_ends_without_a_descriptor_to_look_at_it(force_exit: trio.Event) -> None:
    # Its leader goes at once, and what it leaves does not.
    child = await start(shell("(trap '' TERM; echo ready; while :; do sleep 1000; done) & wait"))
    with no_descriptor_left():
        await process.end_group(child, term_timeout=0.2, force_exit=force_exit)
    with trio.fail_after(20):
        while is_group_alive(child.pid):  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_hurry_cuts_the_grace_short(force_exit: trio.Event) -> None:
    child = await start(STUBBORN)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(process.end_group, child, term_timeout=1000, force_exit=force_exit))
        await trio.testing.wait_all_tasks_blocked()
        assert child.poll() is None
        force_exit.set()
    assert child.returncode == -signal.SIGKILL


async def test_children_that_outlive_the_leader_are_ended(force_exit: trio.Event) -> None:
    child = await start(shell("sleep 1000 >/dev/null & echo ready"))
    assert await child.wait() == 0
    assert is_group_alive(child.pid)
    await process.end_group(child, term_timeout=10, force_exit=force_exit)
    assert not is_group_alive(child.pid)


async def test_a_cancelled_end_is_an_end(force_exit: trio.Event) -> None:
    child = await start(shell("echo ready; sleep 1000"))
    with trio.CancelScope() as scope:
        scope.cancel()
        await process.end_group(child, term_timeout=10, force_exit=force_exit)
    assert child.returncode == -signal.SIGTERM


async def test_end_process_kills_what_does_not_obey() -> None:
    child = await start(
        python("import signal; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); signal.pause()")
    )
    await process.end_process(child, term_timeout=0.2)
    assert child.returncode == -signal.SIGKILL
    await process.end_process(child, term_timeout=1)  # once more does nothing


async def test_a_pipe_closes_its_reading_end() -> None:
    with process.open_pipe() as (reading, writing):
        os.close(writing)
        assert os.read(reading, 1) == b""
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.read(reading, 1)
