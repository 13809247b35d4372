"""What keeps a log from being written is told before the server meets it."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest

from conductor_trio.findings import Status
from conductor_trio.journal import JOURNAL_SOCKET
from conductor_trio.server.check.logs import check_logs
from conductor_trio.server.settings import JOURNAL, ServerSettings

SETTINGS = ServerSettings(runtime_dir="/nowhere", patterns=("{key}-{user}.test",))


def with_path(field: str, path: Path) -> ServerSettings:
    match field:
        case "access_log":
            return attrs.evolve(SETTINGS, access_log=str(path))
        case "audit_log":
            return attrs.evolve(SETTINGS, audit_log=str(path))
        case _:
            return attrs.evolve(SETTINGS, metrics=str(path))


def test_nothing_is_told_of_what_is_not_asked_for() -> None:
    assert list(check_logs(attrs.evolve(SETTINGS, metrics=("127.0.0.1", 9091)))) == []


@pytest.mark.parametrize("field", ["access_log", "audit_log", "metrics"])
def test_where_a_file_can_be_made(field: str, tmp_path: Path) -> None:
    [finding] = check_logs(with_path(field, tmp_path / "log"))
    assert finding.status is Status.OK and str(tmp_path / "log") in finding.detail
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["access_log", "audit_log", "metrics"])
def test_where_none_can(field: str, tmp_path: Path) -> None:
    [finding] = check_logs(with_path(field, tmp_path / "none" / "log"))
    assert finding.status is Status.FAILED and str(tmp_path / "none") in finding.advice


def test_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    [finding] = check_logs(attrs.evolve(SETTINGS, access_log=str(tmp_path / "log")))
    assert finding.status is Status.OK
    [finding] = check_logs(attrs.evolve(SETTINGS, access_log=str(tmp_path)))
    assert finding.status is Status.FAILED


def test_the_journal_is_there_or_not() -> None:
    [finding] = check_logs(attrs.evolve(SETTINGS, audit_log=JOURNAL))
    assert (finding.status is Status.OK) is os.path.exists(JOURNAL_SOCKET)
