"""A worker beside its control process: what it forwards, what it hands over, and what becomes of that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.access.grants import OWNER, Share, SingleSignOn
from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.routing.states import Cause, Starting
from tests.doubles.origin import OriginConnection
from tests.support.crews import echo
from tests.support.engine import (
    COOKIE,
    IMPATIENT,
    THROUGH_WORKER,
    TOKEN,
    Application,
    Engine,
    Truncated,
    open_engine,
    request,
)
from tests.support.shares import give, make_named
from tests.support.tls_visitor import Authority
from tests.support.worker_plane import WorkerPlane

SHARED = b"Cookie: authorization=shared\r\n"
SHARE = Share(
    id="s1",
    label="",
    created=0.0,
    expires=None,
    link_hash=hash_token(b"link"),
    token_hash=hash_token(b"shared"),
    is_once=False,
)
UPGRADE = b"Connection: upgrade\r\nUpgrade: echo\r\n"


@pytest.fixture(autouse=True)
def through_worker() -> Iterator[None]:
    """Have visitors come to a worker."""
    token = THROUGH_WORKER.set(True)
    yield
    THROUGH_WORKER.reset(token)


def worker_of(engine: Engine) -> WorkerPlane:
    assert engine.worker is not None
    return engine.worker


async def ask(engine: Engine, auth: bytes = COOKIE, host: bytes = b"app-alice.test") -> int:
    visitor = engine.connect()
    await visitor.send(request(auth=auth, host=host))
    status = (await visitor.receive_response()).status
    visitor.close()
    return status


def with_share(engine: Engine) -> None:
    engine.routes.set_access(engine.route_id, engine.route.access.with_share(SHARE))


async def test_the_owner_s_requests_are_forwarded_by_the_worker(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        assert await ask(engine) == 200
        assert await ask(engine) == 200
        # The second one came with fields that were let in before: nobody was asked.
        worker, control = worker_of(engine).proxy, engine.control
        assert (worker.counters.requests_total, control.counters.requests_total) == (2, 0)
        assert control.status()["requests_total"] == 0
        worker_of(engine).link.tell_last()
        await worker_of(engine).link.flush()
        while not control.status()["requests_total"]:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        assert control.status()["requests_total"] == 2


@pytest.mark.parametrize(
    ("auth", "host", "status"),
    [
        (b"", b"app-alice.test", 403),
        (COOKIE, b"nobody.test", 404),
        (b"Cookie: authorization=x\r\n", b"app-alice.test", 403),
    ],
)
async def test_what_is_not_let_in_is_answered_by_the_control_process(
    short_tmp: Path, auth: bytes, host: bytes, status: int
) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        for _ in range(2):
            await visitor.send(request(auth=auth, host=host))
            assert (await visitor.receive_response()).status == status
        assert engine.control.counters.requests_total == 2
        assert worker_of(engine).proxy.counters.requests_total == 0


class Rising(Counters):
    """Counters of which none may ever fall: who reads them in between would take that for a restart."""

    def __setattr__(self, name: str, value: int) -> None:
        assert value >= getattr(self, name, 0), name
        super().__setattr__(name, value)


async def test_each_request_is_counted_once_and_no_count_falls(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), is_resumable=True, limits=IMPATIENT) as engine:
        worker, control = worker_of(engine).proxy, engine.control
        worker.counters, control.counters = Rising(), Rising()

        def count() -> int:
            return worker.counters.requests_total + control.counters.requests_total

        await worker_of(engine).wait_known()
        (short_tmp / "app").rename(short_tmp / "elsewhere")
        assert await ask(engine) == 502  # which both have worked for
        assert count() == 1
        (short_tmp / "elsewhere").rename(short_tmp / "app")
        for auth, status in ((COOKIE, 200), (COOKIE, 200), (b"", 403), (SHARED, 403), (COOKIE, 200)):
            assert await ask(engine, auth) == status
        assert await ask(engine, host=b"nobody.test") == 404
        assert count() == 7
        visitor = engine.connect()
        await visitor.send(b"GET / HTTP/1.1\r\n\r\n")
        assert (await visitor.receive_response()).status == 400
        assert count() == 8


async def test_a_request_that_begins_anew_elsewhere_is_counted_once(short_tmp: Path) -> None:
    async def hang(connection: OriginConnection) -> None:
        await connection.receive_head()
        await trio.sleep_forever()

    async with open_engine(short_tmp, hang, is_resumable=True) as engine:
        worker, control = worker_of(engine).proxy, engine.control
        visitor = engine.connect()
        await visitor.send(request())
        await engine.origin.wait_connections()
        engine.routes.change(engine.route_id, Cause.LINK_LOST)
        while not control.parked.total:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        assert (worker.counters.requests_total, control.counters.requests_total) == (1, 0)
        visitor.reset()


async def test_wrong_tokens_have_one_rate_whoever_is_asked(short_tmp: Path) -> None:
    limits = ServerLimits(max_token_failures=3, max_failures_of_all=3, max_first_failures_of_all=3)
    async with open_engine(short_tmp, Application(), limits=limits) as engine:
        for number in range(3):
            assert await ask(engine, b"Cookie: authorization=wrong%d\r\n" % number) == 403
        # Of two who may not be compared now nobody can tell which one is right.
        assert await ask(engine, b"Cookie: authorization=wrong3\r\n") in (403, 429)
        assert await ask(engine, b"Cookie: authorization=wrong4\r\n") == 429
        assert await ask(engine) == 429
        assert not engine.origin.connections


async def test_a_share_that_is_revoked_ends_what_it_opened(short_tmp: Path) -> None:
    async with open_engine(short_tmp, echo) as engine:
        with_share(engine)
        await worker_of(engine).wait_known()
        guest, owner = engine.connect(), engine.connect()
        for visitor, auth in ((guest, SHARED), (owner, COOKIE)):
            await visitor.send(request(fields=UPGRADE, auth=auth))
            assert (await visitor.receive_response(upgrade=True)).status == 101
            await visitor.send(b"x")
            assert await visitor.receive_exactly(1) == b"x"
        engine.routes.set_access(engine.route_id, engine.route.access.without(["s1"]))
        await guest.wait_closed()
        await owner.send(b"y")
        assert await owner.receive_exactly(1) == b"y"
        assert await ask(engine, SHARED) == 403


async def test_a_visitor_stays_let_in_on_a_connection_and_no_longer_than_the_share(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        with_share(engine)
        await worker_of(engine).wait_known()
        visitor = engine.connect()
        for number in range(3):
            await visitor.send(request(auth=SHARED, fields=b"X-Number: %d\r\n" % number))
            assert (await visitor.receive_response()).status == 200
        assert worker_of(engine).proxy.counters.requests_total == 3
        engine.routes.set_access(engine.route_id, engine.route.access.without(["s1"]))
        await worker_of(engine).wait_known()
        await visitor.send(request(auth=SHARED))
        assert (await visitor.receive_response()).status == 403


async def test_a_route_that_the_worker_does_not_know_yet_is_served(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        await worker_of(engine).wait_known()
        with engine.another_route("new-bob.test", str(short_tmp / "app"), TOKEN):
            # The feed has not come yet: this task has not waited since.
            assert await ask(engine, host=b"new-bob.test") == 200


async def test_a_route_that_the_worker_has_lost_is_asked_for(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), is_resumable=True) as engine:
        assert await ask(engine) == 200
        engine.routes.change(engine.route_id, Cause.LEFT)
        await worker_of(engine).wait_known()
        assert await ask(engine) == 410


async def test_a_relay_socket_that_is_gone_is_told_of_by_who_knows_the_session(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), limits=IMPATIENT) as engine:
        await worker_of(engine).wait_known()
        (short_tmp / "app").rename(short_tmp / "elsewhere")
        assert await ask(engine) == 502
        assert engine.control.counters.broken == 1 and worker_of(engine).proxy.counters.broken == 0
        events = engine.planes.service.describe_events(engine.route_id)
        assert "Answered 502" in str(events)
        (short_tmp / "elsewhere").rename(short_tmp / "app")
        assert await ask(engine) == 200


async def test_a_request_waits_at_the_control_process_for_a_lost_session(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), is_resumable=True) as engine:
        former = engine.route
        engine.routes.change(former.id, Cause.LINK_LOST)
        await worker_of(engine).wait_known()
        visitor = engine.connect()
        await visitor.send(request())
        while not engine.control.parked.total:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        relay = str(short_tmp / "app")
        engine.routes.register(attrs.evolve(former, id="next", relay_path=relay))
        assert (await visitor.receive_response()).status == 200


async def test_an_application_that_starts_is_waited_for_there(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        starting = Starting(since=1.0)
        with engine.another_route("new-bob.test", str(short_tmp / "app"), TOKEN, state=starting) as route:
            await worker_of(engine).wait_known()
            assert await ask(engine, host=b"new-bob.test") == 503
            engine.routes.change(route.id, Cause.READY)
            await worker_of(engine).wait_known()
            assert await ask(engine, host=b"new-bob.test") == 200


async def test_one_who_comes_by_a_front_proxy_is_who_that_says(short_tmp: Path) -> None:
    limits = ServerLimits(max_token_failures=1, max_failures_of_all=1, max_first_failures_of_all=100)
    async with open_engine(short_tmp, Application(), limits=limits) as engine:
        statuses = []
        for number, address in enumerate([b"192.0.2.1", b"192.0.2.1", b"192.0.2.1", b"192.0.2.2"]):
            visitor = engine.connect(unix=True)
            fields = b"X-Forwarded-For: %b\r\n" % address
            await visitor.send(request(fields=fields, auth=b"Cookie: authorization=wrong%d\r\n" % number))
            statuses.append((await visitor.receive_response()).status)
        assert statuses[0] == statuses[3] == 403 and statuses[2] == 429


SSO = SingleSignOn(user_field=b"x-user", groups_field=b"x-groups")
BOB = b"X-User: bob\r\nX-Forwarded-For: 192.0.2.7\r\n"
ZOE = b"X-User: zoe\r\nX-Groups: dev, staff\r\nX-Forwarded-For: 192.0.2.8\r\n"
EVE = b"X-User: eve\r\nX-Groups: dev\r\n"


async def ask_by_name(engine: Engine, fields: bytes, *, unix: bool = True, auth: bytes = b"") -> int:
    visitor = engine.connect(unix=unix)
    await visitor.send(request(fields=fields, auth=auth))
    status = (await visitor.receive_response()).status
    visitor.close()
    return status


async def find_people(engine: Engine, count: int) -> list[dict[str, object]]:
    """Return who is there, by the control process, once these are so many."""
    worker_of(engine).link.tell_last()
    await worker_of(engine).link.flush()
    while len(people := engine.planes.service.describe_people(engine.route)) < count:  # noqa: ASYNC110
        await trio.lowlevel.checkpoint()
    return people


@pytest.mark.parametrize("is_needed", [False, True])
async def test_those_who_are_named_enter_at_the_worker_and_nobody_else_does(
    short_tmp: Path, *, is_needed: bool
) -> None:
    async with open_engine(short_tmp, Application(), sso=attrs.evolve(SSO, is_needed=is_needed)) as engine:
        assert await ask_by_name(engine, BOB) == 403
        give(engine, make_named("bob", id="n1"))
        give(engine, make_named("@staff", id="n2"))
        await worker_of(engine).wait_known()
        for fields in (BOB, ZOE):
            assert await ask_by_name(engine, fields) == 200
        # Nobody was asked for them.
        assert worker_of(engine).proxy.counters.requests_total == 2
        assert await ask_by_name(engine, EVE) == 403
        assert await ask_by_name(engine, BOB, unix=False) == 403
        engine.routes.set_access(engine.route_id, engine.route.access.without(["n1"]))
        await worker_of(engine).wait_known()
        assert await ask_by_name(engine, BOB) == 403
        assert await ask_by_name(engine, ZOE) == 200


async def test_a_share_by_name_that_is_revoked_ends_what_it_opened(short_tmp: Path) -> None:
    async with open_engine(short_tmp, echo, sso=SSO) as engine:
        give(engine, make_named("bob", id="n1"))
        await worker_of(engine).wait_known()
        guest = engine.connect(unix=True)
        await guest.send(request(fields=UPGRADE + BOB, auth=b""))
        assert (await guest.receive_response(upgrade=True)).status == 101
        await guest.send(b"x")
        assert await guest.receive_exactly(1) == b"x"
        engine.routes.set_access(engine.route_id, engine.route.access.without(["n1"]))
        await guest.wait_closed()


async def test_who_is_there_by_a_worker_is_known_to_the_control_process(short_tmp: Path) -> None:
    async with open_engine(short_tmp, echo, sso=SSO) as engine:
        give(engine, make_named("bob", id="n1"))
        await worker_of(engine).wait_known()
        bob = engine.connect(unix=True)
        await bob.send(request(fields=UPGRADE + BOB, auth=b""))
        assert (await bob.receive_response(upgrade=True)).status == 101
        [told] = await find_people(engine, 1)
        assert (told["by"], told["identity"], told["address"], told["connections"]) == (
            "n1",
            "bob",
            "192.0.2.7",
            1,
        )


async def test_one_who_is_named_and_shows_a_token_is_let_in_by_that_if_it_is_right(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), sso=SSO) as engine:
        give(engine, make_named("bob", id="n1"))
        await worker_of(engine).wait_known()
        assert await ask_by_name(engine, BOB, auth=COOKIE) == 200
        assert [one["by"] for one in await find_people(engine, 1)] == [OWNER]
        assert await ask_by_name(engine, BOB, auth=b"Cookie: authorization=wrong\r\n") == 200
        assert [one["by"] for one in await find_people(engine, 2)] == [OWNER, "n1"]


async def test_without_its_control_process_a_worker_says_so(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        assert await ask(engine) == 200
        (short_tmp / "workers.test").rename(short_tmp / "gone")
        assert await ask(engine) == 200
        assert await ask(engine, host=b"nobody.test") == 503
        (short_tmp / "gone").rename(short_tmp / "workers.test")


async def test_a_body_that_is_still_coming_goes_where_the_request_does(short_tmp: Path) -> None:
    application = Application()
    async with open_engine(short_tmp, application) as engine:
        visitor = engine.connect()
        head = request(b"POST / HTTP/1.1", b"Content-Length: 6\r\n")
        await visitor.send(head + b"abc")
        await trio.testing.wait_all_tasks_blocked()
        await visitor.send(b"def")
        assert (await visitor.receive_response()).status == 200
        assert [message.body for message in application.messages] == [b"abcdef"]
        assert worker_of(engine).proxy.counters.requests_total == 1


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
async def test_a_response_by_the_control_process_that_is_cut_looks_cut(
    short_tmp: Path, version: bytes, *, is_whole: bool
) -> None:
    cut_now = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(b"HTTP/1.0 200 OK\r\n\r\nabc")
        await cut_now.wait()

    async with open_engine(short_tmp, handle, is_resumable=True, limits=IMPATIENT) as engine:
        former = engine.route
        engine.routes.change(former.id, Cause.LINK_LOST)
        await engine.wait_known()
        visitor = engine.connect()
        await visitor.send(request(b"GET / " + version))
        while not engine.control.parked.total:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        # The control process forwards it, over the next link.
        engine.routes.register(attrs.evolve(former, id="next", relay_path=str(short_tmp / "app")))
        visitor.unread = await visitor.receive_until(b"abc") + visitor.unread
        if is_whole:
            cut_now.set()
            assert (await visitor.receive_response()).body == b"abc"
        else:
            engine.routes.change("next", Cause.LINK_LOST)
            with pytest.raises(Truncated):
                await visitor.receive_response()
            cut_now.set()


async def test_those_sent_behind_a_request_that_is_handed_over_are_answered(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), is_resumable=True) as engine:
        former = engine.route
        engine.routes.change(former.id, Cause.LINK_LOST)
        await engine.wait_known()
        visitor = engine.connect()
        await visitor.send(3 * request())
        while not engine.control.parked.total:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        engine.routes.register(attrs.evolve(former, id="next", relay_path=str(short_tmp / "app")))
        responses = [await visitor.receive_response() for _ in range(3)]
        assert [response.status for response in responses] == [200, 200, 200]
        assert [response.values(b"connection") for response in responses] == [[], [], [b"close"]]


@pytest.mark.parametrize("way", ["tcp", "tls", "unix"])
async def test_a_visitor_who_goes_while_the_request_waits_elsewhere_is_noticed(
    short_tmp: Path, way: str, autojump_clock: trio.testing.MockClock
) -> None:
    authority = Authority() if way == "tls" else None
    async with open_engine(short_tmp, Application(), is_resumable=True, patience=1000) as engine:
        engine.routes.change(engine.route_id, Cause.LINK_LOST)
        await engine.wait_known()
        visitor = engine.connect(unix=way == "unix", authority=authority)
        await visitor.send(request())
        while not engine.control.parked.total:  # noqa: ASYNC110
            await trio.sleep(0.01)
        began = trio.current_time()
        if way == "tls":
            await visitor.send_eof()
        visitor.reset() if way == "tcp" else visitor.close()
        while engine.control.parked.total:  # noqa: ASYNC110
            await trio.sleep(0.01)
        assert trio.current_time() - began < 2


NOBODY = b"nobody.test"


def lose_control(engine: Engine, path: Path) -> str:
    """Have the control process be away; returns where it was."""
    worker = worker_of(engine)
    before, worker.control.path = worker.control.path, str(path)
    worker.control.leave(worker.proxy.parked, is_awaited=True)
    return before


async def test_without_a_control_process_what_can_wait_does_so_for_the_next(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        assert await ask(engine) == 200
        worker = worker_of(engine)
        before = lose_control(engine, short_tmp / "gone")
        assert await ask(engine) == 200  # which is known
        waiting = [engine.connect() for _ in range(2)]
        for visitor in waiting:
            await visitor.send(request(host=NOBODY))
        posting = engine.connect()
        await posting.send(request(b"POST / HTTP/1.1", b"Content-Length: 1\r\n", b"x", host=NOBODY))
        answer = await posting.receive_response()
        assert answer.status == 503 and answer.values(b"Retry-After")
        while worker.proxy.parked.total < 2:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        worker.control.move(before, worker.proxy.parked)
        for visitor in waiting:
            assert (await visitor.receive_response()).status == 404
        # That one rules on everything from now on.
        asked = engine.control.counters.requests_total
        assert await ask(engine) == 200
        assert engine.control.counters.requests_total == asked + 1


async def test_without_a_control_process_few_wait_and_none_for_ever(short_tmp: Path) -> None:
    limits = attrs.evolve(IMPATIENT, max_parked=1)
    async with open_engine(short_tmp, Application(), limits=limits) as engine:
        worker = worker_of(engine)
        lose_control(engine, short_tmp / "gone")
        first = engine.connect()
        await first.send(request(host=NOBODY))
        while not worker.proxy.parked.total:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        assert await ask(engine, host=NOBODY) == 503
        worker.control.leave(worker.proxy.parked, is_awaited=False)
        assert (await first.receive_response()).status == 503
        assert await ask(engine, host=NOBODY) == 503
