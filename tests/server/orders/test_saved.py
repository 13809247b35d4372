"""Orders as JSON: what is written reads back, and whatever else there is gives orders or none."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.constants import MAX_ENDS
from conductor_trio.server.orders.blocks import Block, Blocked
from conductor_trio.server.orders.ends import End
from conductor_trio.server.orders.orders import Announcement, Drain, Orders
from conductor_trio.server.orders.saved import restore_orders, save_orders

times = st.floats(0, 1e10)
texts = st.text(max_size=50)
blocks = st.one_of(
    st.builds(
        Block,
        kind=st.just(Blocked.USER),
        name=st.text(min_size=1, max_size=20),
        since=times,
        until=st.none() | st.floats(1e10, 2e10),
        reason=texts,
    ),
    st.builds(
        Block,
        kind=st.just(Blocked.NETWORK),
        name=st.sampled_from(["192.0.2.0/24", "2001:db8::/32", "203.0.113.7/32"]),
        since=times,
        until=st.none() | st.floats(1e10, 2e10),
        reason=texts,
    ),
)
all_ends = st.dictionaries(
    st.tuples(st.text(max_size=5), st.builds(hash_token, st.binary(max_size=5))),
    st.builds(End, until=st.floats(1, 1e10), reason=st.sampled_from(["", "disks", "noise"])),
    max_size=8,
)
all_orders = st.tuples(
    st.lists(blocks, max_size=5, unique_by=lambda block: (block.kind, block.name)),
    st.none() | st.builds(Drain, since=times, reason=texts),
    st.none() | st.builds(Announcement, text=st.text(min_size=1, max_size=50), since=times),
)
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "blocks",
                    "drain",
                    "announcement",
                    "ends",
                    "user",
                    "network",
                    "since",
                    "until",
                    "reason",
                    "text",
                    "sessions",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


def state_of(orders: Orders) -> Any:
    return orders.blocks, orders.drain, orders.announcement, list(orders.ends)


@given(all_orders, all_ends)
def test_what_is_written_reads_back(
    given_orders: tuple[list[Block], Drain | None, Announcement | None],
    given_ends: dict[tuple[str, str], End],
) -> None:
    orders, restored = Orders(), Orders()
    orders.restore(tuple(given_orders[0]), given_orders[1], given_orders[2], 0.0)
    for name, end in given_ends.items():
        orders.ends.add(name, end)
    saved = json.loads(json.dumps(save_orders(orders)))
    assert bool(saved) is (orders.are_any or bool(given_ends))
    restore_orders(restored, saved, 0.0)
    assert state_of(restored) == state_of(orders)


@given(st.dictionaries(st.sampled_from(["blocks", "drain", "announcement", "ends"]), anything))
def test_anything_gives_orders_that_can_be_written_again(told: dict[str, object]) -> None:
    orders, again = Orders(), Orders()
    restore_orders(orders, told, 0.0)
    restore_orders(again, save_orders(orders), 0.0)
    assert state_of(again) == state_of(orders)


@pytest.mark.parametrize(
    "block",
    [
        {"user": "", "since": 1, "until": None, "reason": ""},
        {"network": "nowhere", "since": 1, "until": None, "reason": ""},
        {"user": "a", "since": "1", "until": None, "reason": ""},
        {"user": "a", "since": 1, "until": "never", "reason": ""},
        {"planet": "a", "since": 1, "until": None, "reason": ""},
        "alice",
    ],
)
def test_one_that_is_malformed_leaves_the_others(block: object) -> None:
    orders = Orders()
    sound = {"user": "bob", "since": 1, "until": None, "reason": ""}
    restore_orders(orders, {"blocks": [block, sound]}, 0.0)
    assert [one.name for one in orders.blocks] == ["bob"]


def test_ends_that_are_over_or_malformed_leave_the_others() -> None:
    orders, sound = Orders(), hash_token(b"token")
    told = [
        {"reason": "", "until": 5, "sessions": [["late", sound]]},
        {"reason": "", "until": "never", "sessions": [["alice", sound]]},
        {"reason": "disks", "until": 6, "sessions": [["carol", "no hash"], ["dora"], 7, ["bob", sound]]},
    ]
    restore_orders(orders, {"ends": told}, 5.0)
    assert list(orders.ends) == [(("bob", sound), End(until=6, reason="disks"))]


def test_as_many_ends_as_there_can_be_are_one_line_that_takes_no_time() -> None:
    orders, restored = Orders(), Orders()
    for number in range(MAX_ENDS):
        end = End(until=1e9, reason="r" * 500)
        orders.ends.add((f"user{number}", hash_token(str(number).encode())), end)
    begun = time.process_time()
    line = json.dumps(save_orders(orders))
    print(f"{len(line)} characters, {1000 * (time.process_time() - begun):.1f} ms")
    assert len(line) < 200 * MAX_ENDS  # those with one reason have it once
    restore_orders(restored, json.loads(line), 0.0)
    assert len(restored.ends) == MAX_ENDS
