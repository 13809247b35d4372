"""Every task has a name of ours, so that a list of tasks says what each of them is for.

A name says what the task does, in the words of a log: "accept visitors". One of many says whose it is: "visitor
192.0.2.1". Trio's own, the qualified name of the function, tells neither: for a closure it is `…<locals>.copy`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import conductor_trio

PACKAGE = Path(conductor_trio.__file__).parent


def unnamed_tasks(tree: ast.Module) -> list[int]:
    """Return the lines where a task is started without a name."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr == "start_soon" or ast.unparse(node.func).endswith("nursery.start"))
        and "name" not in {keyword.arg for keyword in node.keywords}
    ]


def test_every_task_has_a_name() -> None:
    unnamed = {
        str(path.relative_to(PACKAGE)): lines
        for path in sorted(PACKAGE.rglob("*.py"))
        if "contrib" not in path.parts and (lines := unnamed_tasks(ast.parse(path.read_text())))
    }
    assert not unnamed
