"""What a limit of open files means is told before the server meets it."""

from __future__ import annotations

import attrs

from conductor_trio.findings import Status
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.check.open_files import check_open_files
from conductor_trio.server.settings import ServerSettings

SETTINGS = ServerSettings(runtime_dir="/nowhere", patterns=("{key}-{user}.test",))
FEW = attrs.evolve(SETTINGS, limits=ServerLimits(max_visitors=10, max_sessions=10))


def test_enough() -> None:
    assert check_open_files(FEW).status is Status.OK


def test_fewer_than_wanted() -> None:
    finding = check_open_files(attrs.evolve(SETTINGS, limits=ServerLimits(max_visitors=1 << 30)))
    assert finding.status is Status.WARNING
    assert "visitors' connections and" in finding.detail
    assert finding.advice.startswith("LimitNOFILE=") and "--max-visitors" in finding.advice
