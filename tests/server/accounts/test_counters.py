"""Each answer of ours is counted under what it tells of, once."""

from __future__ import annotations

import attrs
import pytest

from conductor_trio.server.accounts.counters import Counters


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (403, "unauthorized"),
        (404, "no_route"),
        (410, "no_route"),
        (502, "broken"),
        (503, "broken"),
        (504, "broken"),
        (200, None),
        (302, None),
        (400, None),
        (500, None),
    ],
)
def test_answers_by_their_status(status: int, name: str | None) -> None:
    counters = Counters()
    counters.count_answer(status)
    counted = {key: count for key, count in attrs.asdict(counters).items() if count}
    assert counted == ({} if name is None else {name: 1})
