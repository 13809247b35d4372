"""What is warned of where the token can get about; how a run tells it is in test_run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conductor_trio.client.token_warnings import warn_of_readers


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o620, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_may_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, is_told: bool
) -> None:
    (path := tmp_path / "events").touch()
    path.chmod(mode)
    with path.open("wb") as file:
        warn_of_readers(file.fileno())
    assert bool(caplog.records) is is_told


def test_a_pipe_is_nobodys_file(caplog: pytest.LogCaptureFixture) -> None:
    reading, writing = os.pipe()
    try:
        warn_of_readers(writing)
    finally:
        os.close(reading)
        os.close(writing)
    assert not caplog.records
