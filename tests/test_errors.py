"""The exceptions are the tree that is drawn above them, and each tells programs what they may compare."""

from __future__ import annotations

import inspect
import re

import pytest

from conductor_trio import errors
from conductor_trio.errors import ConductorError, first_of

CLASSES = {
    name: found
    for name, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, Exception) and found.__module__ == errors.__name__
}


def drawn_tree() -> dict[str, str]:
    """Return the parent of each exception in the drawing: a name's column tells its depth."""
    parents, above = {}, [(-1, "Exception")]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([ │├└─]*)([A-Z]\w+(?:Error|Refused|Unavailable))\b", line)
        if match is None:
            continue
        column = match.start(2)
        above = [(at, name) for at, name in above if at < column]
        parents[match[2]] = above[-1][1]
        above.append((column, match[2]))
    return parents


def test_the_drawing_is_the_tree() -> None:
    assert drawn_tree() == {name: found.__bases__[0].__name__ for name, found in CLASSES.items()}


def test_a_reason_may_be_given_and_otherwise_its_class_has_one() -> None:
    assert str(ConductorError("it failed")) == "it failed"
    assert ConductorError("it failed").reason == "error"
    assert ConductorError("it failed", reason="other").reason == "other"
    assert ConductorError.reason == "error"


@pytest.mark.parametrize("found", CLASSES.values(), ids=CLASSES)
def test_each_is_made_of_one_line_and_has_a_stable_word(found: type[ConductorError]) -> None:
    error = found("it failed")
    assert str(error) == "it failed"
    assert re.fullmatch(r"[a-z_]+", error.reason)


def test_the_first_of_nested_groups() -> None:
    first = ConductorError("first")
    group = BaseExceptionGroup("a", [BaseExceptionGroup("b", [first, KeyError()]), ValueError()])
    assert first_of(group) is first
