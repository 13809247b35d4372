"""Sinks: lines reach the file that has the name, and who cannot be written to is told of."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conductor_trio.errors import StartError
from conductor_trio.limits.constants import MAX_QUEUED_LOG
from conductor_trio.server.observability.access_log import format_json
from conductor_trio.server.observability.sink import FileSink, format_time, open_sink
from tests.support.engine import make_log


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_lines_are_added_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("before\n")
    with open_sink(str(path), "access", format_json, make_log([])) as sink:
        sink.write({"n": 1})
        sink.write({"n": 2})
    assert lines_of(path) == ["before", '{"n":1}', '{"n":2}']


def test_a_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    before = os.umask(0o022)
    try:
        with open_sink(str(path), "access", format_json, make_log([])):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(StartError, match=r"audit log to .*/none/a\.log: No such file"),
        open_sink(str(tmp_path / "none" / "a.log"), "audit", format_json, make_log([])),
    ):
        pass


def test_what_is_written_after_a_rotation_is_in_the_new_file(tmp_path: Path) -> None:
    path, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    with open_sink(str(path), "access", format_json, make_log([])) as sink:
        sink.write({"n": 1})
        path.rename(rotated)
        sink.reopen()
        sink.write({"n": 2})
    # The first may be in either: it was not written yet.
    assert lines_of(path)[-1] == '{"n":2}'
    assert sorted(lines_of(rotated) + lines_of(path)) == ['{"n":1}', '{"n":2}']


def test_where_no_new_file_can_be_opened_the_old_one_is_used(tmp_path: Path) -> None:
    entries: list[Mapping[str, Any]] = []
    directory, moved = tmp_path / "logs", tmp_path / "moved"
    directory.mkdir()
    with open_sink(str(directory / "a.log"), "access", format_json, make_log(entries)) as sink:
        directory.rename(moved)
        sink.reopen()
        sink.write({"n": 1})
    assert lines_of(moved / "a.log") == ['{"n":1}']
    assert entries[0]["event"] == "log_not_reopened" and entries[0]["log"] == "access"


def test_what_cannot_be_written_is_counted_and_told() -> None:
    entries: list[Mapping[str, Any]] = []
    sink = FileSink("/dev/full", "access", format_json, make_log(entries))
    for count in (3, 1):
        for _ in range(count):
            sink.write({"n": 1})
        while sink.queued or sink.lost < count:
            time.sleep(0.01)  # for the thread, of whose loss no event tells
    sink.close()
    assert sink.lost == 4
    # The thread may have come to them one by one; the last is told with the next line.
    assert {entry["event"] for entry in entries} == {"log_lines_lost"}
    assert sum(entry["count"] for entry in entries) == 3


def test_what_does_not_fit_is_lost_and_nobody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    sink = FileSink(str(tmp_path / "pipe"), "access", format_json, make_log([]))
    line = {"text": "x" * 10_000}
    for _ in range(2 * MAX_QUEUED_LOG // 10_000):
        sink.write(line)  # this test would stand still
    assert sink.lost > 0 and sink.queued <= MAX_QUEUED_LOG
    os.close(reader)  # whoever waits for it is released
    sink.close()


def test_times_are_for_people_and_programs() -> None:
    assert format_time(1_700_000_000.5) == "2023-11-14T22:13:20.500Z"
