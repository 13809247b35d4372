"""What a job needs, in the form of a batch system."""

from __future__ import annotations

import pytest

from conductor_trio.client.batch.request import format_clock


@pytest.mark.parametrize(
    ("seconds", "clock"), [(60, "00:01:00"), (14_400, "04:00:00"), (0.5, "00:00:01"), (360_000, "100:00:00")]
)
def test_times(seconds: float, clock: str) -> None:
    assert format_clock(seconds) == clock
