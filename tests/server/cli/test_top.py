"""``top``: what was used between two looks."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.control.messages import JSONObject
from conductor_trio.server.admin.usage import compare
from conductor_trio.server.cli.top import describe_top, format_top
from tests.support.usage import look

SERVER: JSONObject = {"sessions": 3, "lost": 1, "held": 8192, "loopDelayPeak": 0.0042, "status": "ok", "time": 7.0}


def test_the_table_fits_and_says_what_is_left_out() -> None:
    rows = compare([], [look(f"user{number}", visitors=number) for number in range(9)], 1.0)
    text = format_top(rows, SERVER, 60, 3)
    first, _, head, *lines, more = text.splitlines()
    assert first == "3 sessions, 1 lost; server's processor 0%; held 8.0 KiB; longest turn lately 4.2 ms"
    assert head.split() == ["USER", "CPU", "SESSIONS", "VISITORS", "IN/s", "OUT/s", "HELD", "THROTTLED"]
    assert [line.split()[0] for line in lines] == ["user8", "user7", "user6"]
    assert more == "and 6 more"
    assert "more" not in format_top(rows, SERVER, None)


def test_for_programs() -> None:
    told: Any = describe_top(compare([look()], [look(processor=1.5)], 2.0), SERVER)
    assert told["sessions"] == 3 and "time" not in told and "status" not in told
    [user] = told["users"]
    assert user["processor"] == 0.25 and user["throttled"] is False


values = st.none() | st.text() | st.integers(-5, 5)


@given(st.lists(st.dictionaries(st.sampled_from(list(look())), values), max_size=3))
def test_anything_a_server_may_tell_is_shown(items: list[JSONObject]) -> None:
    rows = compare(items, items, 1.0)
    assert format_top(rows, {}, 40) and describe_top(rows, {})
