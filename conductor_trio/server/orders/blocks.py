"""Blocks: the users and the networks that the operator keeps out, as values."""

from __future__ import annotations

import enum

import attrs


class Blocked(enum.Enum):
    """What a block names."""

    USER = "user"
    NETWORK = "network"


@attrs.frozen(kw_only=True)
class Block:
    """Who is kept out since then, and until when (Unix times), or for as long as nobody ends it."""

    kind: Blocked
    name: str  #: the user's, or the network as `server.orders.networks` writes it
    since: float
    until: float | None = None
    reason: str = ""
