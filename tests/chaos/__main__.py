"""The command line: how long, with which seed, and which faults in which phases."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import trio

from scripts.bench.__main__ import chosen
from scripts.private_sshd import SshdError
from tests.chaos.deck import Card, all_cards, run_trials, shuffled_for_ever
from tests.chaos.faults import FAULTS
from tests.chaos.link import NoLink, open_link
from tests.chaos.results import format_heading, format_json, format_result, format_summary
from tests.chaos.trial import Phase, Result


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Kills, stops and cuts each hop of a real chain under load, again and again, and checks that "
        "nothing else suffers and nothing is left. Exit status 1 if anything did not hold.",
    )
    faults, phases = [fault.name for fault in FAULTS], [phase.value for phase in Phase]
    add = parser.add_argument
    add("--minutes", type=float, default=10, metavar="M", help="how long (default %(default)g)")
    add("--seed", type=int, default=secrets.randbelow(10**6), metavar="N", help="of all that is left to chance")
    add("--only", type=partial(chosen, faults), metavar="FAULT,…", default=faults, help=f"of: {', '.join(faults)}")
    add("--phases", type=partial(chosen, phases), metavar="PHASE,…", default=phases, help=", ".join(phases))
    add("--json", type=Path, metavar="FILE", help="write all results there as well")
    return parser


def run(args: argparse.Namespace, results: list[Result]) -> bool:
    """Run the trials, print them and add them to `results`; return whether a signal has cut them short."""

    def report(result: Result) -> None:
        results.append(result)
        print(format_result(result), flush=True)

    cards = [card for card in all_cards() if card[0].name in args.only and card[1].value in args.phases]
    with contextlib.ExitStack() as stack:
        link = None
        if any(fault.over_link for fault, _ in cards):
            try:
                link = stack.enter_context(open_link())
            except NoLink as error:
                print(f"chaos: silent cuts are left out: {error}", file=sys.stderr)
                cards = [card for card in cards if not card[0].over_link]
        if not cards:
            sys.exit("chaos: there is nothing to do; such a fault is not tried in such a phase")
        # Short, since the paths of sockets below it have at most 107 bytes.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ct-", dir="/tmp")))
        directory.chmod(0o755)
        print(f"Seed {args.seed}.\n{format_heading()}", flush=True)
        rng = Random(args.seed)
        in_time = lasting(args.minutes * 60, shuffled_for_ever(cards, rng))
        return trio.run(until_asked, partial(run_trials, directory, in_time, rng, report, link))


def lasting(seconds: float, cards: Iterable[Card]) -> Iterator[Card]:
    """Yield cards until so much time has gone by since the first was asked for."""
    end = time.monotonic() + seconds
    for card in cards:
        if time.monotonic() >= end:
            return
        yield card


async def until_asked(act: Callable[[], Awaitable[None]]) -> bool:
    """Do something to its end, or until a signal asks us to end; return whether one has."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await anext(signals)
                asked.cancel()

            nursery.start_soon(watch)
            with trio.CancelScope() as asked:
                await act()
            nursery.cancel_scope.cancel()
    return asked.cancelled_caught


def main() -> int:
    """Return 0 where all held, 1 where something did not or we were cut short, 2 for a wrong command line."""
    args = make_parser().parse_args()
    if os.geteuid() != 0:
        print("chaos: needs root, to act as several users", file=sys.stderr)
        return 1
    results: list[Result] = []
    try:
        was_cut_short = run(args, results)
    except SshdError as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 1
    print(f"\n{format_summary(results)}")
    if args.json is not None:
        args.json.write_text(format_json(results, args.seed))
    return 1 if was_cut_short or any(result.breaches for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
