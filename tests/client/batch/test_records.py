"""The records of jobs: private, found again, forgotten when they are old."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import attrs
import pytest

from conductor_trio.client.batch.records import (
    Record,
    forget_old,
    is_key,
    load,
    load_all,
    load_open,
    make_directory,
    save,
    write_private,
)
from conductor_trio.errors import StartError
from conductor_trio.limits.constants import JOB_RECORD_AGE


def make(jobs: Path, key: str, **changes: object) -> Record:
    record = Record(
        directory=make_directory(str(jobs), key),
        key=key,
        scheduler="slurm",
        job="17",
        server="gw",
        command=("jupyter", "lab"),
        submitted=time.time(),
    )
    record = attrs.evolve(record, **changes)  # type: ignore[arg-type]
    save(record)
    return record


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    jobs = tmp_path / "a" / "jobs"
    record = make(jobs, "lab")
    assert load(str(jobs), "lab") == record
    assert stat.S_IMODE((jobs / "lab").stat().st_mode) == 0o700
    assert stat.S_IMODE((jobs / "lab" / "job.json").stat().st_mode) == 0o600
    later = make(jobs, "b", submitted=record.submitted + 1, ended="FAILED")
    assert load_all(str(jobs)) == [record, later]
    assert load_open(str(jobs)) == [record]


def test_what_is_no_record_is_none(tmp_path: Path) -> None:
    assert load(str(tmp_path), "lab") is None
    assert load_all(str(tmp_path / "none")) == []
    make(tmp_path, "lab")
    assert load(str(tmp_path / "jobs"), "../lab") is None
    for number, text in enumerate(["", "[]", "{}", '{"key": "x"}', '{"command": 7}']):
        (tmp_path / f"k{number}").mkdir()
        (tmp_path / f"k{number}" / "job.json").write_text(text)
    assert [record.key for record in load_all(str(tmp_path))] == ["lab"]


def test_the_link_is_read_while_it_is_there(tmp_path: Path) -> None:
    record = make(tmp_path, "lab")
    assert record.read_link() is None
    Path(record.link).write_text("https://lab/_conductor/auth/x\n")
    assert record.read_link() == "https://lab/_conductor/auth/x"


def test_a_new_job_takes_the_place_of_one_that_has_ended(tmp_path: Path) -> None:
    Path(make(tmp_path, "lab").log).write_text("old")
    assert list(Path(make_directory(str(tmp_path), "lab")).iterdir()) == []


def test_those_that_ended_long_ago_are_forgotten(tmp_path: Path) -> None:
    long_ago = time.time() - JOB_RECORD_AGE - 1
    make(tmp_path, "old", submitted=long_ago, ended="COMPLETED")
    make(tmp_path, "long", submitted=long_ago)
    make(tmp_path, "new", ended="COMPLETED")
    forget_old(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long", "new"]


def test_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="cannot make"):
        make_directory(str(tmp_path / "file"), "lab")
    with pytest.raises(StartError, match="cannot write"):
        write_private(str(tmp_path / "file" / "x"), "")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("lab", True), ("a-1", True), ("", False), ("..", False), ("a/b", False), ("Lab", False), ("-a", False)],
)
def test_keys(text: str, is_one: bool) -> None:
    assert is_key(text) is is_one
