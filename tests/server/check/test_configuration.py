"""The check of the file with the settings: who could change it, and whether whom it names is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from conductor_trio.findings import Status
from conductor_trio.server.check.configuration import check_configuration
from conductor_trio.server.settings import OwnLimits, UserRules
from tests.support.users import BOB, real_person


@pytest.fixture
def file(short_tmp: Path) -> Path:
    """Give a file that nobody else can change."""
    (place := short_tmp / "own").mkdir(mode=0o755)
    (path := place / "server.toml").touch(mode=0o644)
    return path


def find(file: Path | None, rules: UserRules | None = None) -> Mapping[str, Status]:
    """Return the findings, by what they say."""
    found = check_configuration(None if file is None else str(file), rules or UserRules())
    return {finding.detail: finding.status for finding in found}


def test_no_file_and_a_good_one(file: Path) -> None:
    assert list(find(None).values()) == [Status.SKIPPED]
    assert find(file) == {str(file): Status.OK}


def test_who_else_could_change_it(file: Path) -> None:
    file.parent.chmod(0o777)
    [(detail, status)] = find(file).items()
    assert status is Status.WARNING and f"other users may write to {file.parent}" in detail
    file.parent.chmod(0o755)
    bob = real_person(BOB)
    os.chown(file, bob.uid, bob.gid)
    file.chmod(0o664)
    details = " ".join(find(file))
    assert f"belongs to another user (id {bob.uid})" in details
    assert f"a group (id {bob.gid}) may write to it" in details


def test_whom_this_host_does_not_know(file: Path) -> None:
    rules = UserRules(
        allow=("@root", "root"), deny=("@nogroup-here",), users={"nobody-here": OwnLimits()}, groups={}
    )
    assert [detail.partition(": ")[2] for detail in find(file, rules)] == [
        "this host knows no group 'nogroup-here'",
        "this host knows no user 'nobody-here'",
    ]
