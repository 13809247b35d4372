"""What is compared of guesses has a rate, for each address and in all; nobody is locked out; memory is bounded."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.grants import OWNER, Access
from conductor_trio.access.guard import Guess
from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.throttle import Guesser, GuessThrottle

LIMITS = ServerLimits(max_token_failures=3, token_failure_interval=2.0)
ACCESS = Access(owner_hash=hash_token(b"right"))
RIGHT = Guess((b"right",))


def make_guesser(address: str = "10.0.0.1", route: str = "app.test") -> Guesser:
    return Guesser(route=route, address=address)


@attrs.define
class Gate:
    """A throttle, and the tokens that it has had compared."""

    throttle: GuessThrottle = attrs.field(factory=lambda: GuessThrottle(LIMITS))
    compared: list[Guess] = attrs.field(factory=list)
    made: int = 0

    def show(self, guesses: list[Guess], now: float, guesser: Guesser | None = None) -> float | bool:
        """Return whether one of them lets in; or how long to wait, where they are not compared."""
        guesser = guesser or make_guesser()
        compared, wait = self.throttle.screen(guesser, guesses, ACCESS, now)
        if wait:
            return wait
        self.compared += compared
        if RIGHT in compared:
            self.throttle.note_right(guesser, ACCESS)
            return True
        if compared:
            self.throttle.note_wrong(guesser, compared, ACCESS, now)
        return False

    def guess(self, now: float, guesser: Guesser | None = None, *, count: int = 1) -> bool:
        """Show tokens that nobody has shown before, and return whether they were compared."""
        guesses = [Guess((b"%d" % (self.made + index),)) for index in range(count)]
        self.made += count
        return self.show(guesses, now, guesser) is False


def test_a_few_are_compared_at_once_then_one_in_each_interval() -> None:
    gate = Gate()
    assert sum(gate.guess(0.0) for _ in range(1000)) <= LIMITS.max_token_failures + 1
    for second in range(1, 1000):
        for _ in range(10):
            gate.guess(float(second))
    assert 400 <= len(gate.compared) <= 3 + 1 + 1000 / LIMITS.token_failure_interval


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 200)), max_size=50))
def test_whatever_the_pauses_and_numbers_the_rate_holds(shown: list[tuple[float, int]]) -> None:
    """One request may go over by what it shows, which is owed for; single ones have their turn meanwhile."""
    gate = Gate()
    now = 0.0
    for pause, count in shown:
        now += pause
        before = len(gate.compared)
        gate.guess(now, count=count)
        allowed = LIMITS.max_token_failures + now / LIMITS.token_failure_interval
        assert count > 1 or len(gate.compared) == before or before <= allowed + now / 2 + 200
        if count > 1 and len(gate.compared) > before:
            assert before < allowed + 1


def test_what_was_refused_is_not_owed_for() -> None:
    gate = Gate()
    for _ in range(100_000):
        gate.guess(0.0)
    assert gate.show([RIGHT], 2.0) is True


def test_each_route_and_address_is_on_its_own() -> None:
    gate = Gate()
    for _ in range(10):
        gate.guess(0.0)
    assert not gate.guess(0.0)
    assert gate.guess(0.0, make_guesser(route="other.test"))
    assert gate.guess(0.0, make_guesser(address="10.0.0.2"))


def test_who_was_let_in_on_this_connection_is_counted_alone() -> None:
    gate = Gate()
    known = attrs.evolve(make_guesser(), known_as=OWNER)
    for _ in range(100):
        gate.guess(0.0)
    assert gate.show([RIGHT], 0.0, known) is True
    # And has no more guesses than anybody.
    assert sum(gate.guess(0.0, known) for _ in range(100)) <= LIMITS.max_token_failures + 1


def test_a_known_wrong_token_costs_nothing_but_has_a_rate() -> None:
    gate = Gate()
    old = [Guess((b"old",))]
    answers = [gate.show(old, 0.0) for _ in range(100)]
    assert answers[0] is False and answers[-1] is not False
    assert gate.compared == old
    assert gate.show([RIGHT], 0.0) is True
    # In a link it may be right, as those are that are used once.
    link = [Guess((b"old",), in_link=True)]
    assert gate.throttle.screen(make_guesser(), link, ACCESS, 0.0) == (link, 0.0)
    # Other people's rights make it worth another look.
    other = attrs.evolve(ACCESS, shares=())
    assert gate.throttle.screen(make_guesser(), old, other, 0.0) == (old, 0.0)


def test_planted_cookies_do_not_keep_the_right_one_out() -> None:
    gate = Gate()
    planted = [Guess((b"planted%d" % number,)) for number in range(180)]
    for second in range(100):
        assert gate.show([*planted, RIGHT], second / 10) is True


@pytest.mark.parametrize("pause", [350, 700, 1999])
def test_in_a_flood_from_ones_own_address_one_gets_in_by_showing_the_token_again(pause: int) -> None:
    gate = Gate()
    for step in range(20_000):  # 2,000 a second
        gate.guess(step / 2000)
        if step % pause == pause // 2 and gate.show([RIGHT], step / 2000) is True:
            break
    else:
        raise AssertionError("kept out for ten seconds")
    assert len(gate.compared) < 20


def test_in_a_flood_from_everywhere_a_new_address_gets_in_at_once() -> None:
    gate = Gate()
    for number in range(400):
        for _ in range(5):
            gate.guess(0.0, make_guesser(f"10.0.{number // 250}.{number % 250}"))
    assert len(gate.compared) <= LIMITS.max_failures_of_all + 400
    assert gate.show([RIGHT], 0.0, make_guesser("10.1.1.1")) is True


@pytest.mark.parametrize("is_known", [True, False])
def test_in_a_flood_from_beyond_counting_those_get_in_who_were(is_known: bool) -> None:
    gate = Gate()
    visitor = make_guesser("192.0.2.1")
    if is_known:
        assert gate.show([RIGHT], 0.0, visitor) is True
    for number in range(20_000):
        gate.guess(0.0, make_guesser(f"10.{number}"))
    assert len(gate.compared) <= LIMITS.max_first_failures_of_all + 3
    assert (gate.show([RIGHT], 0.0, visitor) is True) is is_known


def test_many_routes_are_no_way_to_more_guesses() -> None:
    gate = Gate()
    for number in range(5000):
        gate.guess(0.0, make_guesser(route=f"app{number}.test"))
    assert len(gate.compared) <= LIMITS.max_failures_of_all + 2


def test_memory_is_bounded() -> None:
    limits = attrs.evolve(LIMITS, max_throttled_peers=50, max_sessions=5, max_refused_guesses=20)
    gate = Gate(GuessThrottle(limits))
    for number in range(3000):
        guesser = make_guesser(str(number), f"app{number % 10}.test")
        for _ in range(6):
            gate.guess(number / 10, guesser)
        gate.show([RIGHT], number / 10, guesser)
    most_of_route = limits.max_known_wrong_tokens + limits.max_known_addresses
    assert len(gate.throttle) <= 50 + 20 + 5 * (1 + most_of_route)
