"""Child processes and process groups: ended by SIGTERM, then SIGKILL, and never waited for without a deadline."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import trio

from conductor_trio.grace import cancel_upon
from conductor_trio.limits.constants import GROUP_POLL_INTERVAL, KILL_TIMEOUT
from conductor_trio.net.procfs import group_states


@contextlib.contextmanager
def open_pipe() -> Iterator[tuple[int, int]]:
    """Open a pipe: its reading end does not block and is closed on leaving, the writing one is the caller's."""
    reading_end, writing_end = os.pipe()
    os.set_blocking(reading_end, False)
    try:
        yield reading_end, writing_end
    finally:
        os.close(reading_end)


def signal_group(group: int, number: int) -> bool:
    """Send a signal to every member; False where there is none left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # all that is left of it runs as someone else: none of ours
        return False
    return True


async def wait_group(process: trio.Process) -> None:
    """Wait until the process and every other member of the group that it leads have ended."""
    await process.wait()
    # No event tells that the last member of a group has gone, other than its leader.
    while _is_group_alive(process.pid):  # noqa: ASYNC110
        await trio.sleep(GROUP_POLL_INTERVAL)


def _is_group_alive(group: int) -> bool:
    """Whether a member runs. Dead ones do not count, which init reaps late, or in some containers never."""
    if not signal_group(group, 0):
        return False
    try:
        return any(member_of == group and state not in "ZX" for member_of, state in group_states())
    except OSError:  # no descriptor left to look
        return True


async def end_group(process: trio.Process, *, term_timeout: float, force_exit: trio.Event) -> None:
    """End a process and the group that it leads: SIGTERM, and SIGKILL after a grace, or upon `force_exit`.

    Takes `term_timeout` + `KILL_TIMEOUT` seconds at most, cancelled or not.
    """
    with trio.CancelScope(shield=True, deadline=trio.current_time() + term_timeout + KILL_TIMEOUT):
        if process.poll() is not None and not _is_group_alive(process.pid):
            return
        signal_group(process.pid, signal.SIGTERM)
        with trio.move_on_after(term_timeout):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_upon, force_exit, nursery.cancel_scope, name="wait for forced exit")
                await wait_group(process)
                nursery.cancel_scope.cancel()
        signal_group(process.pid, signal.SIGKILL)
        await process.wait()


async def end_process(process: trio.Process, *, term_timeout: float) -> None:
    """End a process and reap it: SIGTERM, and SIGKILL after a grace. Cancelled or not."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + term_timeout + KILL_TIMEOUT):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with trio.move_on_after(term_timeout):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
