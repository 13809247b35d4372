"""What there is at a moment without visitors, and how it differs from what there was before."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import trio

from tests.chaos.processes import Usage, tell_machine, usage_by_name
from tests.chaos.world import World
from tests.support.programs import ask

#: For everything to be as before, in seconds. Kept connections to an application take 4 of them (`ServerLimits`).
SETTLE_TIMEOUT = 5.0
# After which it is left over, and not just late.
_LEFT_TIMEOUT = 30.0
_PAUSE = 0.1

# Trio keeps a thread that has nothing to do for 10 s; these look up names, or start processes.
_SPARE_THREADS = 8
# What an allocator keeps; a process that leaks exceeds it in a few of the many trials.
_SPARE_MEMORY = 8 * 1024 * 1024

_MIB = 1024 * 1024

# The server's counters of what is now, and not of what has been.
_GAUGES = ("requestActive", "routesTotal", "routesLost", "requestsHeld", "internalErrors")


@attrs.frozen(kw_only=True)
class Census:
    """Counts: `usage` by the names of the processes, `things` by what they are."""

    usage: dict[str, Usage]
    things: dict[str, int]

    def excess_over(self, before: Census) -> list[str]:
        """Return what there is more of than before, and which of the things there is less of."""
        found = []
        for name, usage in self.usage.items():
            had = before.usage.get(name, Usage())
            for what, count, most in (
                ("processes", usage.processes, had.processes),
                ("descriptors", usage.descriptors, had.descriptors),
                ("threads", usage.threads, had.threads + _SPARE_THREADS * had.processes),
                ("MiB", usage.memory // _MIB, (had.memory + _SPARE_MEMORY * had.processes) // _MIB),
            ):
                if count > most:
                    found.append(f"{name}: {count} {what}, not {most}")
        for what, count in self.things.items():
            if count != before.things[what]:
                found.append(f"{what}: {count}, not {before.things[what]}")
        return found


async def read_counters(world: World) -> dict[str, int]:
    """Return what the server counts."""
    answer = await ask(world.gateway.port, "chaos.localhost", "/_conductor/status")
    counters: dict[str, int] = json.loads(answer.body)
    return counters


async def take_census(world: World) -> Census:
    """Count everything."""
    counters = await read_counters(world)
    runtime_dir = world.gateway.runtime_dir
    homes = [world.chain.home(resident.person) for resident in world.residents]
    return Census(
        usage=usage_by_name(),
        things={
            **{name: counters[name] for name in _GAUGES},
            "session directories": len(world.chain.server.session_directories),
            "relay sockets": _listening_below(runtime_dir),
            "files at home": sum(len(list(home.iterdir())) for home in set(homes)),
        },
    )


async def wait_settled(world: World, before: Census) -> list[str]:
    """Wait until everything is as before, and return what is not within the time that it has.

    What is as before after all says when: a machine that is too busy is late, a leak is there for ever.
    """
    begin = trio.current_time()
    late: list[str] = []
    while excess := await _find_excess(world, before):
        took = trio.current_time() - begin
        if took >= _LEFT_TIMEOUT:
            return excess
        if took >= SETTLE_TIMEOUT and not late:
            late = excess
        await trio.sleep(_PAUSE)
    took = trio.current_time() - begin
    return [f"{what} until {took:.1f} s after the trial, on {tell_machine()}" for what in late]


async def _find_excess(world: World, before: Census) -> list[str]:
    try:
        return (await take_census(world)).excess_over(before)
    except (OSError, trio.BrokenResourceError) as error:
        return [f"the server does not tell its counters: {error}"]


def _listening_below(directory: Path) -> int:
    """Return how many UNIX sockets listen below a directory."""
    # Whoever else is on this machine may have given a socket any name.
    rows = [line.split() for line in Path("/proc/net/unix").read_bytes().split(b"\n")[1:]]
    accepts_connections = b"00010000"  # __SO_ACCEPTCON, <linux/net.h>
    below = f"{directory}/sockets/".encode()
    return sum(len(row) > 7 and row[3] == accepts_connections and row[7].startswith(below) for row in rows)
