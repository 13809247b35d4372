"""A connection's guard tells the throttle who shows tokens: by address, and whether it has shown a right one."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from conductor_trio.access.grants import OWNER
from conductor_trio.access.guard import Guess
from conductor_trio.access.reasons import TooManyGuesses
from conductor_trio.access.tokens import hash_token
from conductor_trio.http1.forwarded import Peer
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.guessing import ConnectionGuard
from conductor_trio.server.accounts.throttle import GuessThrottle
from conductor_trio.server.routing.routes import Route
from tests.support.heads import parse_request_head
from tests.support.routes import make_route

HEAD = parse_request_head(b"GET / HTTP/1.1\r\nHost: x.test\r\n\r\n", max_fields=100)


def make_guard(throttle: GuessThrottle, route: Route, *, is_trusted: bool = False) -> ConnectionGuard:
    peer = Peer(address="192.0.2.1", is_https=False, is_trusted=is_trusted)
    return ConnectionGuard(peer, throttle, lambda head: route.hosts[0] if head is HEAD else "other.test")


def spend_all(guard: ConnectionGuard, route: Route) -> None:
    """Guess until nothing more is compared."""
    for number in range(100):
        guesses = [Guess((b"wrong%d" % number,))]
        if isinstance(guard.screen(HEAD, guesses, route.access), TooManyGuesses):
            return
        guard.note_wrong(HEAD, guesses, route.access)
    raise AssertionError("there is no end of it")


@pytest.mark.parametrize("is_trusted", [False, True])
async def test_who_was_let_in_on_this_connection_is_known_unless_it_is_a_front_proxys(
    is_trusted: bool, autojump_clock: MockClock
) -> None:
    throttle, route = GuessThrottle(ServerLimits()), make_route()
    spend_all(make_guard(throttle, route, is_trusted=is_trusted), route)
    guard = make_guard(throttle, route, is_trusted=is_trusted)
    assert isinstance(guard.screen(HEAD, [Guess((b"right",))], route.access), TooManyGuesses)
    guard.note_admitted(route.hosts[0], OWNER, route.access.owner_hash)
    assert isinstance(guard.screen(HEAD, [Guess((b"right",))], route.access), TooManyGuesses) is is_trusted


async def test_who_was_let_in_elsewhere_or_under_another_owner_is_not_known(autojump_clock: MockClock) -> None:
    throttle, route = GuessThrottle(ServerLimits()), make_route()
    spend_all(make_guard(throttle, route), route)
    for name, owner_hash in (("other.test", route.access.owner_hash), (route.hosts[0], hash_token(b"another"))):
        guard = make_guard(throttle, route)
        guard.note_admitted(name, OWNER, owner_hash)
        assert isinstance(guard.screen(HEAD, [Guess((b"right",))], route.access), TooManyGuesses)
