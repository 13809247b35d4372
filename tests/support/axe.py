"""axe-core, which looks at a page as those need it who cannot see it well, or not at all, or use no mouse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.support.needs import missing

_AXE = Path(__file__).parents[2] / ".npm" / "node_modules" / "axe-core" / "axe.min.js"
#: What WCAG asks up to its version 2.2, at the levels A and AA, and what axe-core holds to be good besides.
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def read_axe() -> str:
    """Return its source; skips the test where it is not installed, or fails it in CI."""
    return _AXE.read_text() if _AXE.exists() else missing("needs axe-core: make system")


def find_violations(page: Page, axe: str) -> list[str]:
    """Return what is wrong with the page that is shown: the rule, and where."""
    page.evaluate(f"{axe}; null")  # as the browser's own: no policy lets a page load it
    found: dict[str, Any] = page.evaluate(f"axe.run(document, {{runOnly: {_RULES}}})")
    assert found["passes"]
    return [
        f"{violation['id']}: {node['html'][:120]} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
