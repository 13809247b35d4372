"""``python -m scripts.restarts``: restart the server again and again, and count what visitors notice."""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import trio

from scripts.demo import EventReader, open_program
from scripts.private_sshd import PrivateSshd, open_private_sshd
from scripts.restarts.gateway import Gateway, How, open_gateway, own_program
from scripts.restarts.load import Tally, Visitor, open_application, run_load

TOKEN = "token-of-the-test"
_LIVE_TIMEOUT = 60.0
_SETTLING = 1.0  # under load, before the first restart

# The application runs already: this gives its socket the name that the client waits for.
_LINK = 'ln "$0" "$1" && exec sleep infinity'


@attrs.frozen(kw_only=True)
class Plan:
    """What is measured."""

    how: How
    sessions: int
    rate: float
    restarts: int
    pause: float  #: from one restart to the next
    over_ssh: bool = True


@attrs.frozen(kw_only=True)
class Result:
    """What visitors noticed, and clients."""

    tally: Tally
    clients_lost: int  #: `dead` events
    longest_restart: float  #: until the next server served, in seconds


async def measure(plan: Plan) -> Result:
    """Restart the server of that many sessions under that load."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rs-", dir="/tmp")))
        sshd = stack.enter_context(open_private_sshd()) if plan.over_ssh else None
        tally, states = Tally(), list[str]()
        async with (
            open_application(directory / "app"),
            open_gateway(directory, plan.how) as gateway,
            _open_clients(plan, directory, gateway, sshd, states) as hosts,
            contextlib.AsyncExitStack() as closing,
        ):
            visitors = [Visitor(gateway.port, host, TOKEN, tally) for host in hosts]
            for visitor in visitors:
                closing.push_async_callback(visitor.aclose)
            longest = await _restart_under_load(plan, gateway, visitors)
        failures = [entry for entry in gateway.log if entry.get("level") in (None, "error", "critical")]
        errors = [entry for entry in failures if not gateway.is_expected(entry)]
        assert not errors, errors
        return Result(tally=tally, clients_lost=states.count("dead"), longest_restart=longest)


async def _restart_under_load(plan: Plan, gateway: Gateway, visitors: list[Visitor]) -> float:
    longest = 0.0
    async with trio.open_nursery() as nursery:
        load = trio.CancelScope()

        async def ask() -> None:
            with load:
                await run_load(visitors, plan.rate)

        nursery.start_soon(ask)
        await trio.sleep(_SETTLING)
        for _ in range(plan.restarts):
            begun = trio.current_time()
            await gateway.restart()
            longest = max(longest, trio.current_time() - begun)
            await trio.sleep(plan.pause)
        load.cancel()
    return longest


@contextlib.asynccontextmanager
async def _open_clients(
    plan: Plan, directory: Path, gateway: Gateway, sshd: PrivateSshd | None, states: list[str]
) -> AsyncIterator[list[str]]:
    """Offer the application by as many clients, and give their host names once all are live."""
    hosts: list[str] = []
    few = trio.CapacityLimiter(4)  # that start at a time
    all_live = trio.Event()

    async def run_client(key: str) -> None:
        await few.acquire_on_behalf_of(key)
        async with _open_client(directory, gateway, sshd, key) as output:
            async for event in EventReader(output):
                states.append(event["state"])
                if event["state"] == "live" and (host := event["config"]["urls"][0]) not in hosts:
                    hosts.append(host)
                    few.release_on_behalf_of(key)
                    if len(hosts) == plan.sessions:
                        all_live.set()

    async with trio.open_nursery() as nursery:
        for number in range(plan.sessions):
            nursery.start_soon(run_client, f"app{number}")
        with trio.fail_after(_LIVE_TIMEOUT):
            await all_live.wait()
        yield hosts
        nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def _open_client(
    directory: Path, gateway: Gateway, sshd: PrivateSshd | None, key: str
) -> AsyncIterator[trio.abc.ReceiveStream]:
    """Run a client, and give its output."""
    server = f"localhost:{sshd.port}{gateway.control_socket}" if sshd else str(gateway.control_socket)
    local_socket = directory / key
    command = [own_program("conductor-trio"), "-k", key, server, str(local_socket), "--"]
    command += ["/bin/sh", "-c", _LINK, str(directory / "app"), str(local_socket)]
    environment = os.environ | {"CONDUCTOR_TOKEN": TOKEN}
    if sshd:
        environment = sshd.me.environment(environment)
    async with open_program(command, directory / f"{key}.log", environment) as client:
        assert client.stdout is not None
        yield client.stdout


def describe(plan: Plan, result: Result) -> str:
    """Return a paragraph for people."""
    tally, waits = result.tally, sorted(result.tally.waits)
    failures = ", ".join(f"{count} × {what}" for what, count in tally.failures.items()) or "none"
    median, most = statistics.median(waits) * 1000, waits[len(waits) * 99 // 100] * 1000
    return "\n  ".join(
        (
            f"{plan.restarts} restarts, listeners {plan.how.value}, {plan.sessions} sessions:",
            f"{len(waits) + tally.failed} requests, {plan.rate:g} a second; failed: {failures}",
            f"wait: median {median:.1f} ms, 99 % {most:.0f} ms, longest {waits[-1] * 1000:.0f} ms",
            f"{tally.repeated} repeated by the visitor, since a kept connection was closed before any answer",
            f"the next server after {result.longest_restart:.2f} s at most; links lost: {result.clients_lost}",
        )
    )


def main() -> int:
    """Measure, and say what came of it; 0 if no request failed."""
    parser = argparse.ArgumentParser(prog="restarts", description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--restarts", type=int, default=10, help="of each kind")
    parser.add_argument("--pause", type=float, default=3.0, help="seconds from one restart to the next")
    parser.add_argument("--local", action="store_true", help="without SSH")
    parser.add_argument("--how", choices=[how.name.lower() for how in How], help="only this kind")
    given = parser.parse_args()
    failed = 0
    for how in How:
        if given.how in (None, how.name.lower()):
            plan = Plan(
                how=how,
                sessions=given.sessions,
                rate=given.rate,
                restarts=given.restarts,
                pause=given.pause,
                over_ssh=not given.local,
            )
            result = trio.run(measure, plan)
            print(describe(plan, result), flush=True)
            failed += result.tally.failed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
