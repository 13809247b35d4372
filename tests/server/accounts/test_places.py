"""No address takes all places, idle connections of the greediest give way, and every place is given back."""

from __future__ import annotations

import attrs
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.limits.server import ServerLimits
from conductor_trio.limits.workers import LEASE_DENIED_PAUSE
from conductor_trio.server.accounts.places import NoPlace, Place, Places
from tests.support.lending import Lending

LIMITS = ServerLimits(max_visitors=10, max_address_visitors=6)
ALICE, BOB, CAROL = "192.0.2.1", "192.0.2.2", "192.0.2.3"


@attrs.define(eq=False)
class Idle:
    """Idle connections, by their places."""

    places: list[Place] = attrs.field(factory=list)
    looks: int = 0

    def greediest(self) -> Place | None:
        """Return the place with the most connections of those that have an idle one."""
        self.looks += 1
        return max(self.places, key=lambda place: place.count, default=None)

    def give_way(self, place: Place, count: int) -> int:
        """Close some of a place."""
        found = min(count, self.places.count(place))
        for _ in range(found):
            self.places.remove(place)
        return found


def take(places: Places, address: str | None, count: int = 1) -> Place:
    """Take so many places."""
    taken = [places.take(address, 5) for _ in range(count)]
    assert all(isinstance(place, Place) for place in taken)
    [*_, place] = taken
    assert isinstance(place, Place)
    return place


async def test_an_address_has_a_part_of_all_and_others_get_in() -> None:
    places = Places(LIMITS, Idle())
    alice = take(places, ALICE, 6)
    assert places.take(ALICE, 5) is NoPlace.ADDRESS_FULL
    take(places, BOB, 4)
    assert places.take(CAROL, 5) is NoPlace.FULL
    places.leave(alice, gave_way=False)
    assert places.count_of(ALICE) == 5
    take(places, CAROL)
    assert places.total == 10


async def test_places_that_other_processes_have_are_nobody_else_s(autojump_clock: MockClock) -> None:
    lending = Lending(LIMITS)
    places = Places(LIMITS, Idle())
    places.share(lending.ours)
    lending.used_there = {ALICE: 1, "": 1}

    async def come(address: str | None) -> Place | NoPlace:
        await places.obtain(address)
        return places.take(address, 5)

    alice = [await come(ALICE) for _ in range(5)]
    assert all(isinstance(place, Place) for place in alice)
    assert await come(ALICE) is NoPlace.ADDRESS_FULL
    assert [type(await come(BOB)) for _ in range(4)] == 4 * [Place]
    assert await come(None) is NoPlace.FULL
    assert not await places.obtain(CAROL) and await places.obtain(CAROL, is_new=False)
    assert isinstance(places.enter(CAROL), Place)
    for place in alice:
        assert isinstance(place, Place)
        places.leave(place, gave_way=False)
    await trio.sleep(LEASE_DENIED_PAUSE)
    assert isinstance(await come(None), Place)


async def test_a_place_that_another_process_counts_is_not_counted_again() -> None:
    places = Places(attrs.evolve(LIMITS, max_visitor_descriptor=100), Idle())
    for _ in range(20):
        place = places.lend(ALICE, 5)
        assert isinstance(place, Place) and place.name == ALICE
        assert (places.total, places.count_of(ALICE)) == (0, 0)
        places.leave(place, gave_way=False)
        places.exit(place)
    assert places.lend(None, 100) is NoPlace.FULL
    assert (places.total, places.count_of(ALICE)) == (0, 0)


async def test_addresses_of_one_network_of_ipv6_are_one() -> None:
    places = Places(LIMITS, Idle())
    for number in range(6):
        take(places, f"2001:db8:0:1::{number}")
    assert places.take("2001:db8:0:1:ffff::1", 5) is NoPlace.ADDRESS_FULL
    take(places, "2001:db8:0:2::1")


async def test_front_proxies_have_no_such_bound_and_those_whom_they_name_have() -> None:
    places = Places(LIMITS, Idle())
    take(places, None, 9)
    found = [places.enter(ALICE) for _ in range(7)]
    assert found[6] is None
    assert places.enter(BOB) is not None
    assert found[0] is not None
    places.exit(found[0])
    assert places.enter(ALICE) is not None


