"""What other users of the host could do is found before they do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.findings import Status
from conductor_trio.server.check.neighbours import check_access_lists, check_shared
from conductor_trio.server.sessions.access_list import has_lists
from tests.support.users import GATEWAY, real_person


@pytest.mark.parametrize(("mode", "is_shared"), [(0o755, False), (0o700, False), (0o1777, True), (0o777, True)])
def test_a_socket_whose_place_others_could_take(short_tmp: Path, mode: int, is_shared: bool) -> None:
    (directory := short_tmp / "run").mkdir()
    directory.chmod(mode)
    found = list(check_shared("place", str(directory / "client")))
    assert [finding.status for finding in found] == [Status.WARNING] * is_shared
    assert all(f"other users may write to {directory}" in finding.detail for finding in found)


def test_root_knows_the_servers_own_directory(short_tmp: Path) -> None:
    gateway = real_person(GATEWAY)
    run = gateway.make_directory(short_tmp / "run")
    assert list(check_shared("place", str(run / "client"))) == []
    run.chmod(0o777)
    assert f"write to {run}," in next(check_shared("place", str(run / "client"))).detail
    (tmp := short_tmp / "tmp").mkdir()
    tmp.chmod(0o1777)
    planted = gateway.make_directory(tmp / "run")  # by whoever was first
    assert f"write to {tmp}," in next(check_shared("place", str(planted / "client"))).detail


def test_a_file_system_without_access_lists(short_tmp: Path) -> None:
    [finding] = check_access_lists("place", "/proc")
    assert finding.status is Status.WARNING and "others can add" in finding.detail
    assert list(check_access_lists("place", str(short_tmp))) == [] or not has_lists(str(short_tmp))
