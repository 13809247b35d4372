"""Orders as JSON: what is written reads back, and whatever else there is gives orders or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.server.orders.blocks import Block, Blocked
from conductor_trio.server.orders.orders import Announcement, Drain, Orders
from conductor_trio.server.orders.saved import describe_orders, restore_orders, save_orders

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
                ["blocks", "drain", "announcement", "user", "network", "since", "until", "reason", "text"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


def state_of(orders: Orders) -> Any:
    return orders.blocks, orders.drain, orders.announcement


@given(all_orders)
def test_what_is_written_reads_back(
    given_orders: tuple[list[Block], Drain | None, Announcement | None],
) -> None:
    orders, restored = Orders(), Orders()
    orders.restore(tuple(given_orders[0]), given_orders[1], given_orders[2], 0.0)
    saved = json.loads(json.dumps(save_orders(orders)))
    assert bool(saved) is orders.are_any
    restore_orders(restored, saved, 0.0)
    assert state_of(restored) == state_of(orders)


@given(st.dictionaries(st.sampled_from(["blocks", "drain", "announcement"]), anything))
def test_anything_gives_orders_that_can_be_written_again(told: dict[str, object]) -> None:
    orders, again = Orders(), Orders()
    restore_orders(orders, told, 0.0)
    restore_orders(again, describe_orders(orders), 0.0)
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
