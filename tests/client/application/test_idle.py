"""The idle time-out: the end of what nobody uses, the warning before, and the veto."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from conductor_trio.client.application.idle import IdleClock, IdleWatch
from conductor_trio.client.host.held_socket import HeldSocket
from conductor_trio.limits.client import ClientLimits
from tests.doubles.client_command import UPPERCASE_APPLICATION, RunningClient, open_client
from tests.doubles.control_server import ControlServer, Session, open_control_server
from tests.doubles.fake_server import RecordedOutput

PING = 10.0
HOURS = 3600.0

ALL = ["owner", "resume", "starting"]


# The clock.


@given(
    st.lists(
        st.tuples(
            st.floats(0.5, 30), st.lists(st.tuples(st.floats(9, 11), st.booleans()), min_size=1, max_size=8)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_only_time_with_a_link_and_without_traffic_counts(
    links: list[tuple[float, list[tuple[float, bool]]]],
) -> None:
    """Each link begins after a while without one, and its pings tell how long ago the last traffic was noticed."""
    clock, now, expected = IdleClock(), 1000.0, 0.0
    for outage, pings in links:
        now += outage
        clock.begin(now)
        active_at = now
        for interval, is_active in pings:
            now += interval
            if is_active:
                active_at = now
            assert clock.hear(round(now - active_at, 1), now) is is_active
            expected = 0.0 if is_active else expected + interval
            assert clock.idle == pytest.approx(expected, abs=0.1)


def test_a_link_that_is_slower_one_way_is_no_traffic() -> None:
    clock = IdleClock()
    clock.begin(0.0)
    assert not clock.hear(9.3, 10.0)
    assert not clock.hear(19.3, 20.0)
    assert clock.idle == 20.0


# The watch.


class Watched:
    """An application that is watched, and the server's pings about it."""

    def __init__(self, limit: float) -> None:
        self.output = RecordedOutput()
        self.is_ready = True
        self.reasons: list[str] = []
        self.told = 0.0
        self.watch = IdleWatch(
            limit,
            self.output,
            limits=ClientLimits(),
            busy=None,
            socket=HeldSocket("/app.sock"),
            is_ready=lambda: self.is_ready,
            stop=self.reasons.append,
        )
        self.watch.begin()

    async def pass_time(self, seconds: float, *, used: bool = False) -> None:
        """Let time pass, and the server ping meanwhile."""
        end = trio.current_time() + seconds
        while trio.current_time() < end and not self.reasons:
            await trio.sleep(PING)
            self.told = 0.0 if used else self.told + PING
            self.watch.hear(self.told)
            await trio.testing.wait_all_tasks_blocked()

    @property
    def states(self) -> list[str]:
        return [event["state"] for event in self.output.events]


@asynccontextmanager
async def open_watch(limit: float) -> AsyncIterator[Watched]:
    """Watch an application."""
    watched = Watched(limit)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.watch.run)
        yield watched
        nursery.cancel_scope.cancel()


async def test_it_ends_after_a_warning(autojump_clock: MockClock) -> None:
    async with open_watch(2 * HOURS) as watched:
        await watched.pass_time(1.8 * HOURS - PING)
        assert not watched.output.events
        await watched.pass_time(PING)
        (warning,) = watched.output.events
        assert (warning["state"], warning["for"], warning["in"]) == ("idle", 6480, 720)
        await watched.pass_time(0.2 * HOURS - PING)
        assert not watched.reasons
        await watched.pass_time(PING)
        assert watched.reasons == ["nobody has used it for 2 h 0 min"]
        assert watched.states == ["idle"]


@pytest.mark.parametrize(("limit", "warned_at"), [(300.0, 240.0), (60.0, 30.0), (24 * HOURS, 21.6 * HOURS)])
async def test_the_warning_comes_in_time(autojump_clock: MockClock, limit: float, warned_at: float) -> None:
    async with open_watch(limit) as watched:
        await watched.pass_time(warned_at - PING)
        assert not watched.output.events
        await watched.pass_time(PING)
        assert watched.states == ["idle"]


async def test_a_visitor_keeps_it_and_takes_the_warning_back(autojump_clock: MockClock) -> None:
    async with open_watch(2 * HOURS) as watched:
        for _ in range(3):
            await watched.pass_time(1.9 * HOURS)
            await watched.pass_time(PING, used=True)
        assert watched.states == ["idle"] * 6
        assert watched.output.events[-1] == {"state": "idle", "for": 0, "in": None, "ends": None}
        assert not watched.reasons
        await watched.pass_time(math.inf)
        assert watched.reasons


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
async def test_a_clock_that_is_set_changes_no_deadline_and_what_is_told_follows_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    async with open_watch(2 * HOURS) as watched:
        await watched.pass_time(1.8 * HOURS)
        (warning,) = watched.output.events
        wall = time.time()
        assert watched.watch.hear(watched.told) == pytest.approx(warning["ends"], abs=60)
        monkeypatch.setattr("conductor_trio.client.application.idle.time.time", lambda: wall + jump)
        await watched.pass_time(0.1 * HOURS)
        assert watched.watch.hear(watched.told) == pytest.approx(wall + jump + 0.1 * HOURS, abs=60)
        await watched.pass_time(0.1 * HOURS - PING)
        assert not watched.reasons
        await watched.pass_time(PING)
        assert watched.reasons


