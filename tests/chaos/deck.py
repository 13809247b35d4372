"""Which trials there are, and running them one after the other in one world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

import trio

from tests.chaos.census import SETTLE_TIMEOUT, Census, take_census, wait_settled
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.link import Link
from tests.chaos.trial import Phase, Result, run_trial
from tests.chaos.visitors import open_load
from tests.chaos.world import World, open_world

Card = tuple[Fault, Phase]

_WARM_UP = 2.0  # seconds of load, after which programs have imported and allocated what they need


def all_cards() -> list[Card]:
    """Return every fault in every phase; a silent cut, which takes 40 s, only where the link carries something."""
    return [
        (fault, phase)
        for fault in FAULTS
        for phase in Phase
        if not fault.over_link or phase in (Phase.LIVE, Phase.LOADED)
    ]


def shuffled_for_ever(cards: Iterable[Card], rng: Random) -> Iterator[Card]:
    """Yield all cards in an order of chance, and then again in another."""
    deck = list(cards)
    while True:
        rng.shuffle(deck)
        yield from deck


async def run_trials(
    directory: Path,
    cards: Iterable[Card],
    rng: Random,
    report: Callable[[Result], None],
    link: Link | None = None,
    *,
    settles_each: bool = True,
) -> None:
    """Run the trials one after the other, reporting each, in a world in `directory` that is there for so long.

    What is left is looked for after each of them, or only after the last and then reported on its own.
    """
    async with open_world(directory, link) as world:
        before = await _take_baseline(world, rng)
        for index, (fault, phase) in enumerate(cards):
            result = await run_trial(world, fault, phase, f"s{index}", rng)
            if settles_each:
                left = await wait_settled(world, before)
                result.breaches += left
                if left:  # which is no fault of the next
                    before = await take_census(world)
            report(result)
        if not settles_each:
            report(Result(fault="none", phase="after all", breaches=await wait_settled(world, before)))


async def _take_baseline(world: World, rng: Random) -> Census:
    async with open_load(world.residents, rng):
        await trio.sleep(_WARM_UP)
    await trio.sleep(SETTLE_TIMEOUT)
    return await take_census(world)
