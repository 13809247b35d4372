"""What runs for a route at any process counts, and is ended at each."""

from __future__ import annotations

import attrs
import trio

from conductor_trio.server.proxy.cancellation import CancelReason
from conductor_trio.server.workers.runtimes import EveryRuntime


@attrs.define(eq=False)
class Kept:
    """What some process keeps."""

    unused: trio.Event = attrs.field(factory=trio.Event)
    ended: list[str] = attrs.field(factory=list)

    async def wait_unused(self, route_id: str) -> None:
        assert route_id == "r"
        await self.unused.wait()

    def end(self, route_id: str, reason: CancelReason) -> None:
        self.ended.append(f"{route_id}: {reason.value}")

    def end_route(self, route_id: str) -> None:
        self.ended.append(route_id)


async def test_a_route_is_unused_once_it_is_so_everywhere() -> None:
    own, others = Kept(), Kept()
    over = trio.Event()

    async def wait() -> None:
        await EveryRuntime(own, others).wait_unused("r")
        over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        for kept in (own, others):
            await trio.testing.wait_all_tasks_blocked()
            assert not over.is_set()
            kept.unused.set()
        await over.wait()


def test_an_end_is_one_everywhere() -> None:
    own, others = Kept(), Kept()
    EveryRuntime(own, others).end("r", CancelReason.LINK_LOST)
    assert (own.ended, others.ended) == (["r: link lost"], ["r"])