async def test_the_time_until_it_is_ready_does_not_count(autojump_clock: MockClock) -> None:
    async with open_watch(2 * HOURS) as watched:
        watched.is_ready = False
        await watched.pass_time(5 * HOURS)
        watched.is_ready = True
        await watched.pass_time(2 * HOURS - PING)
        assert not watched.reasons
        await watched.pass_time(PING)
        assert watched.reasons


async def test_pings_that_fail_to_come_end_nothing(autojump_clock: MockClock) -> None:
    async with open_watch(2 * HOURS) as watched:
        await watched.pass_time(1.7 * HOURS)
        await trio.sleep(24 * HOURS)
        watched.watch.begin()
        watched.told = 0.0
        await watched.pass_time(0.2 * HOURS)
        assert watched.states == ["idle"]
        assert not watched.reasons


# The whole client.


@asynccontextmanager
async def open_idle(
    directory: Path, *options: str, extensions: list[str] = ALL
) -> AsyncIterator[tuple[RunningClient, ControlServer]]:
    """Run a client with these options, and the server that it dials."""
    local = directory / "app.sock"
    async with open_control_server(directory, extensions=extensions) as server:
        words = [*options, str(server.path), str(local), "--", *UPPERCASE_APPLICATION, str(local)]
        async with open_client(words) as client:
            yield client, server


async def ping(session: Session, until: Callable[[], bool]) -> None:
    """Ping often, and tell that nobody comes."""
    begun = trio.current_time()
    with trio.fail_after(20):
        while not until() and not session.ended.is_set():
            await session.send(event="ping", idle=round(trio.current_time() - begun, 1) + 0.1)
            await trio.sleep(0.05)


async def test_an_application_that_nobody_uses_is_ended(short_tmp: Path) -> None:
    async with open_idle(short_tmp, "--idle", "1s") as (client, server):
        session = await server.next_session()
        assert session.registration["extensions"] == ["owner", "resume"]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ping, session, lambda: False)
            assert await client.finish() == 0
        assert client.states[-4:] == ["live", "idle", "stopping", "exit"]
        (stopping,) = client.all("stopping")
        assert stopping == {"state": "stopping", "by": "idle", "reason": "nobody has used it for 1 s"}
        assert client.all("exit") == [{"state": "exit", "status": -signal.SIGTERM}]
        # The gateway was told, too.
        [idle] = client.all("idle")
        assert {told.get("ends") and round(told["ends"]) for told in session.told if told["event"] == "pong"} == {
            None,
            idle["ends"],
        }


async def test_a_command_can_veto(short_tmp: Path) -> None:
    asked = short_tmp / "asked"
    busy = f'echo "$CONDUCTOR_SOCKET" "$CONDUCTOR_TOKEN" >>{asked}; [ "$(wc -l <{asked})" -lt 3 ]'
    async with open_idle(short_tmp, "--idle", "0.2s", "--busy", busy) as (client, server):
        session = await server.next_session()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ping, session, lambda: False)
            assert await client.finish() == 0
        # Asked again after each veto, and once more after the last warning.
        assert asked.read_text().split() == [str(short_tmp / "app.sock")] * 4
        assert ["busy" in event for event in client.all("idle")] == [False, True, False]
        assert client.states[-1] == "exit"


async def test_a_command_that_cannot_be_asked_is_no_reason_to_end(short_tmp: Path) -> None:
    async with open_idle(short_tmp, "--idle", "0.2s", "--busy", "no-such-program") as (client, server):
        session = await server.next_session()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ping, session, lambda: len(client.all("warning")) == 2)
            for _ in range(2):
                assert "--busy cannot be asked (status 127)" in (await client.wait_for("warning"))["reason"]
        assert not client.all("stopping")


@pytest.mark.parametrize("extensions", [[], ["resume"]])
async def test_a_server_that_does_not_tell_is_named(short_tmp: Path, extensions: list[str]) -> None:
    async with open_idle(short_tmp, "--idle", "2h", extensions=extensions) as (client, _):
        assert await client.finish() == 1
        (failed,) = client.all("failed")
        assert "--idle" in failed["reason"] and "newer" in failed["reason"]


@pytest.mark.parametrize(
    ("options", "words"), [(["--idle", "soon"], "write it as"), (["--busy", "true"], "give both")]
)
async def test_wrong_usage(options: list[str], words: str) -> None:
    async with open_client([*options, "gw", "/app.sock", "--", "true"]) as client:
        assert await client.finish() == 2
        assert words in await client.said()


async def test_the_owner_stops_it_from_elsewhere(short_tmp: Path) -> None:
    async with open_idle(short_tmp) as (client, server):
        session = await server.next_session()
        assert session.registration["node"]
        assert session.registration["until"] is None
        await session.say("stop")
        assert await client.finish() == 0
        assert client.states[-2:] == ["stopping", "exit"]
        assert client.all("stopping")[0]["by"] == "owner"
        assert "leave" in session.said


async def test_the_end_of_its_batch_job_is_told(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1800000000")
    async with open_idle(short_tmp) as (_, server):
        assert (await server.next_session()).registration["until"] == 1_800_000_000
