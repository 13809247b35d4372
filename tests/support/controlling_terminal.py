"""Programs that a user would start at a terminal: it is theirs, so that what is typed comes to them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import trio

from tests.doubles.terminal import Terminal


@contextlib.asynccontextmanager
async def open_at_terminal(
    command: Sequence[str | Path], terminal: Terminal, environment: Mapping[str, str] | None = None
) -> AsyncIterator[trio.Process]:
    """Run a program in the foreground of the terminal; asked to end on leaving, if it has not ended yet."""
    process = await trio.lowlevel.open_process(
        ["setsid", "--ctty", *map(str, command)],
        stdin=terminal.descriptor,
        stdout=terminal.descriptor,
        stderr=terminal.descriptor,
        env=dict(os.environ if environment is None else environment),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        with trio.fail_after(20, shield=True):
            await process.wait()
