"""The command line: rounds of work on one server, and a look at it after each."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from scripts.attackers.__main__ import bounded_command
from scripts.attackers.ways import BOUNDED
from scripts.bench.__main__ import positive
from scripts.bench.machine import (
    REPOSITORY,
    BenchError,
    allow_many_files,
    describe_machine,
    is_listening,
    open_process,
    wait_until,
)
from scripts.bench.peers import OURS, Site, control_socket, open_gateway, ours_command
from scripts.bench.sessions import LocalSession
from scripts.soak.application import BULK_SIZE
from scripts.soak.vitals import HEADINGS, Vitals, format_row, judge, read_vitals

RESULT = REPOSITORY / "bench-results" / "soak.json"
GIB = 1024**3
_CHURNERS = 2
_ATTACK = 5.0  # seconds of each round
_ABORTED_SHARE = 10  # one in so many requests
_SAMPLE_PAUSE = 0.25
_REST_PAUSE = 0.1
_REST_PATIENCE = 30.0  # longer than the server lingers over a refused visitor, or waits for a head
_TOLD = 2000  # characters of a log


@attrs.frozen(kw_only=True)
class Soak:
    """What to do in each round, and with which server."""

    site: Site
    pid: int
    requests: int
    sessions: int
    bodies: int  # large ones
    seed: int
    attack: float

    def look(self) -> Vitals:
        """Return what the server holds now."""
        return read_vitals(self.pid, self.site.port, control_socket(self.site).parent)

    def work(self, number: int) -> list[Vitals]:
        """Do a round's work; returns what the server held meanwhile. Raises `BenchError` if it fails."""
        seen = []
        with (
            LocalSession(control_socket(self.site), self.site.upstream, "steady") as session,
            contextlib.ExitStack() as stack,
        ):
            workers = []
            for name, command in self._workers(number, session.host):
                log = self.site.directory / name
                workers.append((stack.enter_context(open_process(command, log)), log))
            while any(worker.poll() is None for worker, _ in workers):
                time.sleep(_SAMPLE_PAUSE)
                seen.append(self.look())
            for worker, log in workers:
                if worker.returncode:
                    said = log.read_text(errors="replace")[-_TOLD:].strip()
                    raise BenchError(f"round {number}, {log.name} (status {worker.returncode}): {said}")
        return seen

    def _workers(self, number: int, host: str) -> Iterator[tuple[str, list[str]]]:
        """Yield each worker's name and command."""
        seed, port, control = self.seed + number * _CHURNERS, self.site.port, control_socket(self.site)
        aborted = self.requests // _ABORTED_SHARE
        yield "patient", _worker("patient", port, host, self.requests - aborted)
        yield "impatient", _worker("impatient", port, host, aborted, seed)
        yield "bulk", _worker("bulk", port, host, self.bodies)
        for index in range(_CHURNERS):
            # The same names in each round: what the server remembers of a name, it remembers from the warm-up.
            what = (self.sessions // _CHURNERS, seed + index, f"worker{index}x")
            yield f"churn-{index}", _worker("churn", control, self.site.upstream, port, *what)
        # In every way in each round: what that makes the server allocate, it has allocated in the warm-up.
        yield "attackers", bounded_command(BOUNDED, port, control, self.attack)

    def rest(self, descriptors: int) -> Vitals:
        """Return what the server holds once nothing goes on, or still does so after a while."""
        end = time.monotonic() + _REST_PATIENCE
        while not (found := self.look()).is_at_rest(descriptors) and time.monotonic() < end:
            time.sleep(_REST_PAUSE)
        return found


def _worker(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"scripts.soak.{module}", *map(str, arguments)]


@contextlib.contextmanager
def open_soak(args: argparse.Namespace) -> Iterator[Soak]:
    """Run a server and an application."""
    with contextlib.ExitStack() as stack:
        # Short, since the sockets below it have at most 107 bytes for their paths.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="s-", dir="/tmp")))
        directory.chmod(0o711)  # attackers are another user, where root may make them one
        site = Site(directory=directory, upstream=directory / "app.sock")
        log = directory / "application"
        command = [sys.executable, "-m", "scripts.soak.application", str(site.upstream)]
        application = stack.enter_context(open_process(command, log))
        wait_until(lambda: is_listening(site.upstream), application, log, "the application")
        gateway = stack.enter_context(open_gateway(OURS.name, site, ours_command(site, args.server)))
        yield Soak(
            site=site,
            pid=gateway.pid,
            requests=args.requests // args.rounds,
            sessions=args.sessions // args.rounds,
            bodies=args.volume * GIB // args.rounds // BULK_SIZE,
            seed=args.seed,
            attack=args.attack,
        )


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.soak",
        description="Works one server hard, attackers beside, and fails unless it holds as much at the end as at "
        "the beginning.",
    )
    add = parser.add_argument
    add("--requests", type=positive, default=os.environ.get("SOAK_REQUESTS", "1000000"), metavar="N")
    add("--sessions", type=positive, default=os.environ.get("SOAK_SESSIONS", "5000"), metavar="N")
    add(
        "--volume", type=positive, default=os.environ.get("SOAK_VOLUME", "100"), metavar="GIB", help="large bodies"
    )
    add("--rounds", type=positive, default=10, metavar="N", help="of work (default %(default)s)")
    add("--warm-up", type=positive, default=1, metavar="N", help="rounds of them; PyPy needs 6")
    add("--attack", type=float, default=_ATTACK, metavar="S", help="seconds of each round (default %(default)s)")
    add("--server", metavar="PROGRAM", help="another conductor-trio-server, as that of `make pypy`")
    add("--seed", type=int, default=1, metavar="N", help="of the dice (default %(default)s)")
    add("--result", type=Path, default=RESULT, metavar="FILE", help="where to write (default %(default)s)")
    return parser


def run(args: argparse.Namespace) -> list[str]:
    """Soak, print and write; returns what is wrong with the server. Raises `BenchError` where the work failed."""
    rounds: list[dict[str, object]] = []
    rests: list[Vitals] = []
    print(HEADINGS)

    def show(name: str, found: Vitals) -> None:
        print(format_row(name, found), flush=True)

    with open_soak(args) as soak:
        base = soak.look()
        show("start", base)
        for number in range(1, args.rounds + 1):
            seen = soak.work(number)
            rests.append(soak.rest(base.descriptors))
            show(f"round {number}", rests[-1])
            rounds.append({"work": [*map(attrs.asdict, seen)], "rest": attrs.asdict(rests[-1])})
        wrong = judge(base, rests, args.warm_up)
    args.result.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "machine": describe_machine(),
        "requests": args.requests,
        "sessions": args.sessions,
        "volume": args.volume,
        "server": args.server or "own",
        "seed": args.seed,
        "attack": args.attack,
    }
    result = {**about, "wrong": wrong, "start": attrs.asdict(base), "rounds": rounds}
    args.result.write_text(json.dumps(result, indent=2) + "\n")
    return wrong


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where the server held as much at the end as at the beginning, 1 otherwise."""
    args = make_parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    begin = time.monotonic()
    allow_many_files()
    try:
        wrong = run(args)
    except BenchError as error:
        wrong = [str(error)]
    except KeyboardInterrupt:
        return 130
    print(f"It took {time.monotonic() - begin:.0f} s.")
    for what in wrong:
        print(f"soak: {what}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
