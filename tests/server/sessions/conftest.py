"""What the tests of sessions share: a server without visitors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.session_bench import Bench, open_bench


@pytest.fixture
async def bench(runtime_dir: Path) -> AsyncIterator[Bench]:
    """Serve clients while the test runs."""
    async with open_bench(runtime_dir) as bench:
        yield bench
