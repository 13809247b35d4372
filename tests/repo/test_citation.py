"""How the program is to be cited: the file that GitHub, Zenodo and reference managers read says what is so."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from conductor_trio import __version__

_ROOT = Path(__file__).parents[2]
# What version 1.2.0 of the format requires (its schema), as far as it concerns us.
_REQUIRED = {"cff-version", "message", "title", "authors"}


@pytest.fixture
def citation() -> dict[str, object]:
    told = yaml.safe_load((_ROOT / "CITATION.cff").read_text())
    assert isinstance(told, dict)
    return told


def test_it_is_of_the_version_and_names_who_holds_the_rights(citation: dict[str, object]) -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    found = re.search(r"^Copyright \(c\) \d+ (.*)$", (_ROOT / "LICENSE").read_text(), re.M)
    assert found is not None
    assert citation.keys() >= _REQUIRED and citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["version"] == __version__
    assert citation["authors"] == [{"name": found[1]}]
    told = (citation["title"], citation["license"], citation["abstract"], citation["keywords"])
    assert told == (
        project["name"],
        project["license"],
        f"{project['description']}.",
        project["keywords"],
    )


def test_its_date_is_the_release_s(citation: dict[str, object]) -> None:
    date = str(citation["date-released"])
    datetime.date.fromisoformat(date)
    assert f"\n## [{__version__}] - {date}\n" in (_ROOT / "CHANGELOG.md").read_text()
