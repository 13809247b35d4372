"""What a terminal can do: what the environment says counts, and where it says nothing the least is assumed."""

from __future__ import annotations

import pytest

from conductor_trio.client.display.capabilities import Terminal, detect_terminal

PLAIN = Terminal(has_cursor=False, has_colours=False, has_unicode=False, has_hyperlinks=False)
UTF8 = {"LANG": "en_GB.UTF-8"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color", **UTF8}, Terminal()),
        ({"TERM": "tmux-256color", **UTF8}, Terminal()),
        ({"TERM": "xterm", "NO_COLOR": "1", **UTF8}, Terminal(has_colours=False)),
        ({"TERM": "xterm", "NO_COLOR": "", **UTF8}, Terminal()),
        ({"TERM": "linux", **UTF8}, Terminal(has_hyperlinks=False)),
        ({"TERM": "screen", **UTF8}, Terminal(has_hyperlinks=False)),
        ({"TERM": "screen", "TERM_PROGRAM": "tmux", **UTF8}, Terminal()),
        ({"TERM": "linux", "FORCE_HYPERLINK": "1", **UTF8}, Terminal()),
        ({"TERM": "xterm", "FORCE_HYPERLINK": "0", **UTF8}, Terminal(has_hyperlinks=False)),
        ({"TERM": "vt220", **UTF8}, Terminal(has_colours=False, has_hyperlinks=False)),
        ({"TERM": "dumb"}, PLAIN),
        ({}, PLAIN),
        ({"TERM": "xterm", "LANG": "C"}, Terminal(has_unicode=False)),
        ({"TERM": "xterm", "LANG": "de_DE.ISO-8859-1"}, Terminal(has_unicode=False)),
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, Terminal()),
        ({"TERM": "xterm", "LANG": "C", "LC_CTYPE": "de_DE.utf8"}, Terminal()),
        ({"TERM": "xterm", "LC_ALL": "C", **UTF8}, Terminal(has_unicode=False)),
        ({"TERM": "xterm", "LC_CTYPE": "C.UTF-8", "LANG": ""}, Terminal(has_unicode=False)),  # Python's doing
    ],
)
def test_what_a_terminal_can_do(environment: dict[str, str], expected: Terminal) -> None:
    assert detect_terminal(environment) == expected


@pytest.mark.parametrize(
    ("kind", "has_cursor", "has_colours", "has_hyperlinks"),
    [
        ("DUMB", False, False, False),
        ("emacs", False, False, False),
        ("unknown", False, False, False),
        ("screen-256color", True, True, True),
        ("eterm-color", True, True, False),
        ("cons25", True, True, False),
        ("xterm-mono", True, False, True),
        ("xterm-m", True, False, True),
    ],
)
def test_kinds(kind: str, has_cursor: bool, has_colours: bool, has_hyperlinks: bool) -> None:
    found = detect_terminal({"TERM": kind})
    assert (found.has_cursor, found.has_colours, found.has_hyperlinks) == (has_cursor, has_colours, has_hyperlinks)


def test_no_wish_gives_a_terminal_what_it_cannot_do() -> None:
    assert not detect_terminal({"TERM": "dumb", "FORCE_HYPERLINK": "1"}).has_hyperlinks


@pytest.mark.parametrize(
    ("environment", "has_unicode"),
    [
        ({"LANG": "de_DE.UTF-8@euro"}, True),
        ({"LANG": "de_DE.UTF-8", "LC_CTYPE": "POSIX"}, False),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": ""}, True),
        ({"LANG": "C", "LC_ALL": "C.UTF-8"}, True),
        ({"LANG": "C", "LC_ALL": "C.UTF-8", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "de_DE.UTF-8"}, True),
    ],
)
def test_the_variable_that_decides_the_locale_decides(environment: dict[str, str], has_unicode: bool) -> None:
    assert detect_terminal({"TERM": "xterm", **environment}).has_unicode is has_unicode
