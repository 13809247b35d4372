"""The command line: what is measured, how often and how long, and where the results go."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from scripts.bench.capacity import measure_capacity
from scripts.bench.chain import measure_chain
from scripts.bench.chart import draw_chart
from scripts.bench.fairness import measure_fairness
from scripts.bench.machine import (
    REPOSITORY,
    BenchError,
    allow_many_files,
    describe_machine,
    find_program,
    program_version,
)
from scripts.bench.origins import open_origins
from scripts.bench.peers import OURS, PEERS, Kind, original_kind
from scripts.bench.requests import (
    measure_close,
    measure_distinct,
    measure_keepalive,
    measure_latency,
    measure_tls,
)
from scripts.bench.results import RATES, Sample, describe, format_json, format_table, medians
from scripts.bench.scale import measure_scale
from scripts.bench.stage import Bench
from scripts.bench.startup import measure_startup
from scripts.bench.tcp import measure_tcp
from scripts.bench.transfer import DIRECT, measure_transfer
from scripts.bench.websocket import measure_memory, measure_websocket

MIB = 1024 * 1024
PARTS: Mapping[str, Callable[[Bench], None]] = {
    "keepalive": measure_keepalive,
    "distinct": measure_distinct,
    "close": measure_close,
    "tls": measure_tls,
    "latency": measure_latency,
    "transfer": measure_transfer,
    "websocket": measure_websocket,
    "memory": measure_memory,
    "chain": measure_chain,
    "startup": measure_startup,
    "tcp": measure_tcp,
    "capacity": measure_capacity,
    "scale": measure_scale,
    "fairness": measure_fairness,
}
RESULTS = REPOSITORY / "bench-results"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench",
        description="Measures the gateway beside its peers, on this machine, in about ten minutes by default.",
    )
    parts, peers = list(PARTS), [kind.name for kind in PEERS]
    add = parser.add_argument
    add("--only", type=partial(chosen, parts), metavar="PART,…", default=parts, help=f"of: {', '.join(parts)}")
    add("--peers", type=partial(chosen, peers), metavar="PEER,…", default=peers, help=f"of: {', '.join(peers)}")
    add("--rounds", type=positive, default=3, metavar="N", help="interleaved rounds (default %(default)s)")
    add("--seconds", type=positive, default=3, metavar="S", help="of one load (default %(default)s)")
    add(
        "--volume",
        type=positive,
        default=1024,
        metavar="MIB",
        help="of a download or upload (default %(default)s)",
    )
    add("--idle", type=positive, default=1000, metavar="N", help="idle WebSockets (default %(default)s)")
    add("--sessions", type=positive, default=1000, metavar="N", help="at once, capacity (default %(default)s)")
    add("--websockets", type=positive, default=4000, metavar="N", help="at once, capacity (default %(default)s)")
    add(
        "--original",
        metavar="COMMAND",
        help="measure another server of the same control channel, too: a command line in which {runtime} stands "
        "for its runtime directory and {port} for its port; have it give names, as by '-d {key}-{user}.localhost'",
    )
    add("--results", type=Path, default=RESULTS, metavar="DIR", help="where to write (default %(default)s)")
    return parser


def chosen(known: Sequence[str], text: str) -> list[str]:
    """Return the names in a list with commas, in the order in which we know them; for argparse."""
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} not known; there are: {', '.join(known)}")
    return [name for name in known if name in names]


def positive(text: str) -> int:
    """Return a number of at least 1; for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of at least 1")
    return int(text)


def installed(kinds: Sequence[Kind], note: Callable[[str], None]) -> list[Kind]:
    """Return those whose programs are here, noting the others."""
    found = []
    for kind in kinds:
        if missing := [name for name in kind.programs if find_program(name) is None]:
            note(f"{kind.title}: left out, there is no {missing[0]} here")
        else:
            found.append(kind)
    return found


def versions(kinds: Sequence[Kind]) -> dict[str, str]:
    """Return the version of each program."""
    found = {}
    for command in [*((kind.programs[0], *kind.version) for kind in kinds if kind.version), ("node", "--version")]:
        if program := find_program(command[0]):
            found[Path(command[0]).name] = program_version([program, *command[1:]])
    return found


def run(args: argparse.Namespace) -> None:
    """Measure, print and write; raises `BenchError`."""
    samples: list[Sample] = []
    notes: list[str] = []

    def report(sample: Sample) -> None:
        samples.append(sample)
        print(describe(sample), flush=True)

    def note(text: str) -> None:
        notes.append(text)
        print(f"bench: {text}", file=sys.stderr, flush=True)

    kinds = [OURS, *([original_kind(args.original)] if args.original else [])]
    kinds = installed([*kinds, *(kind for kind in PEERS if kind.name in args.peers)], note)
    about: dict[str, object] = {
        "date": time.strftime("%Y-%m-%d"),
        "command": shlex.join(["python", "-m", "scripts.bench", *sys.argv[1:]]),
        "machine": describe_machine(),
        "versions": versions(kinds),
        "notes": notes,
    }
    allow_many_files()
    with contextlib.ExitStack() as stack:
        # Short, since the sockets below it have at most 107 bytes for their paths.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="b-", dir="/tmp")))
        bench = Bench(
            directory=directory,
            origins=stack.enter_context(open_origins(directory, args.volume * MIB)),
            kinds=kinds,
            rounds=args.rounds,
            seconds=args.seconds,
            volume=args.volume * MIB,
            idle=args.idle,
            sessions=args.sessions,
            websockets=args.websockets,
            original=args.original,
            report=report,
            note=note,
        )
        for part in args.only:
            try:
                PARTS[part](bench)
            except (BenchError, OSError, subprocess.SubprocessError) as error:
                note(f"{part}: {error}")
    write_results(args.results, samples, about, {kind.name: kind.title for kind in kinds} | {DIRECT: "no proxy"})


def write_results(
    directory: Path, samples: Sequence[Sample], about: Mapping[str, object], titles: Mapping[str, str]
) -> None:
    """Print the table, and write it, the chart and all figures to that directory."""
    found = medians(samples)
    caption = f"conductor-trio and its peers, {about['date']}: medians"
    table = "\n".join([f"Measured on {about['date']} with `{about['command']}`:", "", format_table(found, titles)])
    print(f"\n{table}\n\nIn parentheses: how many times better conductor-trio is.")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(format_json(samples, about))
    (directory / "table.md").write_text(table + "\n")
    (directory / "chart.svg").write_text(draw_chart(found, titles, caption))
    (directory / "requests.svg").write_text(draw_chart(found, titles, caption, RATES))
    print(f"Written: {directory}/results.json, table.md, chart.svg, requests.svg")


def main() -> int:
    """Return 0 where all went well, 1 where nothing could be measured, 2 for a wrong command line."""
    args = make_parser().parse_args()
    # Whoever ends us ends everything that we started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    begin = time.monotonic()
    try:
        run(args)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"It took {time.monotonic() - begin:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
