"""The parts of ``conductor_trio/ARCHITECTURE.md`` that are made from the code: rooms, imports, state tables.

``python -m scripts.architecture`` writes them anew; a test holds that they are as they would be written. A part
stands between two markers, of which the first says what it is made from::

    <!-- made: rooms -->                                 the docstrings of the packages
    <!-- made: layers -->                                [tool.importlinter] in pyproject.toml
    <!-- made: table <module>.<name> -->                 a table {state: {event: next state}}
    <!-- end -->
"""

from __future__ import annotations

import ast
import enum
import importlib
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "conductor_trio"
DOCUMENT = PACKAGE / "ARCHITECTURE.md"

_MADE = re.compile(r"(<!-- made: ([^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
_BEGIN = re.compile(r"Begin with [^.`]*(`[\w.]+`)")


def render(text: str) -> str:
    """Return the document with what is made in it made anew."""
    return _MADE.sub(lambda part: f"{part[1]}\n{_make(part[2])}\n\n{part[3]}", text)


def _make(what: str) -> str:
    match what.split():
        case ["rooms"]:
            return make_rooms()
        case ["layers"]:
            return make_layers()
        case ["table", path]:
            module, _, name = path.rpartition(".")
            return make_table(getattr(importlib.import_module(module), name))
        case _:
            raise ValueError(f"nothing is made from {what!r}")


def make_rooms() -> str:
    """Return a table of all packages: the first sentence of each docstring, and where it says to begin."""
    lines = ["| room | what lives there | begin with |", "|---|---|---|"]
    for path in sorted(PACKAGE.rglob("__init__.py")):
        room = path.parent.relative_to(PACKAGE).as_posix()
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        if room == "." or not docstring:
            continue
        sentence = " ".join(docstring.partition("\n\n")[0].split())
        begin = _BEGIN.search(" ".join(docstring.split()))
        lines.append(f"| `{room}` | {_escape(sentence)} | {begin[1] if begin else ''} |")
    return "\n".join(lines)


def make_layers() -> str:
    """Return the layers of the import contract, the highest first, and how many exceptions it still has."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["type"] == "layers")
    exceptions = sum(len(contract.get("ignore_imports", ())) for contract in contracts)
    return "\n".join(["```", *layers["layers"], "```", "", f"Exceptions: {exceptions or 'none'}."])


def make_table(table: Mapping[Any, Mapping[Any, Any]]) -> str:
    """Return a state table: a line for each state and the next, and one for all that nothing leads out of."""
    lines = ["| in | on | goes to |", "|---|---|---|"]
    for state, row in table.items():
        by_next: dict[object, list[str]] = {}
        for event, following in row.items():
            by_next.setdefault(following, []).append(_name(event))
        lines += [f"| {_name(state)} | {', '.join(events)} | {_name(to)} |" for to, events in by_next.items()]
    if last := [_name(state) for state, row in table.items() if not row]:
        lines.append(f"| {', '.join(last)} | nothing | |")
    return "\n".join(lines)


def _name(thing: object) -> str:
    match thing:
        case enum.Enum():
            return thing.name
        case type():
            return thing.__name__
        case (kind, condition):
            return f"{_name(kind)} ({_name(condition)})"
        case _:
            return str(thing)


def _escape(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def main() -> int:
    """Write the document anew."""
    DOCUMENT.write_text(render(DOCUMENT.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
