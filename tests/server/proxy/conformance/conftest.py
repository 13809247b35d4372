"""Each row once at the server itself, and once through a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engine import THROUGH_WORKER


@pytest.fixture(autouse=True, params=["server", "worker"])
def serves(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have visitors come to one or the other."""
    token = THROUGH_WORKER.set(request.param == "worker")
    yield
    THROUGH_WORKER.reset(token)
