"""What is done to which hop, and what may come of it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import attrs
import trio

from scripts.attackers.__main__ import bounded_command
from scripts.attackers.ways import BOUNDED
from scripts.bench.machine import REPOSITORY
from tests.chaos.census import read_counters
from tests.chaos.processes import descriptors_of, find_all, kill, peers_of, stopped, wait_found
from tests.chaos.session import ClientEnded, Session
from tests.chaos.world import World
from tests.support.programs import PATIENCE, run_program, wait_until

#: For the owner to be live again once the hop is back, and over a link that was cut silently.
LIVE_TIMEOUT, LIVE_TIMEOUT_AFTER_CUT = 2.0, 30.0
#: For an answer to those who are asked beside an attacker: owners and visitors have to wait no longer than after a
#: fault. Bounded as it is, they wait for milliseconds; what this finds is somebody who stands still.
ANSWER_TIMEOUT = 2.0
#: For a silent cut to be noticed.
NOTICE_TIMEOUT = 30.0

_ATTACKS_AT_ONCE = 3
# README: what is removed is made again within 5 s.
_MADE_AGAIN_TIMEOUT = 6.0
_SPARE_DESCRIPTORS, _IDLE_CONNECTIONS = 10, 40

Find = Callable[[World, Session], Awaitable[list[int]]]
Strike = Callable[[World, Session, Random], Awaitable[None]]


@attrs.frozen(kw_only=True)
class Fault:
    """One way to strike: `strike` returns once the hop is back; it may raise `Breach`."""

    act: str
    hop: str
    strike: Strike
    #: Whether every session goes through the hop, or only the subject.
    is_shared: bool = False
    #: Whether the link of those who go through it is lost; the rest of a link must be kept.
    loses_link: bool = False
    #: Whether their WebSockets may end although the link is kept: an old server has a grace period only.
    loses_tunnels: bool = False
    #: Whether their requests may fail; otherwise they only wait. A WebSocket ends with its link, in any case.
    loses_requests: bool = False
    #: Whether the subject's client and application end.
    ends_session: bool = False
    #: Whether the application is told to end, and what it says then arrives.
    says_farewell: bool = False
    over_link: bool = False
    live_timeout: float = LIVE_TIMEOUT
    #: How long others may wait for one answer, where more than `PATIENCE` is asked of it.
    answer_timeout: float | None = None

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return f"{self.act}-{self.hop}"


class Breach(Exception):
    """Something did not hold; str() says what."""


# The hops, as the processes that they are made of.


async def _ssh(world: World, subject: Session) -> list[int]:
    return await wait_found(subject.find_ssh)


async def _sshd_session(world: World, subject: Session) -> list[int]:
    """Return sshd's processes for the subject's connection: the privileged one, and below it the user's."""
    return await wait_found(lambda: [sshd for ssh in subject.find_ssh() for sshd in peers_of(ssh)])


async def _sshd(world: World, subject: Session) -> list[int]:
    return find_all("sshd")


async def _application(world: World, subject: Session) -> list[int]:
    return [subject.application]


async def _client(world: World, subject: Session) -> list[int]:
    return [subject.pid]


async def _server(world: World, subject: Session) -> list[int]:
    return [world.gateway.pid]


# What is done to them.


def _killing(find: Find) -> Strike:
    async def strike(world: World, subject: Session, rng: Random) -> None:
        await kill(await find(world, subject))

    return strike


def _stopping(find: Find) -> Strike:
    async def strike(world: World, subject: Session, rng: Random) -> None:
        async with stopped(await find(world, subject)):
            await trio.sleep(rng.uniform(1.5, 3.5))

    return strike


async def _kill_sshd_session(world: World, subject: Session, rng: Random) -> None:
    pids = await _sshd_session(world, subject)
    await kill(rng.choice([pids, pids[-1:]]))


async def _kill_sshd_listener(world: World, subject: Session, rng: Random) -> None:
    world.chain.sshd.crash()
    await _start_sshd_again(world, rng)


async def _kill_sshd(world: World, subject: Session, rng: Random) -> None:
    await trio.to_thread.run_sync(world.chain.sshd.stop)
    await kill(find_all("sshd"))  # sessions that have outlived their listener
    await _start_sshd_again(world, rng)


async def _start_sshd_again(world: World, rng: Random) -> None:
    await trio.sleep(rng.uniform(0, 1))
    await trio.to_thread.run_sync(world.chain.sshd.start)


async def _kill_server(world: World, subject: Session, rng: Random) -> None:
    await world.gateway.end(signal.SIGKILL)
    await trio.sleep(rng.uniform(0, 1))
    await world.gateway.start()


async def _end_client(world: World, subject: Session, rng: Random) -> None:
    os.kill(subject.pid, rng.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP]))


async def _end_application(world: World, subject: Session, rng: Random) -> None:
    os.kill(subject.application, signal.SIGTERM)


async def _end_session(world: World, subject: Session, rng: Random) -> None:
    """Have the owner stop the session from elsewhere."""
    await subject.stop()


async def _hand_over_server(world: World, subject: Session, rng: Random) -> None:
    await world.gateway.hand_over()


