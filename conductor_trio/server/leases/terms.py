"""The terms of leases: which limits hold for the host, and how much of each a process may have without a word."""

from __future__ import annotations

import enum

import attrs

from conductor_trio.limits.server import ServerLimits
from conductor_trio.limits.workers import LENT_ON_DEMAND


class Kind(enum.StrEnum):
    """A limit; all but two have a part for each name."""

    VISITORS = "visitors"  #: connections of visitors
    ADDRESS = "address"  #: those of an address
    ROUTE = "route"  #: exchanges and tunnels of a session, by its route's id
    USER = "user"  #: those of all sessions of a user
    HELD = "held"  #: bytes in memory
    ACCOUNT = "account"  #: those of a user or an address


_LIMITS = {
    Kind.VISITORS: "max_visitors",
    Kind.ADDRESS: "max_address_visitors",
    Kind.ROUTE: "max_route_connections",
    Kind.USER: "max_user_connections",
    Kind.HELD: "max_held",
    Kind.ACCOUNT: "max_account_held",
}


def make_key(kind: Kind, name: str = "") -> str:
    """Return what is lent under one word: a limit's part of that name."""
    return f"{kind.value}/{name}"


def split_key(key: str) -> tuple[Kind, str]:
    """Return the limit and the name of a key; raises ValueError for what is none."""
    kind, _, name = key.partition("/")
    return Kind(kind), name


@attrs.frozen
class Terms:
    """What holds for all processes of a server, of which there are so many at most."""

    limits: ServerLimits
    processes: int

    def limit(self, key: str) -> int:
        """Return how much there is in all; raises ValueError for what is no key."""
        whole: int = getattr(self.limits, _LIMITS[split_key(key)[0]])
        return whole

    def base(self, key: str) -> int:
        """Return how much of it a process may have before it has asked for any."""
        return self.limit(key) // (LENT_ON_DEMAND * self.processes)
