"""Orders as JSON: for who asks, and for the next server, beside the routes of a snapshot.

::

    {"blocks": [{"user": "mallory", "since": <Unix time>, "until": <Unix time> | null, "reason": "…"},
                {"network": "192.0.2.0/24", …}],
     "drain": {"since": <Unix time>, "reason": "…"} | null,
     "announcement": {"text": "…", "since": <Unix time>} | null}

The next server is told of sessions that are to end, too, those with the same reason together::

    "ends": [{"reason": "…", "until": <Unix time>, "sessions": [["<user>", "<blake2b-512 hex>"], …]}, …]
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import TypeGuard

from conductor_trio.access.tokens import is_token_hash
from conductor_trio.control.messages import JSONObject
from conductor_trio.limits.constants import MAX_BLOCKS, MAX_ENDS, MAX_ORDER_TEXT, MAX_SAVED_TIME
from conductor_trio.server.orders.blocks import Block, Blocked
from conductor_trio.server.orders.ends import End, Ends
from conductor_trio.server.orders.networks import parse_network
from conductor_trio.server.orders.orders import Announcement, Drain, Orders
from conductor_trio.strict_json import is_number


def describe_orders(orders: Orders) -> JSONObject:
    """Return all orders."""
    drain, announcement = orders.drain, orders.announcement
    return {
        "blocks": list(map(describe_block, orders.blocks)),
        "drain": None if drain is None else {"since": drain.since, "reason": drain.reason},
        "announcement": None if announcement is None else {"text": announcement.text, "since": announcement.since},
    }


def save_orders(orders: Orders) -> JSONObject:
    """Return what is to be left to the next server: nothing where no order stands."""
    if not (orders.are_any or orders.ends):
        return {}
    return describe_orders(orders) | ({"ends": _describe_ends(orders.ends)} if orders.ends else {})


def _describe_ends(ends: Ends) -> list[JSONObject]:
    return [
        {"reason": end.reason, "until": end.until, "sessions": [name for name, _ in those]}
        for end, those in groupby(ends, key=itemgetter(1))
    ]


def describe_block(block: Block) -> JSONObject:
    """Return one block."""
    return {block.kind.value: block.name, "since": block.since, "until": block.until, "reason": block.reason}


def restore_orders(orders: Orders, told: Mapping[str, object], now: float) -> None:
    """Take over what an earlier server left; what is malformed, or of a later version, counts as missing."""
    blocks = told.get("blocks")
    found = [_parse_block(one) for one in blocks[:MAX_BLOCKS]] if isinstance(blocks, list) else []
    orders.restore(
        tuple(block for block in found if block is not None),
        _parse_drain(told.get("drain")),
        _parse_announcement(told.get("announcement")),
        now,
    )
    ends = told.get("ends")
    for one in ends[:MAX_ENDS] if isinstance(ends, list) else []:
        _restore_ends(orders.ends, one, now)


def _restore_ends(ends: Ends, value: object, now: float) -> None:
    match value:
        case {"reason": str() as reason, "until": until, "sessions": list() as names} if (
            _is_time(until) and until > now
        ):
            end = End(reason=_cut(reason), until=float(until))
            for name in names[:MAX_ENDS]:
                match name:
                    case [str() as user, str() as owner_hash] if is_token_hash(owner_hash):
                        ends.add((user, owner_hash), end)


def _parse_block(value: object) -> Block | None:
    match value:
        case {"since": since, "until": until, "reason": str() as reason, **who} if _is_time(since):
            match who:
                case {"user": str() as name} if name:
                    kind = Blocked.USER
                case {"network": str() as text}:
                    kind = Blocked.NETWORK
                    try:
                        name = parse_network(text)
                    except ValueError:
                        return None
                case _:
                    return None
            if until is not None and not _is_time(until):
                return None
            return Block(
                kind=kind,
                name=name,
                since=float(since),
                until=None if until is None else float(until),
                reason=_cut(reason),
            )
    return None


def _parse_drain(value: object) -> Drain | None:
    match value:
        case {"since": since, "reason": str() as reason} if _is_time(since):
            return Drain(since=float(since), reason=_cut(reason))
    return None


def _parse_announcement(value: object) -> Announcement | None:
    match value:
        case {"text": str() as text, "since": since} if text and _is_time(since):
            return Announcement(text=_cut(text), since=float(since))
    return None


def _is_time(value: object) -> TypeGuard[int | float]:
    return is_number(value) and 0 <= value < MAX_SAVED_TIME


def _cut(text: str) -> str:
    return text[:MAX_ORDER_TEXT]
