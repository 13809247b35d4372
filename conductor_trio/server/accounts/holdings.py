"""Holdings: the bytes that connections have us keep in memory, each charged to an account, and bounded.

The first means against them is that nothing is read which nobody takes: a head is read to its bound, a response as
far as its visitor has room, and of what comes too early a few KiB. What is held all the same, for longer than one
step of the event loop, is told here by whoever holds it. Where an account, or all of them, hold more than they
may, the connection that holds the most of the greediest account's is closed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable

import attrs

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.leases.leases import Leases
from conductor_trio.server.leases.terms import Kind


@attrs.define(eq=False)
class _Account:
    """Who has a part in what is held."""

    name: Hashable
    most: float
    size: int = 0
    holdings: set[Holding] = attrs.field(factory=set)


@attrs.define(eq=False)
class Holding:
    """What one connection has us hold.

    `find_account` names who is charged, when it begins to hold something: None for nobody in particular, as for a
    front proxy, which holds for all. `close` ends the connection without a wait.
    """

    _all: Holdings
    _find_account: Callable[[], Hashable | None]
    close: Callable[[], None]
    size: int = attrs.field(default=0, init=False)  #: bytes
    _account: _Account | None = attrs.field(default=None, init=False)

    def change(self, count: int) -> None:
        """Hold so many bytes more, or less."""
        if self._account is None:
            self._account = self._all.open_account(self._find_account())
            self._account.holdings.add(self)
        self.size += count
        self._account.size += count
        self._all.total += count
        if not self.size:
            self._all.close_holding(self, self._account)
            self._account = None
        elif count > 0:
            self._all.bound(self._account)


class Holdings:
    """All holdings; `total` is in bytes."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._leases: Leases | None = None
        self._most = limits.max_held
        self._accounts: dict[Hashable, _Account] = {}
        self.total = 0
        self.closed = 0  #: connections that were closed for what they held

    def share(self, leases: Leases) -> None:
        """Have the limits hold for this process and others together; before anything is held."""
        self._leases = leases
        self._most = leases.part(Kind.HELD)
        leases.hold(Kind.HELD, lambda _: self.total, self._allot_all)
        leases.hold(Kind.ACCOUNT, lambda text: self.size_of(_parse_name(text)), self._allot)

    def _allot_all(self, _: str, most: int) -> None:
        self._most = most

    def _allot(self, text: str, most: int) -> None:
        if (account := self._accounts.get(_parse_name(text))) is not None:
            account.most = most

    def open(self, find_account: Callable[[], Hashable | None], close: Callable[[], None]) -> Holding:
        """Return a connection's holding, of nothing so far."""
        return Holding(self, find_account, close)

    def size_of(self, name: Hashable) -> int:
        """Return how many bytes an account holds."""
        account = self._accounts.get(name)
        return 0 if account is None else account.size

    def open_account(self, name: Hashable | None) -> _Account:
        """Return an account by its name; for `Holding`."""
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = _Account(name, self._most_of(name))
        return account

    def _most_of(self, name: Hashable | None) -> float:
        if name is None:
            return math.inf
        if self._leases is None:
            return self._limits.max_account_held
        return self._leases.part(Kind.ACCOUNT, _format_name(name))

    def close_holding(self, holding: Holding, account: _Account) -> None:
        """Forget a holding of nothing; for `Holding`."""
        account.holdings.discard(holding)
        if not account.holdings:
            del self._accounts[account.name]

    def bound(self, account: _Account) -> None:
        """Close the greediest where this account, or all, hold too much; for `Holding`."""
        if account.size > account.most:
            self._close_greatest(account)
        elif self.total > self._most:
            self._close_greatest(max(self._accounts.values(), key=lambda one: one.size))
        if self._leases is not None:
            self._ask_ahead(account, self._leases)

    def _ask_ahead(self, account: _Account, leases: Leases) -> None:
        """Ask for more where a half is used up: what comes at once has come when there is an answer."""
        if account.name is not None and 2 * account.size > account.most:
            leases.want(Kind.ACCOUNT, _format_name(account.name), account.size)
        if 2 * self.total > self._most:
            leases.want(Kind.HELD, "", self.total)

    def _close_greatest(self, account: _Account) -> None:
        greatest = max(account.holdings, key=lambda holding: holding.size)
        self.closed += 1
        greatest.close()


def _format_name(name: Hashable) -> str:
    """Return the text by which other processes know an account: a user's, or an address."""
    match name:
        case ("user", str() as user):
            return f"user/{user}"
    return f"address/{name}"


def _parse_name(text: str) -> Hashable:
    """Read what `_format_name` gave."""
    kind, _, name = text.partition("/")
    return ("user", name) if kind == "user" else name
