"""Tasks that wait for what other processes have."""

from __future__ import annotations

import attrs
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.limits.server import ServerLimits
from conductor_trio.limits.workers import LEASE_DENIED_PAUSE
from conductor_trio.server.leases.terms import Kind
from tests.support.lending import Lending

LIMITS = ServerLimits(max_route_connections=10, worker_ack_timeout=1.0)


@attrs.define(eq=False)
class Session:
    """One with connections."""

    under_way: int = 0
    max_connections: int = 0


def make(limits: ServerLimits = LIMITS) -> tuple[Lending, Session]:
    lending = Lending(limits)
    session = Session(max_connections=lending.ours.part(Kind.ROUTE, "r"))
    lending.ours.hold_connections(Kind.ROUTE, {"r": session}.get)
    return lending, session


async def take(lending: Lending, session: Session) -> bool:
    while session.under_way >= session.max_connections:
        if not await lending.ours.obtain(Kind.ROUTE, "r"):
            return False
    session.under_way += 1
    return True


async def test_one_process_has_all_that_others_do_not_use(autojump_clock: MockClock) -> None:
    lending, session = make()
    assert session.max_connections == 2
    lending.used_there["r"] = 1
    assert [await take(lending, session) for _ in range(10)] == 9 * [True] + [False]
    assert session.under_way + lending.used_there["r"] == 10
    # What is free there by now is known a moment later.
    lending.used_there["r"] = 0
    assert not await take(lending, session)
    await trio.sleep(LEASE_DENIED_PAUSE)
    assert await take(lending, session)


async def test_who_waits_goes_without_where_nobody_lends_any_more(autojump_clock: MockClock) -> None:
    lending, session = make()
    lending.is_held_up = True
    taken: list[bool] = []

    async def come() -> None:
        taken.append(await take(lending, session))

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(come)
        await wait_all_tasks_blocked()
        lending.ours.deny_all()
    assert sorted(taken) == [False, False, True, True] and trio.current_time() == began


async def test_those_who_wait_for_the_same_ask_once_and_share_the_answer(autojump_clock: MockClock) -> None:
    lending, session = make()
    taken: list[bool] = []

    async def come() -> None:
        taken.append(await take(lending, session))

    lending.is_held_up = True
    async with trio.open_nursery() as nursery:
        for _ in range(12):
            nursery.start_soon(come)
        await wait_all_tasks_blocked()
        assert len(taken) == 2 and len(lending.lessor.outbox) == 1
        lending.is_held_up = False
        lending.deliver()
    assert sorted(taken) == 2 * [False] + 10 * [True]


async def test_what_somebody_has_waited_for_is_not_given_away_before_they_take_it(
    autojump_clock: MockClock,
) -> None:
    lending, session = make()
    session.under_way = session.max_connections = 2
    lending.is_held_up = True
    taken: list[bool] = []

    async def come() -> None:
        taken.append(await take(lending, session))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come)
        await wait_all_tasks_blocked()
        lending.is_held_up = False
        lending.deliver()
        session.under_way = 0  # so that nothing is needed but for whoever comes
        lending.ours.give_back()
        for _ in range(9):
            lending.theirs.want(Kind.ROUTE, "r", 1)
        session.under_way = session.max_connections - 1
        assert session.max_connections >= 1 and taken == []
    assert taken == [True]


async def test_nobody_waits_for_ever_for_a_control_process_that_is_gone(autojump_clock: MockClock) -> None:
    lending, session = make()
    lending.is_held_up = True
    assert await take(lending, session) and await take(lending, session)
    began = trio.current_time()
    assert not await take(lending, session)
    assert trio.current_time() - began == LIMITS.worker_ack_timeout


async def test_what_is_not_needed_any_more_is_given_back(autojump_clock: MockClock) -> None:
    lending, session = make()
    while await take(lending, session):
        pass
    session.under_way = 0
    lending.ours.give_back()
    lending.lessor.settle()
    lending.deliver()
    assert len(lending.lessor) == 0
    assert session.max_connections == lending.theirs.part(Kind.ROUTE, "r") == 2


async def test_what_will_be_needed_is_asked_for_before(autojump_clock: MockClock) -> None:
    lending, session = make()
    lending.ours.want(Kind.ROUTE, "r", 5)
    assert session.max_connections == 7
    lending.ours.want(Kind.ROUTE, "gone", 5)  # which nobody has any more
    assert lending.ours.part(Kind.ROUTE, "gone") == 7
