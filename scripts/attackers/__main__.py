"""Those who make a gateway work as hard as they can, each in one way; as another user where root may.

::

    python -m scripts.attackers PORT CONTROL_SOCKET HOW… [--seconds S] [--patience S] [--peers N] [--pause S]

Without options each attacks with all it has, for ever. With ``--seconds`` it ends by itself, so long after each
has begun: with status 0 where each did attack, 1 where one could not.
"""

from __future__ import annotations

import argparse
import os
import pwd
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.attackers.attack import Attack
from scripts.attackers.ways import ATTACKS
from scripts.bench.machine import PATIENCE

USER = "nobody"  # who exists everywhere, and has no quiet session
#: Seconds until each has begun. Who attacks in other ways at the same time, as the same user, is made to wait for
#: the sessions and commands that it takes, the longer the busier the machine is.
_PATIENCE = 60.0
_LOOK_PAUSE = 0.05


def bounded_command(
    hows: Sequence[str], port: int, control: Path, seconds: float, *, patience: float = _PATIENCE
) -> list[str]:
    """Return the command that attacks in these ways at once for so long, with little, beside what is to go on."""
    bounds = ["--seconds", str(seconds), "--patience", str(patience), "--peers", "4", "--pause", "0.02"]
    return [sys.executable, "-m", "scripts.attackers", str(port), str(control), *hows, *bounds]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.attackers", description="Attacks a gateway.")
    parser.add_argument("port", type=int, metavar="PORT")
    parser.add_argument("control", type=Path, metavar="CONTROL_SOCKET")
    parser.add_argument("hows", nargs="+", choices=[*ATTACKS], metavar="HOW", help=", ".join(ATTACKS))
    parser.add_argument("--seconds", type=float, metavar="S", help="how long all of them (default: for ever)")
    parser.add_argument(
        "--patience",
        type=float,
        default=_PATIENCE,
        metavar="S",
        help="until all have begun (default: %(default)s)",
    )
    parser.add_argument(
        "--peers", type=int, metavar="N", help="of each sort at most (default: as many as it takes)"
    )
    parser.add_argument(
        "--users",
        metavar="NAME,…",
        default=USER,
        help="who attacks, each the same, where root does (default: %(default)s)",
    )
    parser.add_argument("--pause", type=float, default=0.0, metavar="S", help="between what one of them sends")
    return parser


def _begin(how: str, attack: Attack) -> None:
    """Attack in one way; if that cannot be, nobody attacks."""
    try:
        ATTACKS[how](attack)
    except BaseException:
        attack.over.set()
        raise


def wait_begun(attacks: Iterable[Attack], over: threading.Event, patience: float) -> None:
    """Return once all have begun, or one cannot, or that takes too long."""
    end = time.monotonic() + patience
    while not all(attack.begun.is_set() for attack in attacks) and time.monotonic() < end:
        if over.wait(_LOOK_PAUSE):
            break


def main(argv: Sequence[str] | None = None) -> int:
    """Attack in all these ways at once; return 0 where each was gone, 1 otherwise."""
    args = make_parser().parse_args(argv)
    user_name, *others = args.users.split(",")
    for other in others:
        if not os.fork():
            user_name = other
            break
    if os.geteuid() == 0 and user_name != pwd.getpwuid(0).pw_name:
        user = pwd.getpwnam(user_name)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    over = threading.Event()
    attacks = {
        how: Attack(port=args.port, control=args.control, peers=args.peers, pause=args.pause, over=over)
        for how in args.hows
    }
    threads = [threading.Thread(target=_begin, args=item, daemon=True) for item in attacks.items()]
    for thread in threads:
        thread.start()
    if args.seconds is not None:
        wait_begun(attacks.values(), over, args.patience)
    over.wait(args.seconds)
    over.set()
    for thread in threads:
        thread.join(PATIENCE)
    if failed := [how for how, attack in attacks.items() if not attack.begun.is_set()]:
        print(f"attackers: nothing came of {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
