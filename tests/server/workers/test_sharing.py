"""What a worker and its control process have together: places, connections of a session, and their processor."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.limits.workers import LEASE_DENIED_PAUSE
from conductor_trio.net.stream import SocketStream
from conductor_trio.server.leases.terms import Kind
from conductor_trio.server.proxy.visitor import Way, serve_visitor
from conductor_trio.server.workers.sharing import Share
from tests.doubles.origin import OriginConnection
from tests.support.engine import THROUGH_WORKER, Application, Engine, Visitor, open_engine, request
from tests.support.worker_plane import WorkerPlane

LIMITS = ServerLimits(
    max_visitors=8,
    max_address_visitors=4,
    max_route_connections=3,
    contention_memory=1000.0,
    worker_report_interval=0.05,
    worker_ack_timeout=20.0,
)
UPGRADE = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n"
ALICE, BOB = "127.0.0.2", "127.0.0.3"


@pytest.fixture(autouse=True)
def through_worker() -> Iterator[None]:
    """Have visitors come to a worker."""
    token = THROUGH_WORKER.set(True)
    yield
    THROUGH_WORKER.reset(token)


def worker_of(engine: Engine) -> WorkerPlane:
    assert engine.worker is not None
    return engine.worker


async def tunnel(connection: OriginConnection) -> None:
    """Switch to another protocol, in which nothing is said."""
    await connection.receive_head()
    await connection.send_all(SWITCHED)
    while await connection.receive_more():
        connection.unread.clear()


def visit(engine: Engine, address: str, *, is_worker: bool) -> Visitor:
    """Return a connection from one of loopback's addresses to the worker, or to the control process itself."""
    ours = socket.socket()
    ours.bind((address, 0))
    ours.connect(engine.listener.getsockname())
    theirs, _ = engine.listener.accept()
    if is_worker:
        worker = worker_of(engine)
        way = Way(make_connection=worker.make_connection)
        engine.nursery.start_soon(serve_visitor, theirs, address, worker.proxy, None, way)
    else:
        engine.nursery.start_soon(serve_visitor, theirs, address, engine.control, None)
    visitor = Visitor(SocketStream(ours), ours)
    engine.visitors.append(visitor)
    return visitor


async def upgrade(visitor: Visitor) -> int:
    await visitor.send(request(fields=UPGRADE))
    return (await visitor.receive_response(upgrade=True)).status


async def ask(visitor: Visitor) -> int:
    await visitor.send(request())
    return (await visitor.receive_response()).status


async def see_status(visitor: Visitor) -> int:
    await visitor.send(b"GET /_conductor/status HTTP/1.1\r\nHost: x\r\n\r\n")
    return (await visitor.receive_response()).status


@pytest.mark.parametrize("at_worker", [0, 1, 3, 4])
async def test_an_address_has_its_places_at_both_together(short_tmp: Path, at_worker: int) -> None:
    async with open_engine(short_tmp, Application(), limits=LIMITS) as engine:
        visitors = [visit(engine, ALICE, is_worker=number < at_worker) for number in range(4)]
        for visitor in visitors:  # each is busy from now on
            await visitor.send(b"GET / HT")
        while worker_of(engine).proxy.visitors + engine.control.visitors < 4:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        for is_worker in (True, False):
            refused = visit(engine, ALICE, is_worker=is_worker)
            assert (await refused.receive_response()).status == 429
            assert await see_status(visit(engine, BOB, is_worker=is_worker)) == 200
        visitors[0].close()
        while True:
            await trio.sleep(LEASE_DENIED_PAUSE)
            again = visit(engine, ALICE, is_worker=at_worker == 0)
            if await see_status(again) == 200:
                break


@pytest.mark.parametrize("is_worker", [True, False])
async def test_an_address_gives_way_to_itself_at_the_other_process(short_tmp: Path, is_worker: bool) -> None:
    async with open_engine(short_tmp, Application(), limits=LIMITS) as engine:
        for _ in range(4):
            assert await ask(visit(engine, ALICE, is_worker=not is_worker)) == 200  # and idle from now on
        assert await ask(visit(engine, ALICE, is_worker=is_worker)) == 200
        assert worker_of(engine).proxy.places.count_of(ALICE) + engine.control.places.count_of(ALICE) <= 4


