"""What contrib and docs/operator.md say of metrics and logs is what the server tells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from conductor_trio.server.app import make_planes
from conductor_trio.server.metrics.families import render_families
from conductor_trio.server.metrics.figures import FigureSource
from conductor_trio.server.observability.access_log import AccessEntry, describe
from conductor_trio.server.settings import ServerSettings
from tests.support.engine import make_log

ROOT = Path(__file__).parents[2]
OPERATOR = (ROOT / "docs" / "operator.md").read_text()
RULES = (ROOT / "contrib" / "prometheus" / "conductor-trio.rules.yml").read_text()
DASHBOARD = (ROOT / "contrib" / "grafana" / "conductor-trio.json").read_text()

_NAME = re.compile(r"\b(?:conductor|process)_[a-z_]+\b")
#: That of one figure only exists with TLS, that of another on some kernels.
_SOMETIMES = {"conductor_certificate_expiry_timestamp_seconds", "process_open_fds"}


@pytest.fixture
async def told() -> set[str]:
    """Give the names of all families, and those of their series."""
    settings = ServerSettings(runtime_dir="/run/c", patterns=("{key}-{user}.test",))
    figures = FigureSource(settings, make_planes(settings, make_log([])).proxy).read()
    text = b"".join(render_families(figures)).decode()
    return set(re.findall(r"^# TYPE (\S+)", text, re.M)) | set(re.findall(r"^([a-z_]+)", text, re.M)) | _SOMETIMES


@pytest.mark.parametrize("text", [RULES, DASHBOARD], ids=["rules", "dashboard"])
async def test_what_is_asked_for_is_told(text: str, told: set[str]) -> None:
    assert set(_NAME.findall(text)) <= told


async def test_the_document_has_every_metric(told: set[str]) -> None:
    documented = set(_NAME.findall(OPERATOR))
    families = {name for name in told if not name.endswith(("_bucket", "_count", "_sum", "_created"))}
    assert {name for name in families if name.startswith("conductor_")} <= documented
    assert {name for name in documented if name.startswith("conductor_")} <= told


def test_every_alert_has_its_words() -> None:
    alerts = RULES.count("- alert:")
    assert alerts == RULES.count("summary:") == RULES.count("description:") == RULES.count("severity:")


def test_the_dashboard_is_one() -> None:
    dashboard = json.loads(DASHBOARD)
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) and all(panel["targets"] for panel in panels)


def test_the_document_shows_a_line_of_the_access_log() -> None:
    [line] = [json.loads(line) for line in OPERATOR.splitlines() if line.startswith('{"time"')]
    entry = AccessEntry(
        at=0.0, address="", host="", method="", path="", version="", agent="", request_id=b"32d97e3fffc5-1f"
    )
    assert list(line) == list(describe(entry))
