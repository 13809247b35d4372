"""The command line: how long, with which seed, and which faults in which phases."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random

import trio

from scripts.private_sshd import SshdError
from tests.chaos.deck import all_cards, run_trials, shuffled_for_ever
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


def chosen(known: Sequence[str], text: str) -> list[str]:
    """Return the names in a list with commas; for argparse."""
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} not known; there are: {', '.join(known)}")
    return names


def run(args: argparse.Namespace) -> list[Result]:
    """Run the trials, print them, and return their results."""
    results: list[Result] = []

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
        end = time.monotonic() + args.minutes * 60
        in_time = itertools.takewhile(lambda _: time.monotonic() < end, shuffled_for_ever(cards, rng))
        trio.run(run_trials, directory, in_time, rng, report, link)
    return results


def main() -> int:
    """Return 0 where all held, 1 where something did not, 2 for a wrong command line."""
    args = make_parser().parse_args()
    if os.geteuid() != 0:
        print("chaos: needs root, to act as several users", file=sys.stderr)
        return 1
    # Whoever ends us ends everything that we started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        results = run(args)
    except SshdError as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"\n{format_summary(results)}")
    if args.json is not None:
        args.json.write_text(format_json(results, args.seed))
    return 1 if any(result.breaches for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