async def test_what_is_handed_over_takes_one_place(short_tmp: Path) -> None:
    limits = ServerLimits(max_visitors=1, max_address_visitors=1)
    async with open_engine(short_tmp, Application(), limits=limits) as engine:
        visitor = visit(engine, ALICE, is_worker=True)
        for _ in range(3):
            assert await see_status(visitor) == 200
        assert (worker_of(engine).proxy.visitors, engine.control.visitors) == (1, 0)


async def test_whom_a_front_proxy_names_has_one_place_however_it_is_answered(short_tmp: Path) -> None:
    limits = ServerLimits(max_address_visitors=1)
    async with open_engine(short_tmp, Application(), limits=limits, trusted_proxies=(f"{BOB}/32",)) as engine:
        visitor = visit(engine, BOB, is_worker=True)
        named = b"GET /_conductor/status HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
        for _ in range(3):
            await visitor.send(named)
            assert (await visitor.receive_response()).status == 200


async def test_a_session_has_its_connections_at_both_together(short_tmp: Path) -> None:
    async with open_engine(short_tmp, tunnel, limits=LIMITS) as engine:
        first = visit(engine, ALICE, is_worker=False)
        assert await upgrade(first) == 101
        for _ in range(2):
            assert await upgrade(visit(engine, ALICE, is_worker=True)) == 101
        for is_worker in (True, False):
            assert await upgrade(visit(engine, BOB, is_worker=is_worker)) == 503
        first.close()
        while True:
            await trio.sleep(LEASE_DENIED_PAUSE)
            again = visit(engine, BOB, is_worker=True)
            if await upgrade(again) == 101:
                break
            again.close()
        assert await upgrade(visit(engine, BOB, is_worker=False)) == 503


async def test_a_user_of_two_processes_weighs_twice_at_each_for_as_long(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), limits=LIMITS) as engine:
        worker = worker_of(engine)
        here, there = engine.control.ledger, worker.proxy.ledger
        user = engine.route.user
        for ledger in (here, there):
            ledger.user(user)
        there.user("other").note_wish()
        there.user(user).note_wish()  # so that it is measured who uses how much
        assert there.is_contended and not here.is_contended
        while not here.fairness.is_contended:  # noqa: ASYNC110 - here, too, where nobody is in anybody's way
            await trio.sleep(LIMITS.worker_report_interval)
        assert not here.is_contended
        while here.user(user).weight < 1.5 or there.user(user).weight < 1.5:
            for ledger in (here, there):
                ledger.user(user).charge(0.02)
            await trio.sleep(LIMITS.worker_report_interval)
        assert there.user("other").weight == here.strangers.weight == 1.0
        while max(here.user(user).weight, there.user(user).weight) > 1.0:  # noqa: ASYNC110 - once it uses nothing
            await trio.sleep(LIMITS.worker_report_interval)


@pytest.mark.parametrize("word", [None, [], {}, {"weights": 1}, {"grant": []}, {"grant": {"visitors/": "x"}}])
async def test_what_is_no_word_of_a_share_is_refused(short_tmp: Path, word: object) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        share = Share(worker_of(engine).proxy, lambda _: None)
        with pytest.raises(ValueError, match=r"."):
            share.receive(word)


@pytest.mark.parametrize("word", [{}, {"used": 1}, {"want": {"nothing/": 1}}, {"give": {"visitors/": 9999999}}])
async def test_a_worker_that_says_what_is_none_of_it_is_refused(short_tmp: Path, word: dict[str, object]) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        sharing = engine.planes.crew.sharing
        with pytest.raises(ValueError, match=r"."):
            sharing.receive(worker_of(engine), word)
        with pytest.raises(ValueError, match="not said"):
            sharing.receive("another", {"want": {"visitors/": 1}})


async def test_a_worker_that_is_alone_asks_nobody_and_has_what_it_had(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), limits=LIMITS) as engine:
        said: list[object] = []
        proxy = worker_of(engine).proxy
        share = Share(proxy, said.append)
        leases = proxy.leases
        assert leases is not None
        part = leases.part(Kind.VISITORS)
        share.be_alone()
        assert not await leases.obtain(Kind.VISITORS)
        share.report()
        assert said == [] and leases.part(Kind.VISITORS) == part
