"""What is told of a session is made once for all its pages, when it has changed, and pages are counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager

import attrs
import pytest
import trio
import trio.testing

from conductor_trio.access.grants import OWNER, Principal
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import open_payer
from conductor_trio.server.ownpages.session_updates import Onlooker, SessionUpdates
from conductor_trio.server.routing.ports import SessionService
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause
from tests.support.exchange_bench import Bench, open_bench
from tests.support.routes import make_route
from tests.support.shares import make_share

LIMITS = ServerLimits(max_session_pages=3, max_user_pages=4, max_network_pages=5)


@attrs.define(eq=False)
class Counting:
    """The control plane's own service, and how often it has described a session."""

    service: SessionService
    described: int = 0

    def describe(self, route: Route) -> dict[str, object]:
        self.described += 1
        return self.service.describe(route)

    def version(self, route: Route) -> Hashable:
        return self.service.version(route)

    def describe_events(self, route_id: str, *, for_owner: bool = True) -> list[dict[str, object]]:
        return self.service.describe_events(route_id, for_owner=for_owner)

    def __getattr__(self, name: str) -> object:
        return getattr(self.service, name)


@attrs.frozen
class Stage:
    bench: Bench
    counting: Counting
    updates: SessionUpdates

    @property
    def route(self) -> Route:
        return self.bench.route


@contextmanager
def open_stage() -> Iterator[Stage]:
    with open_bench() as bench:
        counting = Counting(bench.planes.service)
        updates = SessionUpdates(bench.planes.routes, counting, LIMITS)  # type: ignore[arg-type]
        yield Stage(bench, counting, updates)
        assert not len(updates)


def _request(stage: Stage) -> None:
    stage.bench.runtime.traffic.requests += 1


def _share(stage: Stage) -> None:
    route = stage.bench.planes.routes.get(stage.route.id)
    assert route is not None
    stage.bench.planes.routes.set_access(route.id, route.access.with_share(make_share()))


def _lose(stage: Stage) -> None:
    stage.bench.planes.routes.change(stage.route.id, Cause.LEFT)


CHANGES: dict[str, Callable[[Stage], None]] = {
    "a request": _request,
    "a share": _share,
    "an event": lambda stage: stage.bench.planes.service.note_wrong_token(stage.route.id),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_it_is_made_once_for_all_pages_and_only_when_something_has_changed(
    change: Callable[[Stage], None], autojump_clock: trio.testing.MockClock
) -> None:
    with open_stage() as stage:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.updates.run)
            with ExitStack() as stack:
                pages = [stack.enter_context(stage.updates.watching(stage.route, "net")) for _ in range(3)]
                before = pages[0].version
                await trio.sleep(10)
                assert stage.counting.described == 1 and pages[0].version == before
                change(stage)
                with trio.fail_after(1):
                    for page in pages:
                        await page.wait_change(before)
                await trio.sleep(10)
                assert stage.counting.described == 2
                told = [json.loads(page.message(Onlooker(OWNER)))["session"] for page in pages]
                assert told[0] == told[1] == told[2]
            nursery.cancel_scope.cancel()


async def test_each_is_told_who_they_are(autojump_clock: trio.testing.MockClock) -> None:
    with open_stage() as stage, stage.updates.watching(stage.route, "net") as page:
        for principal in (OWNER, Principal("s1")):
            told = json.loads(page.message(Onlooker(principal)))["session"]
            assert told["you"] == principal and told["key"] == "app" and told["now"] > 0


async def test_an_ended_session_is_told_as_it_was(autojump_clock: trio.testing.MockClock) -> None:
    with open_stage() as stage:
        _request(stage)
        with stage.updates.watching(stage.route, "net") as page:
            _lose(stage)
            assert page.look() and not page.look()
            told = json.loads(page.message(Onlooker(OWNER)))["session"]
            assert told["state"] == "ended" and told["requests"] == 1


async def test_pages_are_bounded_for_each_session_user_and_network() -> None:
    route, other = make_route(host="one.test"), make_route(host="two.test")
    stranger, third = make_route(host="three.test", user="bob"), make_route(host="four.test", user="carol")
    with open_stage() as stage, ExitStack() as stack:
        updates = stage.updates
        for one in (route, other, stranger, third):
            stage.bench.planes.routes.register(one)
        for _ in range(3):
            assert updates.has_room(route, "net")
            stack.enter_context(updates.watching(route, "net"))
        assert not updates.has_room(route, "other net")  # the session
        assert updates.has_room(other, "net")
        stack.enter_context(updates.watching(other, "net"))
        assert not updates.has_room(other, "other net")  # the user
        stack.enter_context(updates.watching(stranger, "net"))
        assert not updates.has_room(third, "net") and updates.has_room(third, "other net")  # the network
        stack.close()
        assert updates.has_room(route, "net") and updates.has_room(other, "net")
        for one in (route, other, stranger, third):
            stage.bench.planes.routes.change(one.id, Cause.LEFT)


async def test_making_it_is_charged_to_who_looks(autojump_clock: trio.testing.MockClock) -> None:
    with open_stage() as stage:
        account = stage.bench.runtime.account
        open_payer(account)
        with stage.updates.watching(stage.route, "net") as page:
            assert page.account is account
