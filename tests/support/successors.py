"""Servers that take over from one another, and what they logged about it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.support.programs import PATIENCE, Event, Program, Server, wait_gone, wait_until


def entries(program: Program, event: str) -> list[Event]:
    """Return what the servers have logged under that name so far."""
    logged = [json.loads(line) for line in program.err.lines if line.startswith("{")]
    return [entry for entry in logged if entry["event"] == event]


@asynccontextmanager
async def ending_successors(program: Program) -> AsyncIterator[None]:
    """End on leaving whatever server has listened, though none but the first is our child."""
    try:
        yield
    finally:
        for entry in entries(program, "listening"):
            if entry["pid"] != program.process.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(entry["pid"], signal.SIGTERM)
                with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE):
                    await wait_gone(entry["pid"])


async def upgrade(server: Server) -> int:
    """Have the server that serves now start its successor, and return that one's id once it serves."""
    serving = entries(server.program, "listening")
    handed = len(entries(server.program, "handed_over"))
    os.kill(serving[-1]["pid"], signal.SIGHUP)
    await wait_until(lambda: len(entries(server.program, "handed_over")) > handed)
    # Two processes write these lines, each by a thread of its own, so that they come in any order.
    await wait_until(lambda: len(entries(server.program, "listening")) > len(serving))
    pid = entries(server.program, "listening")[-1]["pid"]
    assert pid != serving[-1]["pid"]
    return int(pid)