async def _fill_server(world: World, subject: Session, rng: Random) -> None:
    """Leave the server no descriptor: visitors connect and say nothing, while it may have few more than now."""
    pid = world.gateway.pid
    before = _descriptor_limit(pid)
    said = world.gateway.server.program.err.lines
    heard = len(said)
    most = len(descriptors_of(pid)) + _SPARE_DESCRIPTORS
    await _limit_descriptors(world, most)
    try:
        async with AsyncExitStack() as idle:
            for _ in range(_IDLE_CONNECTIONS):
                await idle.enter_async_context(await trio.open_tcp_stream("127.0.0.1", world.gateway.port))
            # It closes idle connections for those to come, so that what it says lasts longer than the shortage.
            await wait_until(lambda: any("Too many open files" in line for line in said[heard:]))
            await trio.sleep(rng.uniform(1, 2))
    finally:
        with trio.move_on_after(PATIENCE, shield=True):
            await _limit_descriptors(world, before)


def _descriptor_limit(pid: int) -> str:
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    [soft] = [line.split()[3] for line in limits if line.startswith("Max open files")]
    return soft


async def _limit_descriptors(world: World, most: int | str) -> None:
    """Let the server have that many descriptors: its own user does, since root in a container often may not."""
    command = ["prlimit", f"--pid={world.gateway.pid}", f"--nofile={most}:"]
    done = await run_program(command, person=world.gateway.person)
    assert done.process.returncode == 0, done.err.text


async def _sweep_host(world: World, subject: Session, rng: Random) -> None:
    """Remove what the subject's client has in the temporary directory, sockets of ssh's and all."""
    held = {Path(path) for path in descriptors_of(subject.pid)}
    swept = {path for path in held if path.name.startswith("conductor-trio-") and path.is_dir()}
    for path in swept:
        await trio.to_thread.run_sync(shutil.rmtree, path, True)
    with trio.move_on_after(_MADE_AGAIN_TIMEOUT):  # a client that gives up makes nothing
        await wait_until(lambda: all(path.is_dir() and any(path.iterdir()) for path in swept))


async def _attack(world: World, subject: Session, rng: Random) -> None:
    """Have a tenant attack in some of the ways at once: a user, and an address, that nobody else has."""
    seconds = rng.uniform(1.5, 3.5)
    server = world.gateway.server
    hows = rng.sample(BOUNDED, _ATTACKS_AT_ONCE)
    command = bounded_command(hows, server.port, server.control_socket, seconds)
    done = await run_program(command, cwd=REPOSITORY)
    if done.process.returncode != 0:
        raise Breach(f"attackers ({', '.join(hows)}) could not attack: {done.err.text}")


async def _cut_link(world: World, subject: Session, rng: Random) -> None:
    """Cut it until after both ends have noticed, and the client has dialled again in vain."""
    assert world.link is not None
    carriers = await _sshd_session(world, subject)
    begin, mark = trio.current_time(), subject.mark
    world.link.cut()
    try:
        try:
            with trio.fail_after(NOTICE_TIMEOUT):
                await subject.wait_state("dead", mark)
        except (trio.TooSlowError, ClientEnded):
            raise Breach(f"the client has not noticed a silent cut within {NOTICE_TIMEOUT:g} s") from None
        await trio.sleep_until(begin + NOTICE_TIMEOUT)
        if not (await read_counters(world))["routesLost"]:
            raise Breach(f"the server has not noticed a silent cut within {NOTICE_TIMEOUT:g} s")
        await trio.sleep(rng.uniform(0, 5))
        # sshd finds out by its own ClientAliveInterval, which can take longer than a trial.
        await kill(carriers)
    finally:
        world.link.mend()


FAULTS = (
    Fault(act="kill", hop="ssh", strike=_killing(_ssh), loses_link=True),
    Fault(act="kill", hop="sshd-session", strike=_kill_sshd_session, loses_link=True),
    Fault(act="kill", hop="sshd-listener", strike=_kill_sshd_listener),
    Fault(act="kill", hop="sshd", strike=_kill_sshd, is_shared=True, loses_link=True),
    Fault(act="kill", hop="application", strike=_killing(_application), ends_session=True, loses_requests=True),
    Fault(act="kill", hop="client", strike=_killing(_client), ends_session=True, loses_requests=True),
    Fault(act="kill", hop="server", strike=_kill_server, is_shared=True, loses_link=True, loses_requests=True),
    Fault(act="end", hop="client", strike=_end_client, ends_session=True, loses_requests=True, says_farewell=True),
    Fault(
        act="end",
        hop="application",
        strike=_end_application,
        ends_session=True,
        loses_requests=True,
        says_farewell=True,
    ),
    Fault(
        act="end", hop="session", strike=_end_session, ends_session=True, loses_requests=True, says_farewell=True
    ),
    Fault(act="replace", hop="server", strike=_hand_over_server, is_shared=True, loses_tunnels=True),
    Fault(act="stop", hop="ssh", strike=_stopping(_ssh)),
    Fault(act="stop", hop="sshd-session", strike=_stopping(_sshd_session)),
    Fault(act="stop", hop="sshd", strike=_stopping(_sshd), is_shared=True),
    Fault(act="stop", hop="application", strike=_stopping(_application)),
    Fault(act="stop", hop="client", strike=_stopping(_client)),
    Fault(act="stop", hop="server", strike=_stopping(_server), is_shared=True),
    Fault(act="sweep", hop="host", strike=_sweep_host, loses_requests=True),
    Fault(act="fill", hop="server", strike=_fill_server, is_shared=True, loses_requests=True),
    Fault(act="attack", hop="server", strike=_attack, answer_timeout=ANSWER_TIMEOUT),
    Fault(
        act="cut",
        hop="link",
        strike=_cut_link,
        over_link=True,
        loses_link=True,
        loses_requests=True,
        live_timeout=LIVE_TIMEOUT_AFTER_CUT,
    ),
)
