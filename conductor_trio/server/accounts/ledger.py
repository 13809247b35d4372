"""The ledger: who made us do what. Whatever happens in the server is charged to an account of it.

::

    everybody
    ├── a user                    by user id, and by name
    │   ├── a session             what the data plane does for its route
    │   └── a control channel     registrations, events, owner's commands
    ├── strangers                 together
    │   └── a visitor's network   where no session is visited: unknown hosts, the status, login pages, wrong tokens
    └── front proxies             together: connections that bring requests of many visitors

Strangers are one account together, so that a thousand addresses weigh no more than one user; and each of their
networks is another below it, so that one that asks too much makes the others wait no longer than for its turn.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Any

import attrs

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.account import Account, Group
from conductor_trio.server.accounts.addresses import account_of
from conductor_trio.server.accounts.fairness import Fairness, current_account, open_payer
from conductor_trio.server.accounts.presence import Presence
from conductor_trio.server.accounts.traffic import Traffic


@attrs.define(eq=False)
class SessionAccount(Account):
    """What is done for one session, and whose connections it has at this moment."""

    traffic: Traffic = attrs.field(factory=Traffic, kw_only=True)
    #: For each exchange and tunnel, whatever stands for it, whom it was let in for; the data plane's to change.
    connections: dict[Any, str] = attrs.field(factory=dict, init=False)
    #: How many each principal has at other processes of ours, by whatever stands for the process.
    elsewhere: dict[Any, Counter[str]] = attrs.field(factory=dict, init=False)
    presence: Presence = attrs.field(factory=Presence, init=False)  #: whose these are

    def visitors(self) -> Counter[str]:
        """Return how many exchanges and tunnels each principal has."""
        return sum(self.elsewhere.values(), Counter(self.connections.values()))

    @property
    def present(self) -> int:
        """How many exchanges and tunnels there are, at whichever process."""
        return len(self.connections) + sum(map(Counter.total, self.elsewhere.values()))


class Ledger:
    """All accounts."""

    def __init__(self, limits: ServerLimits) -> None:
        self._max_networks = limits.max_networks
        self._share = limits.processor_share
        self.fairness = Fairness(limits)
        # More than what one may have, lest the processor idles where many users keep it busy.
        self._everybody = Group(self.fairness, None, limits.processor_share_of_all)
        self._strangers = self._open_group(Account(self._everybody))
        #: Of front proxies: what cannot be told from whom it came.
        self.proxies = Account(self._everybody, is_occasional=True)
        #: Of this host's users who connect to a socket, and are not let in.
        self.arrivals = Account(self._everybody, is_occasional=True)
        #: Of those who ask for the metrics.
        self.collectors = Account(self._everybody, is_occasional=True)
        self.traffic = Traffic()  #: of all sessions together
        self._sessions: dict[str, SessionAccount] = {}  # by the route's id
        self._users: dict[int | str | None, Group] = {}  # for ever: a host does not have that many
        self._networks: OrderedDict[str, Account] = OrderedDict()  # the latest used last

    def _open_group(self, account: Account) -> Group:
        return Group(self.fairness, account, self._share)

    def session(self, route_id: str, user: str | None) -> SessionAccount:
        """Return the account of a user's session, opened with the first call."""
        account = self._sessions.get(route_id)
        if account is None:
            account = SessionAccount(self._user(user), traffic=Traffic(whole=self.traffic))
            self._sessions[route_id] = account
        return account

    def find_session(self, route_id: str) -> SessionAccount | None:
        """Return the account of a session, if there is one."""
        return self._sessions.get(route_id)

    def close_session(self, route_id: str) -> None:
        """Close a session's account, if there is one: what was counted is forgotten with the last who has it."""
        self._sessions.pop(route_id, None)

    @property
    def strangers(self) -> Account:
        """The account of all strangers together."""
        assert self._strangers.account is not None
        return self._strangers.account

    def user(self, user: int | str | None) -> Account:
        """Return the account of a user, by id or name; None is for sessions of whom that is not known."""
        account = self._user(user).account
        assert account is not None
        return account

    def _user(self, user: int | str | None) -> Group:
        group = self._users.get(user)
        if group is None:
            group = self._users[user] = self._open_group(Account(self._everybody))
        return group

    def identify(self, uid: int, user: str) -> None:
        """Take the user of that id and that of that name for the same from now on."""
        self._users[uid] = self._users[user] = self._users.get(user) or self._user(uid)

    def channel(self, uid: int) -> Account:
        """Return a new account for a control channel of a user's."""
        return Account(self._user(uid), is_occasional=True)

    def visitor(self, address: str) -> Account:
        """Return the account of the network that a visitor comes from."""
        network = account_of(address)
        account = self._networks.get(network)
        if account is None:
            account = self._networks[network] = Account(self._strangers, is_occasional=True)
            if len(self._networks) > self._max_networks:
                self._networks.popitem(last=False)
        else:
            self._networks.move_to_end(network)
        return account

    @property
    def is_contended(self) -> bool:
        """Whether several of all want something here at this moment: users, strangers, or front proxies."""
        return self._everybody.contended_until > self.fairness.now()

    def shared(self) -> Iterator[tuple[str, Account]]:
        """Yield the accounts that other processes have for the same people, by names that are the same there."""
        yield "strangers", self.strangers
        yield "proxies", self.proxies
        for user, group in self._users.items():
            if not isinstance(user, int) and group.account is not None:
                yield f"user/{user or ''}", group.account

    async def wait_for_strangers(self) -> None:
        """Wait while all strangers together are over their share: before some more are accepted."""
        await _wait_for(self.strangers)

    async def wait_for_arrivals(self) -> None:
        """Wait while those of this host's users who are not let in are over their share: as for strangers."""
        await _wait_for(self.arrivals)

    def __len__(self) -> int:
        """Return how many sessions have an account."""
        return len(self._sessions)


async def _wait_for(account: Account) -> None:
    """Wait while an account is over its share; this task is charged to it: who they are is not known yet."""
    if current_account() is not account:
        open_payer(account)
    await account.wait_share()
