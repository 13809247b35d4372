"""The Date field's value is the time, in the one form that is to be generated (RFC 9110 section 5.6.7)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from conductor_trio.server.proxy.date import DateMemo


def test_it_is_the_time_second_by_second() -> None:
    times = [784111776.0, 784111777.0, 784111777.9]
    memo = DateMemo(iter(times).__next__)
    values = [memo.now() for _ in times]
    assert [parsedate_to_datetime(value.decode()).timestamp() for value in values] == list(map(int, times))
    assert values[2] == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert values[1] is values[2]
