"""The ledger: for each route an account of what is done for it, written by the data plane and read by all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from conductor_trio.server.accounts.fairness import Usage
from conductor_trio.server.accounts.traffic import Traffic


@attrs.define(eq=False)
class Account:
    """What one route has used, and whose connections it has at this moment."""

    traffic: Traffic = attrs.field(factory=Traffic)
    usage: Usage = attrs.field(factory=Usage)
    #: For each exchange and tunnel, whatever stands for it, whom it was let in for: the data plane's own to change.
    connections: dict[Any, str] = attrs.field(factory=dict)

    def visitors(self) -> Counter[str]:
        """Return how many exchanges and tunnels each principal has."""
        return Counter(self.connections.values())


class Ledger:
    """All accounts, by the route's id."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def account(self, route_id: str) -> Account:
        """Return a route's account, opened with the first call."""
        account = self._accounts.get(route_id)
        if account is None:
            account = self._accounts[route_id] = Account()
        return account

    def close(self, route_id: str) -> None:
        """Close a route's account, if there is one: what was counted is forgotten with the last who has it."""
        self._accounts.pop(route_id, None)

    def __len__(self) -> int:
        return len(self._accounts)
