"""The renderer and the terminal's capabilities: marks, colours, widths, links, whatever the terminal is."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from conductor_trio.client.display.capabilities import Terminal
from conductor_trio.client.display.painter import (
    Link,
    Mark,
    Notice,
    Renderer,
    Status,
)

URL = "https://lab-alice.apps.example.org/_conductor/auth/" + "t" * 32
PLAIN = Terminal(has_cursor=False, has_colours=False, has_unicode=False, has_hyperlinks=False)
UTF8 = {"LANG": "en_GB.UTF-8"}


def strip(text: str) -> str:
    """Return the text without commands to the terminal."""
    return re.sub(r"\x1b\[[\d;]*m|\x1b\]8;[^\x1b]*\x1b\\", "", text)


def test_a_notice_is_wrapped_and_indented() -> None:
    notice = Notice(mark=Mark.FAILED, text="The gateway does not answer at all today", beneath=("Try again",))
    assert strip(Renderer(Terminal()).paint(notice, 30)) == (
        "✗ The gateway does not answer\n  at all today\n  Try again\n"
    )


def test_a_notice_on_a_terminal_that_can_do_nothing() -> None:
    notice = Notice(mark=Mark.DONE, text="Ready … it’s müde\x1b[31m\x07")
    assert Renderer(PLAIN).paint(notice, 40) == "+ Ready ... it's m?de [31m\n"


def test_the_link_is_whole_on_a_line_of_its_own() -> None:
    for terminal in (Terminal(), PLAIN):
        assert f"\n{URL}\n" in strip(Renderer(terminal).paint(Link(url=URL), 40))


def test_the_link_can_be_clicked_where_the_terminal_knows_how() -> None:
    assert re.search(
        rf"\x1b\]8;id=\d+;{re.escape(URL)}\x1b\\{re.escape(URL)}\x1b\]8;;\x1b\\",
        re.sub(r"\x1b\[[\d;]*m", "", Renderer(Terminal()).paint(Link(url=URL), 40)),
    )
    assert "\x1b]" not in Renderer(Terminal(has_hyperlinks=False)).paint(Link(url=URL), 40)


def test_no_colour_where_none_is_wanted() -> None:
    notice = Notice(mark=Mark.FAILED, text="It failed")
    assert "\x1b[1;31m" in Renderer(Terminal()).paint(notice, 40)
    assert set(re.findall(r"\x1b\[([\d;]*)m", Renderer(Terminal(has_colours=False)).paint(notice, 40))) <= {
        "0",
        "1",
    }
    assert "\x1b" not in Renderer(PLAIN).paint(notice, 40)


def test_a_narrow_status_leaves_out_what_tells_least() -> None:
    status = Status(
        mark=Mark.LIVE, parts=("lab-alice.apps.example.org", "job ends in 2 h", "Ctrl-C ends it"), url=URL
    )
    painter = Renderer(Terminal())
    assert strip(painter.paint_status(status, 80)) == (
        "● lab-alice.apps.example.org · job ends in 2 h · Ctrl-C ends it"
    )
    assert strip(painter.paint_status(status, 50)) == "● lab-alice.apps.example.org · job ends in 2 h"
    assert strip(painter.paint_status(status, 40)) == "● lab-alice.apps.example.org"
    assert strip(painter.paint_status(status, 25)) == "● lab-alice.apps.exampl…"
    assert URL in painter.paint_status(status, 25)
    assert strip(Renderer(Terminal(has_unicode=False)).paint_status(status, 25)) == "* lab-alice.apps.exam..."


@given(parts=st.lists(st.text(max_size=60), min_size=1, max_size=4), width=st.integers(1, 100))
def test_a_status_is_one_line_that_fits(parts: list[str], width: int) -> None:
    for terminal in (Terminal(), Terminal(has_unicode=False, has_colours=False, has_hyperlinks=False)):
        line = strip(Renderer(terminal).paint_status(Status(mark=Mark.WAIT, parts=tuple(parts)), width))
        assert cell_len(line) < max(width, 20)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)


@given(text=st.text(max_size=200), width=st.integers(20, 100))
def test_a_notice_fits_and_commands_nothing(text: str, width: int) -> None:
    painted = strip(Renderer(Terminal()).paint(Notice(mark=Mark.STEP, text=text), width))
    for line in painted.removesuffix("\n").split("\n"):
        assert cell_len(line) < width
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)
