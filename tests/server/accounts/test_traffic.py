"""What goes through is counted in its direction, and is activity until whoever watches has seen it."""

from __future__ import annotations

from conductor_trio.server.accounts.traffic import Traffic


def test_each_direction_is_counted_by_itself() -> None:
    traffic = Traffic()
    traffic.count_to_application(3)
    traffic.count_to_application(4)
    traffic.count_to_visitors(10)
    assert (traffic.to_application, traffic.to_visitors, traffic.requests) == (7, 10, 0)


def test_either_direction_is_activity() -> None:
    traffic = Traffic()
    assert not traffic.was_active
    for count in (traffic.count_to_application, traffic.count_to_visitors):
        traffic.was_active = False  # as who watches it does
        count(1)
        assert traffic.was_active


def test_what_all_have_passed_on_outlives_each() -> None:
    whole = Traffic()
    for _ in range(2):
        one = Traffic(whole=whole)
        one.count_to_application(3)
        one.count_to_visitors(10)
    assert (whole.to_application, whole.to_visitors) == (6, 20)
