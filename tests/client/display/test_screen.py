"""The screen: whatever is shown in between, the application's own output looks as it would alone."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.display.screen import TerminalStream

WIDTH, HEIGHT = 30, 12

pieces = st.sampled_from(
    [
        "word",
        " ",
        "\n",
        "\r",
        "\x1b[31m",
        "\x1b[0m",
        "\x1b[m",
        "\x1b[1;44m",
        "\x1b[0;32m",
        "\x1b[38;5;9m",
        "é",
        "x" * 29,
    ]
)
# What is done: the application's text in any cuts, or a new status line.
actions = st.lists(st.one_of(st.lists(pieces).map("".join), st.sampled_from([None, "status", "another status"])))


def render(text: str) -> list[list[object]]:
    """Return what a terminal shows: each character with its colours. The line discipline adds CR to LF."""
    screen = pyte.Screen(WIDTH, HEIGHT)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return [[screen.buffer[row][column] for column in range(WIDTH)] for row in range(HEIGHT)]


def show(text: str) -> list[str]:
    screen = pyte.Screen(WIDTH, HEIGHT)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return [line.rstrip() for line in screen.display if line.strip()]


@given(actions=actions)
def test_the_status_line_leaves_no_trace(actions: list[str | None]) -> None:
    screen = TerminalStream(has_cursor=True)
    alone, shown = "", ""
    for action in actions:
        if action is None or action.endswith("status"):
            shown += screen.set_status(action or "")
        else:
            alone += action
            shown += screen.pass_on(action)
    shown += screen.set_status("")
    assert render(shown) == render(alone)


@given(text=st.text(st.characters(exclude_characters="\x1b"), max_size=100), cut=st.integers(0, 100))
def test_text_passes_untouched(text: str, cut: int) -> None:
    screen = TerminalStream(has_cursor=True)
    assert screen.pass_on(text[:cut]) + screen.pass_on(text[cut:]) == text


def test_the_status_stands_below_complete_lines_only() -> None:
    screen = TerminalStream(has_cursor=True)
    shown = screen.set_status("status") + screen.pass_on("one\n")
    assert show(shown) == ["one", "status"]
    shown += screen.pass_on("progress 1")
    assert show(shown) == ["one", "progress 1"]
    shown += screen.pass_on("\rprogress 2")
    assert show(shown) == ["one", "progress 2"]
    shown += screen.pass_on("\n\x1b[0m")
    assert show(shown) == ["one", "progress 2", "status"]


def test_a_status_that_a_narrower_window_has_wrapped_goes_as_a_whole() -> None:
    screen = TerminalStream(has_cursor=True)
    screen.set_status("x" * 40)
    # What a terminal makes of that which wraps old lines anew: the cursor stays where the line begins.
    wrapped = "x" * 30 + "\n" + "x" * 10 + "\x1b[A\r"
    assert show(wrapped + screen.set_status("") + screen.pass_on("text\n")) == ["text"]


def test_lines_of_ours_begin_below_an_incomplete_one() -> None:
    screen = TerminalStream(has_cursor=True)
    shown = (
        screen.set_status("status") + screen.pass_on("half a") + screen.put("ours\n") + screen.pass_on(" line\n")
    )
    assert show(shown) == ["half a", "ours", " line", "status"]


def test_the_application_s_style_is_neither_ours_nor_lost() -> None:
    screen = TerminalStream(has_cursor=True)
    shown = screen.set_status("status") + screen.pass_on("\x1b[31mred\n")
    shown += screen.put("ours\n") + screen.pass_on("red again\n")
    looks = render(shown)
    assert [row[0].fg for row in looks[:4]] == ["red", "default", "red", "default"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["\x1b[31mred\n", "half", "one\ntwo\r"])
def test_without_a_cursor_nothing_is_sent_but_text(text: str) -> None:
    screen = TerminalStream(has_cursor=False)
    assert screen.set_status("status") == ""
    assert screen.pass_on(text) == text
    assert screen.put("ours\n") == ("" if text.endswith("\n") else "\n") + "ours\n"


def test_where_someone_else_has_written_ours_begins_below() -> None:
    screen = TerminalStream(has_cursor=True)
    screen.break_line()
    assert screen.put("ours\n") == "\nours\n"
    assert screen.put("more\n") == "more\n"
