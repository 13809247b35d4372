"""Every timeout, pause, interval, size and bound stands in `conductor_trio.limits`, and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import conductor_trio

PACKAGE = Path(conductor_trio.__file__).parent

# A limit's name, and the functions whose argument is one.
NAME = re.compile(r"_*(MAX_.*|.*(TIMEOUT|PAUSE|INTERVAL|_SIZE).*)")
WAITS = {"sleep", "move_on_after", "fail_after"}

# What looks like a limit and is none, or is a grammar's.
EXCEPTIONS = {
    # The grammar of names: RFC 1035 section 2.3.4.
    "access/hostnames.py": {"MAX_LABEL", "MAX_HOST"},
}


def is_number(value: ast.expr | None) -> bool:
    """Whether it is written in numbers: 5.0, 64 * KIB, (0.1, 0.2), {KEY: 60}."""
    if value is None:
        return False
    constants = [node.value for node in ast.walk(value) if isinstance(node, ast.Constant)]
    is_computed = any(isinstance(node, ast.Call) for node in ast.walk(value))
    return not is_computed and bool(constants) and all(isinstance(constant, int | float) for constant in constants)


def numbers(tree: ast.Module) -> Iterator[str]:
    """Yield the name of each constant, of a module or a class, that is a limit."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        if NAME.fullmatch(name) and is_number(value):
            yield name


def literal_waits(tree: ast.Module) -> Iterator[int]:
    """Yield the line of each wait for a number that has no name; 0 is no wait."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=name) | ast.Name(id=name),
                args=[ast.Constant(value=int() | float() as value)],
            ) if name in WAITS and value:
                yield node.lineno


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent != PACKAGE / "limits" and "contrib" not in path.parts:
            yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text())


def test_the_limits_have_no_number_beside_them() -> None:
    found = {name: set(numbers(tree)) - EXCEPTIONS.get(name, set()) for name, tree in modules()}
    assert not {name: constants for name, constants in found.items() if constants}


def test_nothing_waits_for_a_number_without_a_name() -> None:
    assert not {name: lines for name, tree in modules() if (lines := list(literal_waits(tree)))}


def test_no_exception_is_out_of_date() -> None:
    found = {name: set(numbers(tree)) for name, tree in modules()}
    assert {name: constants - found.get(name, set()) for name, constants in EXCEPTIONS.items()} == {
        name: set() for name in EXCEPTIONS
    }
