"""What holds for the source as a whole: sizes, owners of tasks, shields, start-up costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import conductor_trio
from conductor_trio import errors

PACKAGE = Path(conductor_trio.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "contrib" not in path.parts)

# What is longer has a second job. Complexity is held by ruff (C901).
MAX_MODULE_LINES = 350
MAX_FUNCTION_LINES = 50
MAX_PACKAGE_MODULES = 15
PACKAGE_DOCSTRING_LINES = range(8, 16)

#: Packages of one module more, and why.
LARGE_PACKAGES: dict[str, str] = {
    "conductor_trio": "what stands below all rooms has none of its own",
}

by_module = pytest.mark.parametrize(
    "path", MODULES, ids=[str(path.relative_to(PACKAGE.parent)) for path in MODULES]
)

PACKAGES = sorted({path.parent for path in MODULES})

by_package = pytest.mark.parametrize(
    "package", PACKAGES, ids=[str(path.relative_to(PACKAGE.parent)) for path in PACKAGES]
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the last part of the name that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Attribute(attr=name) | ast.Name(id=name):
                    yield name, node


@by_module
def test_modules_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_MODULE_LINES
    long = {
        function.name: length
        for function in functions(ast.parse(text))
        if (length := (function.end_lineno or 0) - function.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert not long, f"functions of more than {MAX_FUNCTION_LINES} lines: {long}"


@by_package
def test_packages_are_small_and_say_what_they_are_for(package: Path) -> None:
    name = package.relative_to(PACKAGE.parent).as_posix()
    modules = [path.name for path in package.glob("*.py") if path.name != "__init__.py"]
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    assert len(modules) <= MAX_PACKAGE_MODULES + (name in LARGE_PACKAGES), modules
    assert len(docstring.splitlines()) in PACKAGE_DOCSTRING_LINES


@by_module
def test_modules_and_public_functions_say_what_they_are(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "no docstring"
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent, f"without a docstring: {silent}"


@by_module
def test_every_task_has_an_owner(path: Path) -> None:
    """A system task has no nursery that waits for it; the check for leftovers round each test relies on this."""
    assert not [node.lineno for name, node in calls(ast.parse(path.read_text())) if name == "spawn_system_task"]


@by_module
def test_every_shield_has_a_deadline(path: Path) -> None:
    """Where a shield is raised, the same function sets a deadline, or says in a comment who does."""
    text = path.read_text()
    tree = ast.parse(text)
    for function in functions(tree):
        raises_shield = any(
            keyword.arg == "shield" and ast.unparse(keyword.value) == "True"
            for name, node in calls(function)
            if name == "CancelScope"
            for keyword in node.keywords
        ) or any(
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Attribute)
            and node.targets[0].attr == "shield"
            for node in ast.walk(function)
        )
        if raises_shield:
            body = ast.get_source_segment(text, function) or ""
            assert any(word in body for word in ("move_on_after", "fail_after", "move_on_at", "deadline")), (
                f"line {function.lineno}: a shield without a deadline"
            )


def drawn_exceptions() -> dict[str, str]:
    """Return the parent of each exception in the drawing above them: a name's column tells how deep it is."""
    parents: dict[str, str] = {}
    above = [(-1, "Exception")]
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    [ │├└─]*([A-Z]\w+)", line):
            above = [(column, name) for column, name in above if column < match.start(1)]
            parents[match[1]] = above[-1][1]
            above.append((match.start(1), match[1]))
    return parents


def test_the_exceptions_are_the_tree_that_is_drawn() -> None:
    found = {
        name: value.__bases__[0].__name__
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert drawn_exceptions() == found


def imported_by(module: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_the_client_s_command_line_is_read_without_importing_what_is_slow() -> None:
    assert not imported_by("conductor_trio.client.cli.main") & {"trio", "structlog", "h11", "ssl", "asyncio"}


def test_the_application_is_started_before_what_knows_the_server_is_imported() -> None:
    rooms = tuple(f"conductor_trio.{room}" for room in ("client.session", "client.transport", "control"))
    assert not [name for name in imported_by("conductor_trio.client.run") if name.startswith(rooms)]
