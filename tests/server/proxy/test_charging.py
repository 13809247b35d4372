"""Whose account a visitor's connection is charged to, and where it waits while that is over its share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.account import Account
from tests.doubles.origin import answering
from tests.support.engine import OK, Engine, Visitor, open_engine, request

#: Contention lasts as long as the test does.
LIMITS = ServerLimits(contention_memory=1000.0)
FOREVER = 1e9

STRANGERS = {
    "unknown host": request(host=b"unknown.test"),
    "status": request(b"GET /_conductor/status HTTP/1.1", host=b"x"),
    "options": request(b"OPTIONS * HTTP/1.1"),
    "login page": request(auth=b""),
    "wrong token": request(auth=b"Cookie: authorization=wrong\r\n"),
    "wrong link": request(b"GET /_conductor/login/wrong HTTP/1.1"),
    "own page of a session": request(b"GET /_conductor/ HTTP/1.1", auth=b""),
}

pytestmark = pytest.mark.one_process  # each has a ledger of its own


async def contend(engine: Engine) -> None:
    """Have others of each group want something, too."""
    await trio.testing.wait_all_tasks_blocked()  # until Trio tells of each step
    for account in (session_account(engine), stranger(engine)):
        for one in (account, Account(account.group), Account(account.group)):
            one.note_wish()


def session_account(engine: Engine) -> Account:
    return engine.planes.ledger.session(engine.route_id, engine.route.user)


def stranger(engine: Engine) -> Account:
    return engine.planes.ledger.visitor("127.0.0.1")


@contextmanager
def over_its_share(engine: Engine, account: Account) -> Iterator[None]:
    """Within, time does not catch up with it, and others of its group want something; who waits ends with that."""
    Account(account.group).note_wish()
    account.note_wish()
    account.caught_up_at = FOREVER + account.group.processor.now()
    account.group.contended_until = FOREVER + account.group.processor.now()
    yield
    engine.nursery.cancel_scope.cancel()


async def is_answered(visitor: Visitor) -> bool:
    """Whether it is, until nothing more happens."""
    answered = False

    async def receive() -> None:
        nonlocal answered
        await visitor.receive_response()
        answered = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked(0.1)
        nursery.cancel_scope.cancel()
    return answered


@pytest.mark.parametrize("asked", STRANGERS.values(), ids=STRANGERS.keys())
async def test_a_stranger_is_charged_to_the_network_they_come_from(asked: bytes, tmp_path: Path) -> None:
    async with open_engine(tmp_path, answering(OK), limits=LIMITS) as engine:
        await contend(engine)
        visitor = engine.connect()
        await visitor.send(asked)
        await visitor.receive_response()
        assert stranger(engine).lately_used > 0
        together = stranger(engine).group.account
        assert together is not None and together.lately_used == pytest.approx(stranger(engine).lately_used)
        assert session_account(engine).lately_used == 0


async def test_who_is_let_in_is_charged_to_the_session_and_its_user(tmp_path: Path) -> None:
    async with open_engine(tmp_path, answering(OK), limits=LIMITS) as engine:
        await contend(engine)
        visitor = engine.connect()
        for _ in range(3):
            await visitor.send(request())
            await visitor.receive_response()
        account = session_account(engine)
        assert account.lately_used > stranger(engine).lately_used
        user = account.group.account
        assert user is engine.planes.ledger.user(engine.route.user)
        assert user.lately_used == pytest.approx(account.lately_used)


@pytest.mark.parametrize("asked", STRANGERS.values(), ids=STRANGERS.keys())
async def test_a_stranger_over_the_share_waits_and_a_visitor_of_a_session_does_not(
    asked: bytes, tmp_path: Path
) -> None:
    async with open_engine(tmp_path, answering(OK), limits=LIMITS) as engine:
        let_in, other = engine.connect(), engine.connect()
        await let_in.send(request())
        await let_in.receive_response()
        with over_its_share(engine, stranger(engine)):
            await let_in.send(request())
            await let_in.receive_response()
            await other.send(asked)
            assert not await is_answered(other)
            again = engine.connect()  # one that comes meanwhile is not even read from
            await again.send(request())
            assert not await is_answered(again)


async def test_a_visitor_of_a_session_over_its_share_waits_and_others_do_not(tmp_path: Path) -> None:
    async with open_engine(tmp_path, answering(OK), limits=LIMITS) as engine:
        visitor, other = engine.connect(), engine.connect()
        with (
            engine.another_route("other-bob.test", str(tmp_path / "app"), b"t"),
            over_its_share(engine, engine.planes.ledger.user(engine.route.user)),
        ):
            await visitor.send(request())
            assert not await is_answered(visitor)
            await other.send(request(host=b"other-bob.test", auth=b"Cookie: authorization=t\r\n"))
            assert (await other.receive_response()).status == 200


async def test_behind_a_front_proxy_it_is_the_visitor_that_the_proxy_names(tmp_path: Path) -> None:
    async with open_engine(tmp_path, answering(OK), limits=LIMITS) as engine:
        proxy = engine.connect(unix=True)
        named = engine.planes.ledger.visitor("192.0.2.7")
        with over_its_share(engine, named):
            await proxy.send(request(host=b"unknown.test", fields=b"X-Forwarded-For: 192.0.2.8\r\n"))
            await proxy.receive_response()
            await proxy.send(request(host=b"unknown.test", fields=b"X-Forwarded-For: 192.0.2.7\r\n"))
            assert not await is_answered(proxy)


async def test_connections_that_say_nothing_count_from_the_second_on(tmp_path: Path) -> None:
    async with open_engine(tmp_path, answering(OK), limits=LIMITS) as engine:
        fairness = engine.planes.ledger.fairness
        engine.planes.ledger.user("one").note_wish()
        for is_again in (False, True):
            engine.connect().close()
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert fairness.is_contended is is_again


async def test_a_head_that_comes_byte_by_byte_waits_too(tmp_path: Path) -> None:
    async with open_engine(tmp_path, answering(OK), limits=LIMITS) as engine:
        visitor = engine.connect()
        await visitor.send(b"GET / HTTP/1.1\r\n")
        await trio.testing.wait_all_tasks_blocked(0.05)
        with over_its_share(engine, stranger(engine)):
            await visitor.send(b"Host: ")
            await trio.testing.wait_all_tasks_blocked(0.05)
            await visitor.send(b"unknown.test\r\n\r\n")
            assert not await is_answered(visitor)
