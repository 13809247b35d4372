"""Who is there at a session: told apart, forgotten when they are gone, and bounded."""

from __future__ import annotations

import time

import attrs

from conductor_trio.limits.observability import MAX_PRESENT, MAX_TOLD_PRESENT, PRESENCE_PAUSE
from conductor_trio.server.accounts.presence import Presence, Present


def test_visitors_are_told_apart_by_what_let_them_in_who_they_are_and_where_from() -> None:
    presence = Presence()
    keys = [
        ("owner", None, "192.0.2.1"),
        ("owner", None, "192.0.2.2"),
        ("owner", "alice", "192.0.2.1"),
        ("s1", None, "192.0.2.1"),
        ("s1", None, None),
    ]
    found = [presence.find(*key) for key in keys]
    assert presence.find(*keys[2]) is found[2]
    assert presence.present(time.time()) == found == list(dict.fromkeys(found))


def test_whoever_has_something_under_way_stays_and_others_for_a_while() -> None:
    presence = Presence()
    stays, goes = presence.find("owner", None, "192.0.2.1"), presence.find("s1", "bob", "192.0.2.2")
    for visitor in (stays, goes):
        visitor.under_way += 1
    presence.leave(goes)
    now = time.time()
    assert presence.present(now + PRESENCE_PAUSE / 2) == [stays, goes]
    assert presence.present(now + 2 * PRESENCE_PAUSE) == [stays]
    assert goes.presence is None and stays.presence is presence
    again = presence.find("s1", "bob", "192.0.2.2")
    assert again is not goes and again.since >= goes.since


def test_what_the_owner_is_told() -> None:
    visitor = Presence().find("s1", "bob", '"[2001:db8::1%eth0]:4711"')
    visitor.under_way = 2
    told = attrs.asdict(visitor.describe())
    assert told.pop("since") == visitor.since
    assert told == {"by": "s1", "identity": "bob", "address": "2001:db8::1", "connections": 2}
    assert len(str(Presence().find("s1", None, "x" * 10_000).describe().address)) <= 64
    assert Presence().find("owner", None, None).describe().address is None


def test_of_those_for_whom_nothing_is_under_way_no_more_are_kept_than_may_be() -> None:
    presence = Presence()
    visitors = [presence.find("owner", None, f"192.0.2.{number}") for number in range(3 * MAX_PRESENT)]
    for visitor in visitors:
        visitor.under_way += 1
    assert len(presence.present(time.time())) == 3 * MAX_PRESENT
    for visitor in visitors:
        presence.leave(visitor)
    assert len(presence.present(time.time())) == MAX_PRESENT


def test_whoever_is_there_by_several_processes_is_told_of_once() -> None:
    presence = Presence()
    visitor = presence.find("s1", "bob", "192.0.2.1")
    visitor.under_way = 1
    before, later = visitor.since - 5, visitor.since + 5
    presence.elsewhere["a"] = (
        Present("s1", "bob", "192.0.2.1", before, 2),
        Present("owner", None, "192.0.2.2", later, 1),
    )
    presence.elsewhere["b"] = (Present("s1", "bob", "192.0.2.1", later, 0),)
    now = time.time()
    assert presence.describe(now) == [
        Present("s1", "bob", "192.0.2.1", before, 3),
        Present("owner", None, "192.0.2.2", later, 1),
    ]
    assert presence.count(now) == 4
    del presence.elsewhere["a"], presence.elsewhere["b"]
    assert presence.describe(now) == [visitor.describe()]


def test_of_very_many_not_all_are_told_of() -> None:
    presence = Presence()
    many = [Present("s1", None, str(number), float(number), 1) for number in range(MAX_TOLD_PRESENT)]
    presence.elsewhere["a"] = tuple(many)
    presence.find("owner", None, None).under_way = 1
    assert presence.describe(time.time()) == many