async def test_an_address_makes_room_for_itself() -> None:
    idle = Idle()
    places = Places(LIMITS, idle)
    alice = take(places, ALICE, 6)
    idle.places = [alice, alice]
    take(places, ALICE)
    assert (places.count_of(ALICE), places.total, places.leaving) == (6, 6, 1)
    places.leave(alice, gave_way=True)
    assert (places.count_of(ALICE), places.total, places.leaving) == (6, 6, 0)


async def test_the_greediest_makes_room_for_others_but_not_for_who_is_as_greedy() -> None:
    idle = Idle()
    places = Places(LIMITS, idle)
    alice, bob = take(places, ALICE, 6), take(places, BOB, 4)
    idle.places = [bob, alice, bob]
    take(places, CAROL)
    assert (places.count_of(ALICE), places.count_of(BOB), places.count_of(CAROL)) == (5, 4, 1)
    idle.places = [bob]
    places.leave(alice, gave_way=True)
    assert places.take(BOB, 5) is NoPlace.FULL  # its own would only be exchanged


async def test_no_more_give_way_at_once_than_a_share(mock_clock: MockClock) -> None:
    idle = Idle()
    places = Places(attrs.evolve(LIMITS, leaving_share=5), idle)
    alice = take(places, ALICE, 6)
    take(places, BOB, 4)
    idle.places = [alice] * 6
    take(places, CAROL, 2)
    assert places.leaving == 2
    assert places.take(CAROL, 5) is NoPlace.FULL
    places.leave(alice, gave_way=True)
    mock_clock.jump(LIMITS.idle_look_pause)
    take(places, CAROL)


async def test_a_flood_does_not_look_at_all_connections_each_time(mock_clock: MockClock) -> None:
    idle = Idle()
    places = Places(LIMITS, idle)
    alice = take(places, ALICE, 6)
    take(places, BOB, 4)
    for _ in range(100):
        assert places.take(CAROL, 5) is NoPlace.FULL
    assert idle.looks == 1
    idle.places = [alice]
    mock_clock.jump(LIMITS.idle_look_pause)
    take(places, CAROL)
    assert idle.looks == 2


async def test_the_last_descriptors_are_not_for_visitors() -> None:
    idle = Idle()
    places = Places(attrs.evolve(LIMITS, max_visitor_descriptor=100), idle)
    alice = take(places, ALICE, 2)
    assert places.take(BOB, 99) is not NoPlace.FULL
    idle.places = [alice]
    assert places.take(BOB, 100) is NoPlace.FULL
    assert places.leaving == 1  # for those to come


@given(steps=st.lists(st.tuples(st.sampled_from([ALICE, BOB, CAROL, None]), st.integers(0, 3)), max_size=80))
async def test_every_place_is_given_back(steps: list[tuple[str | None, int]]) -> None:
    idle = Idle()
    places = Places(LIMITS, idle)
    there: list[Place] = []
    for address, what in steps:
        if what and there:
            place = there.pop(what % len(there))
            if place in idle.places:
                idle.places.remove(place)
            places.leave(place, gave_way=False)
            continue
        leaving = places.leaving
        place_or_not = places.take(address, 5)
        for _ in range(places.leaving - leaving):  # which one it was does not matter
            places.leave(there[0], gave_way=True)
        if isinstance(place_or_not, Place):
            there.append(place_or_not)
        assert places.total <= LIMITS.max_visitors
        assert all(places.count_of(one) <= LIMITS.max_address_visitors for one in (ALICE, BOB, CAROL))
    for place in there:
        places.leave(place, gave_way=False)
    assert places.total == places.leaving == 0


async def test_of_an_address_s_handshakes_the_oldest_gives_way() -> None:
    places = Places(LIMITS, Idle())
    alice, bob = take(places, ALICE), take(places, BOB)
    proxy = take(places, None)
    given_up: list[str] = []

    async def shake_hands(place: Place, name: str) -> None:
        with trio.CancelScope() as scope, place.shaking_hands(scope, 2):
            await trio.sleep_forever()
        given_up.append(name)

    async with trio.open_nursery() as nursery:
        for place, name in [(bob, "bob"), *[(proxy, "proxy")] * 4, *((alice, f"alice {n}") for n in range(4))]:
            nursery.start_soon(shake_hands, place, name)
            await wait_all_tasks_blocked()
        assert given_up == ["alice 0", "alice 1"]
        nursery.cancel_scope.cancel()
