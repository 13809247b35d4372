"""The chaos suite: its short form, and that it sees what it is there to see."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from random import Random

import attrs
import pytest

from tests.chaos.census import Census
from tests.chaos.deck import all_cards, run_trials, shuffled_for_ever
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.processes import Usage, adopting_orphans, find_all, is_running, kill, stopped, usage_by_name
from tests.chaos.results import format_json, format_result, format_summary
from tests.chaos.trial import Phase, Result
from tests.support.programs import (
    open_program,
    run_program,
    wait_gone,
    wait_until,
)

# The short form: those that are over in seconds. `make chaos` has all.
CARDS = {
    "kill-ssh": "loaded",
    "kill-sshd-session": "live",
    "kill-sshd": "reconnecting",
    "kill-application": "loaded",
    "kill-client": "registering",
    "end-client": "loaded",
    "replace-server": "live",
    "kill-server": "loaded",
    "stop-server": "starting",
    "fill-server": "loaded",
    "attack-server": "loaded",
}

# The machines of continuous integration are shared; `make chaos` holds everybody to the time itself.
PATIENCE_FACTOR = 3

MIB = 1024 * 1024
USAGE = Usage(processes=2, descriptors=40, threads=2, memory=60 * MIB)
CENSUS = Census(usage={"server": USAGE}, things={"relay sockets": 4})


def _patient(fault: Fault) -> Fault:
    return attrs.evolve(
        fault,
        live_timeout=fault.live_timeout * PATIENCE_FACTOR,
        answer_timeout=fault.answer_timeout and fault.answer_timeout * PATIENCE_FACTOR,
    )


@pytest.mark.e2e
async def test_nothing_else_suffers_and_nothing_is_left(short_tmp: Path) -> None:
    results: list[Result] = []
    cards = [(_patient(fault), phase) for fault, phase in all_cards() if CARDS.get(fault.name) == phase.value]
    assert len(cards) == len(CARDS)
    await run_trials(short_tmp, cards, Random(1), results.append, settles_each=False)
    table = "\n".join(format_result(result) for result in results)
    assert not any(result.breaches for result in results), f"\n{table}"


def test_every_fault_is_tried_in_every_phase_before_one_comes_again() -> None:
    cards = all_cards()
    dealt = shuffled_for_ever(cards, Random(1))
    for _ in range(2):
        assert Counter(next(dealt) for _ in cards) == Counter(cards)
    phases = Counter(fault.name for fault, _ in cards)
    assert phases.pop("cut-link") == 2
    assert phases == {fault.name: len(Phase) for fault in FAULTS if fault.name != "cut-link"}


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (CENSUS, []),
        (attrs.evolve(CENSUS, usage={}), []),
        (attrs.evolve(CENSUS, things={"relay sockets": 5}), ["relay sockets: 5, not 4"]),
        (attrs.evolve(CENSUS, things={"relay sockets": 3}), ["relay sockets: 3, not 4"]),
        (attrs.evolve(CENSUS, usage={"server": attrs.evolve(USAGE, processes=3)}), ["server: 3 processes, not 2"]),
        (
            attrs.evolve(CENSUS, usage={"server": attrs.evolve(USAGE, descriptors=41)}),
            ["server: 41 descriptors, not 40"],
        ),
        (attrs.evolve(CENSUS, usage={"server": attrs.evolve(USAGE, threads=18)}), []),
        (attrs.evolve(CENSUS, usage={"server": attrs.evolve(USAGE, threads=19)}), ["server: 19 threads, not 18"]),
        (attrs.evolve(CENSUS, usage={"server": attrs.evolve(USAGE, memory=76 * MIB)}), []),
        (
            attrs.evolve(CENSUS, usage={"server": attrs.evolve(USAGE, memory=77 * MIB)}),
            ["server: 77 MiB, not 76"],
        ),
        (
            attrs.evolve(CENSUS, usage={"server": USAGE, "sleep": Usage(processes=1)}),
            ["sleep: 1 processes, not 0"],
        ),
    ],
)
def test_the_census_finds_what_is_left(now: Census, found: list[str]) -> None:
    assert now.excess_over(CENSUS) == found


async def test_processes_that_lose_their_parent_are_found_and_do_not_outlive_the_world() -> None:
    with adopting_orphans():
        shell = await run_program(["sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"])
        orphan = int(shell.out.text)
        await wait_until(lambda: orphan in find_all("sleep"))
        assert usage_by_name()["sleep"].processes == 1
        assert is_running(orphan)
    assert not is_running(orphan)
    assert "sleep" not in usage_by_name()


async def test_a_zombie_that_waits_for_us_is_not_counted() -> None:
    async with open_program(["sleep", "1000"]) as program:
        await wait_until(lambda: usage_by_name()["sleep"].processes == 1)
        await kill([program.process.pid])
        assert "sleep" not in usage_by_name()


async def test_a_stopped_process_goes_on_afterwards() -> None:
    async with open_program(["sleep", "1000"]) as program:
        pid = program.process.pid
        async with stopped([pid]):
            os.kill(pid, signal.SIGTERM)  # which it cannot act on yet
            assert is_running(pid)
        await wait_gone(pid)


def test_results_as_text_and_json() -> None:
    good = Result(fault="kill-ssh", phase="live", outcome="live", live_after=0.5, asked_of_others=40)
    bad = attrs.evolve(good, live_after=2.5, failed_of_others=1, breaches=["it failed"], log=["a word"])
    assert format_result(good).split() == ["kill-ssh", "live", "live", "0.50", "0/0", "0/40"]
    assert format_result(bad).splitlines()[1:] == ["    BREACH: it failed", "    | a word"]
    _, row, total = format_summary([good, bad]).splitlines()
    assert row.split() == ["kill-ssh", "2", "1", "1.50", "2.50", "0/0", "1/80"]
    assert total == "2 trials, 1 breached."
    told = json.loads(format_json([good, bad], seed=7))
    assert told["seed"] == 7
    assert [trial["breaches"] for trial in told["trials"]] == [[], ["it failed"]]
