"""The host of all sessions: how many it admits, and that whatever ends one, or all, leaves nothing."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from conductor_trio.server.accounts.quotas import SessionQuotas
from tests.support.descriptors import open_descriptors
from tests.support.session_bench import (
    LIMITS,
    PATIENCE,
    USER,
    Bench,
    Client,
    open_bench,
)

# How many.


async def test_the_control_socket_is_open_to_all(bench: Bench) -> None:
    assert stat.S_IMODE(bench.control_socket.stat().st_mode) == 0o777


async def test_a_reply_that_is_not_read(bench: Bench, mock_clock: trio.testing.MockClock) -> None:
    with bench.socket_pair() as (server_end, _client):
        server_end.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                server_end.send(b" " * 4096)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.host.serve, server_end, "")
            # The thread that looks the user's name up takes a while, and is no deadline's business.
            with trio.fail_after(PATIENCE):
                while not bench.session_directories:  # noqa: ASYNC110
                    await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(LIMITS.control_send_timeout - 1)
            await trio.testing.wait_all_tasks_blocked()
            assert bench.session_directories
            mock_clock.jump(1)
    bench.assert_idle()


async def test_a_user_has_so_many_sessions_and_no_more(runtime_dir: Path) -> None:
    limits = attrs.evolve(LIMITS, max_user_sessions=2)
    async with open_bench(runtime_dir, limits=limits) as bench:
        with bench.connect() as one, bench.connect() as two:
            await one.go_live()
            await two.greet()
            with bench.connect() as three:
                answer = await three.receive()
                assert answer is not None and answer["status"] == "error"
                assert "you have 2 sessions" in answer["reason"] and "end one" in answer["reason"]
                assert await three.receive() is None
            assert len(bench.session_directories) == 2
        with bench.connect() as four:
            await four.go_live()


async def test_the_gateway_has_so_many_sessions_and_no_more(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir, limits=attrs.evolve(LIMITS, max_sessions=1)) as bench:
        with bench.connect() as one:
            await one.go_live()
            with bench.connect() as two:
                answer = await two.receive()
                assert answer is not None and "no room" in answer["reason"]


async def test_a_user_opens_so_many_in_a_minute_and_no_more(
    runtime_dir: Path, mock_clock: trio.testing.MockClock
) -> None:
    limits = attrs.evolve(LIMITS, max_user_new_sessions=3)
    async with open_bench(runtime_dir, limits=limits) as bench:

        async def open_and_leave() -> str | None:
            with bench.connect() as client:
                greeting = await client.receive()
                assert greeting is not None
                reason: str | None = greeting.get("reason")
                return reason

        for _ in range(3):
            assert await open_and_leave() is None
        reason = await open_and_leave()
        assert reason is not None and "3 sessions" in reason and "minute" in reason
        assert bench.context.counters.refused == 1
        mock_clock.jump(61)
        for _ in range(3):
            assert await open_and_leave() is None
        await trio.testing.wait_all_tasks_blocked()


async def test_of_connections_that_register_nothing_a_user_has_fewer(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir, limits=attrs.evolve(LIMITS, max_user_unregistered=2)) as bench:
        with bench.connect() as one, bench.connect() as two:
            await one.greet()
            await two.greet()
            with bench.connect() as three:
                answer = await three.receive()
                assert answer is not None and "registered nothing" in answer["reason"]
            one.listen()
            assert (await one.register())["status"] == "ok"
            with bench.connect() as four:
                await four.greet()


async def test_the_last_descriptors_are_not_for_clients(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir, limits=attrs.evolve(LIMITS, max_client_descriptor=1)) as bench:
        with bench.connect() as client:
            answer = await client.receive()
            assert answer is not None and answer["reason"].startswith("the gateway has no descriptor left")
            assert await client.receive() is None


async def test_of_one_user_no_more_wait_for_their_turn_than_may_have_sessions(runtime_dir: Path) -> None:
    """Or one who connects again and again would take all descriptors, without a word."""
    async with open_bench(runtime_dir, limits=attrs.evolve(LIMITS, max_user_sessions=3)) as bench:
        ledger = bench.context.ledger
        account = ledger.user(os.getuid())
        for one in (account, ledger.user("another")):
            one.note_wish()
        account.caught_up_at = ledger.fairness.now() + 1e9
        with contextlib.ExitStack() as crowd:
            clients = [crowd.enter_context(bench.connect()) for _ in range(10)]
            await trio.testing.wait_all_tasks_blocked()
            assert bench.context.counters.refused == 7
            ended = []

            async def hear_end(client: Client) -> None:
                assert await client.receive() is None
                ended.append(client)

            async with trio.open_nursery() as nursery:
                for client in clients:
                    nursery.start_soon(hear_end, client)
                await trio.testing.wait_all_tasks_blocked()
                assert len(ended) == 7
                nursery.cancel_scope.cancel()


async def test_in_all_no_more_wait_for_their_turn_than_there_may_be_sessions() -> None:
    quotas = SessionQuotas(attrs.evolve(LIMITS, max_user_sessions=2, max_sessions=3))
    with contextlib.ExitStack() as stack:
        has_room = [stack.enter_context(quotas.arriving(uid)) for uid in (1, 1, 1, 2, 3)]
        assert has_room == [True, True, False, False, False]
    with quotas.arriving(1) as has_room_again:
        assert has_room_again


async def test_of_those_who_are_refused_most_are_told_and_no_more_than_a_few_waited_for(runtime_dir: Path) -> None:
    limits = attrs.evolve(LIMITS, max_user_sessions=1, max_user_refused=2)
    async with open_bench(runtime_dir, limits=limits) as bench:
        with contextlib.ExitStack() as crowd, bench.connect() as one:
            await one.greet()
            clients = [crowd.enter_context(bench.connect()) for _ in range(6)]
            answers = [await client.receive() for client in clients]
            assert sum(answer is not None for answer in answers) >= 2


# What it holds.


async def test_half_a_line_is_charged_to_its_user_and_too_much_of_it_ends_one(runtime_dir: Path) -> None:
    limits = attrs.evolve(LIMITS, max_account_held=50_000)
    async with open_bench(runtime_dir, limits=limits) as bench:
        holdings = bench.context.holdings
        with bench.connect() as one, bench.connect() as two:
            for client, size in ((one, 20_000), (two, 29_000)):
                await client.greet()
                await client.send(b"x" * size)
            with trio.fail_after(PATIENCE):
                while holdings.total < 49_000:  # noqa: ASYNC110
                    await trio.lowlevel.checkpoint()
            assert holdings.size_of(("user", USER)) == 49_000
            await one.send(b"x" * 2000)
            assert await two.receive() is None  # the greater one
            with trio.fail_after(PATIENCE):
                while holdings.total > 22_000:  # noqa: ASYNC110
                    await trio.lowlevel.checkpoint()


async def test_answers_that_an_owner_does_not_read_are_charged_and_bounded(runtime_dir: Path) -> None:
    limits = attrs.evolve(LIMITS, max_account_held=2_000_000)
    async with open_bench(runtime_dir, limits=limits) as bench:
        holdings = bench.context.holdings
        with contextlib.ExitStack() as owners, bench.connect() as client:
            await client.go_live()
            for _ in range(8):
                owner = owners.enter_context(bench.connect())
                await owner.greet()
                await owner.send(b'{"command": "list"}\n' * 10_000)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert holdings.size_of(("user", USER)) <= limits.max_account_held


# Its end.


async def test_sessions_share_one_descriptor_for_watching(bench: Bench) -> None:
    def watchers() -> int:
        return sum(count for name, count in open_descriptors().items() if "inotify" in name)

    before = watchers()
    with bench.connect() as one, bench.connect() as two:
        await one.go_live()
        await two.go_live()
        assert watchers() == before


class Stopper(trio.abc.Instrument):
    """Calls `stop` before the n-th step of any task from now on; `is_spent` tells whether it came to that."""

    def __init__(self, steps: int, stop: Callable[[], None]) -> None:
        self._left = steps
        self._stop = stop
        self.is_spent = False

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        if self._left == 0 and not self.is_spent:
            self.is_spent = True
            self._stop()
        self._left -= 1


async def run_stopped(bench: Bench, steps: int, *, hang_up: bool) -> bool:
    """Run a whole session, but stop it before its n-th step; tells whether it was over before."""
    serving, talking = trio.CancelScope(), trio.CancelScope()
    stopper = Stopper(steps, talking.cancel if hang_up else serving.cancel)
    with bench.socket_pair() as (server_end, client):

        async def serve() -> None:
            with serving:
                await bench.host.serve(server_end, "")

        trio.lowlevel.add_instrument(stopper)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                # A server that was stopped leaves its client in the middle of whatever it does.
                with talking, contextlib.suppress(AssertionError, FileNotFoundError, trio.BrokenResourceError):
                    await client.go_live(key="app")
                    assert len(bench.routes) == 1
                client.close()
        finally:
            trio.lowlevel.remove_instrument(stopper)
        assert server_end.fileno() == -1
    return not stopper.is_spent


@pytest.mark.parametrize("hang_up", [False, True], ids=["cancelled", "hung up"])
async def test_stopped_at_any_step_a_session_leaves_nothing(bench: Bench, hang_up: bool) -> None:
    descriptors = open_descriptors()
    steps = 0
    with trio.fail_after(3 * PATIENCE):
        while not await run_stopped(bench, steps, hang_up=hang_up):
            bench.assert_idle()
            await bench.wait_lookups_ended()
            assert open_descriptors() == descriptors
            steps += 1
    assert steps > 10  # it did stop on the way
    with bench.connect() as client:
        await client.go_live(key="app")


async def test_the_servers_end_ends_every_session(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        with bench.connect() as one, bench.connect() as two, bench.connect() as three:
            await one.go_live()
            await two.greet()
            await three.greet()
            assert len(bench.session_directories) == 3
            bench.stop()
            assert await one.receive() is None
            assert await two.receive() is None
