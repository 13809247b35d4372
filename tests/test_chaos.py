"""The short form of the chaos suite: each hop once, in one phase of the subject's life or another."""

from __future__ import annotations

from pathlib import Path
from random import Random

import attrs
import pytest

from tests.chaos.deck import all_cards, run_trials
from tests.chaos.results import format_result
from tests.chaos.trial import Result

pytestmark = pytest.mark.e2e

# Those that are over in seconds; `make chaos` has all.
CARDS = {
    "kill-ssh": "loaded",
    "kill-sshd-session": "live",
    "kill-sshd": "reconnecting",
    "kill-application": "loaded",
    "kill-client": "registering",
    "kill-server": "loaded",
    "stop-server": "starting",
    "fill-server": "loaded",
}

# The machines of continuous integration are shared; `make chaos` holds everybody to the time itself.
PATIENCE_FACTOR = 3


async def test_nothing_else_suffers_and_nothing_is_left(short_tmp: Path) -> None:
    results: list[Result] = []
    cards = [
        (attrs.evolve(fault, live_timeout=fault.live_timeout * PATIENCE_FACTOR), phase)
        for fault, phase in all_cards()
        if CARDS.get(fault.name) == phase.value
    ]
    assert len(cards) == len(CARDS)
    await run_trials(short_tmp, cards, Random(1), results.append, settles_each=False)
    table = "\n".join(format_result(result) for result in results)
    assert not any(result.breaches for result in results), f"\n{table}"
