"""The last lines of what an application says: whole ones, as they stand on a terminal in the end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.application.output_tail import OutputTail
from conductor_trio.limits.constants import MAX_OUTPUT_LINE, MAX_OUTPUT_LINES


def tail_of(*pieces: str) -> tuple[str, ...]:
    tail = OutputTail()
    for piece in pieces:
        tail.add("stdout", piece)
    return tail.lines


def test_lines_may_come_in_pieces() -> None:
    assert tail_of("one\ntw", "o\n", "thr") == ("one", "two", "thr")
    assert tail_of("one\n\n", "\n") == ("one",)
    assert tail_of() == ()


def test_both_ways_are_kept_apart() -> None:
    tail = OutputTail()
    for kind, piece in (("stdout", "a"), ("stderr", "1\n2"), ("stdout", "b\n")):
        tail.add(kind, piece)
    assert tail.lines == ("1", "ab", "2")


def test_it_is_what_stands_on_a_terminal_in_the_end() -> None:
    assert tail_of("10 %\r20 %\r100 %\r\ndone\r\n") == ("100 %", "done")
    assert tail_of("\x1b[1;31mred\x1b[0m \x1b]0;title\x07text\x1b]8;;http://x\x1b\\link\x1b(B\n") == (
        "red textlink",
    )


def test_only_the_last_are_kept() -> None:
    lines = [f"line {number}" for number in range(99)]
    assert tail_of("\n".join(lines)) == tuple(lines[-MAX_OUTPUT_LINES:])
    assert tail_of("x" * 99_999 + "\nend\n") == ("x" * MAX_OUTPUT_LINE, "end")


@given(st.lists(st.text(max_size=50) | st.text("\r\n\x1b[]m\\a", max_size=20)))
def test_however_it_comes_there_is_no_more_than_is_shown(pieces: list[str]) -> None:
    lines = tail_of(*pieces)
    assert len(lines) <= MAX_OUTPUT_LINES
    assert all(line and len(line) <= MAX_OUTPUT_LINE and "\n" not in line for line in lines)


async def test_whoever_waits_hears_of_it() -> None:
    tail = OutputTail()
    tail.add("stdout", "a")
    await tail.wait_changed()
    tail.add("stdout", "b")
    await tail.wait_changed()
