"""Who gives a command, as both logs tell it."""

from __future__ import annotations

from conductor_trio.server.admin.operators import Operator


def test_who_it_is_and_by_which_way() -> None:
    assert Operator(uid=0, user="root").describe() == {"by": "root", "by_uid": 0}
    assert Operator(uid=None, user="eve", address="192.0.2.1").describe() == {
        "by": "eve",
        "by_uid": None,
        "through": "dashboard",
        "address": "192.0.2.1",
    }
