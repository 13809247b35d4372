"""The documents say what is there: made parts are current, names and links lead somewhere, lists are complete."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from scripts import architecture
from scripts.commandline.files import DOCS, make_documents

ROOT = architecture.ROOT
DOCUMENTS_OF_TABLES = make_documents()
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *architecture.PACKAGE.rglob("*.md")], key=str
)

by_document = pytest.mark.parametrize("path", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])

#: A name of the package, as documents write it: `server.app.run_server`.
_NAME = re.compile(
    r"`((?:access|client|commandline|configuration|control|errors|findings|http1|limits|log|net|pages|server)(?:\.\w+)+)`"
)
_PATH = re.compile(r"`((?:conductor_trio|contrib|docs|scripts|tests)/[\w./-]*)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def find(name: str) -> Any:
    """Return what a dotted name of the package stands for; raises AttributeError or ImportError."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(["conductor_trio", *parts[:end]]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if attrs.has(found) and part in attrs.fields_dict(found):
                return None
            found = getattr(found, part)
        return found
    raise ImportError(name)


def anchors(path: Path) -> set[str]:
    """Return what links can name in a document, as GitHub makes them from its headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_what_is_made_from_the_code_is_current() -> None:
    text = architecture.DOCUMENT.read_text()
    assert text == architecture.render(text), "run: python -m scripts.architecture"


@pytest.mark.parametrize("name", DOCUMENTS_OF_TABLES)
def test_pages_made_of_the_tables_are_current(name: str) -> None:
    assert (DOCS / name).read_text() == DOCUMENTS_OF_TABLES[name], "run: python -m scripts.commandline"


@by_document
def test_names_of_the_package_lead_somewhere(path: Path) -> None:
    lost = []
    for name in sorted(set(_NAME.findall(path.read_text()))):
        try:
            find(name)
        except (AttributeError, ImportError):
            lost.append(name)
    assert not lost


@by_document
def test_paths_and_links_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    lost = [place for place in _PATH.findall(text) if not (ROOT / place).exists()]
    for link in _LINK.findall(text):
        place, _, anchor = link.partition("#")
        target = path.parent / place if place else path
        if not link.startswith(("http:", "https:")) and (
            not target.exists() or (anchor and anchor not in anchors(target))
        ):
            lost.append(link)
    assert not lost


def test_tables_of_states_are_made_of_enumerations_classes_and_conditions() -> None:
    table = {int: {"go": str, (bool, "fast"): str, float: int}, str: {}, list: {}}
    assert architecture.make_table(table).splitlines()[2:] == [
        "| int | go, bool (fast) | str |",
        "| int | float | int |",
        "| str, list | nothing | |",
    ]
