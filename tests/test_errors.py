"""Errors: what happened, what to do about it, and one line of both for people."""

from __future__ import annotations

import pytest

from conductor_trio.errors import (
    ApplicationError,
    ConductorError,
    StartError,
    TransportError,
    UpstreamFault,
    UpstreamUnavailable,
    first_of,
    host_shortage,
)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConductorError("it broke"), "it broke"),
        (TransportError("no route", advice="check the cable"), "no route; check the cable"),
        (StartError("it is; so", advice="do"), "it is; so; do"),
        (ApplicationError("cannot start x", advice="install it", status=127), "cannot start x; install it"),
    ],
)
def test_the_line_for_people_holds_both_parts(error: ConductorError, line: str) -> None:
    assert str(error) == line


def test_the_parts_are_kept_apart() -> None:
    error = TransportError("no route", advice="check the cable", hop="ssh", reason="connect")
    assert (error.what, error.advice, error.hop, error.reason) == ("no route", "check the cable", "ssh", "connect")
    assert TransportError("no route").reason == "transport"
    assert (TransportError("no route").advice, TransportError("no route").hop) == (None, None)
    assert UpstreamUnavailable("cannot connect").fault is UpstreamFault.RELAY_SOCKET


def test_a_shortage_is_this_hosts() -> None:
    shortage = host_shortage(OSError(24, "Too many open files"))
    assert shortage.hop == "here"
    assert str(shortage) == "this host is short of something: [Errno 24] Too many open files"


def test_the_first_of_nested_groups() -> None:
    first = ValueError("a")
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [first, KeyError("b")]), OSError("c")])
    assert first_of(group) is first
