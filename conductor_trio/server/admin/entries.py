"""Who may use the operator's dashboard, sans-IO: one-time links, and the entries that they are spent on.

A link is a share of a route that is none: it opens one browser, whose cookie then holds a token of its own. Hashes
alone are kept, in this process: after a restart or a reload a link is asked for anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator

import attrs

from conductor_trio.access.grants import Access, Share
from conductor_trio.access.tokens import TokenHash, hash_token
from conductor_trio.control.messages import JSONObject
from conductor_trio.errors import CommandRefused
from conductor_trio.limits.constants import (
    DASHBOARD_LINK_TIME,
    DASHBOARD_TIME,
    DASHBOARD_TOKEN_ENTROPY,
    MAX_ENTRIES,
)
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.settings import ServerSettings


def _make_token() -> str:
    return secrets.token_urlsafe(DASHBOARD_TOKEN_ENTROPY)


@attrs.define(eq=False, kw_only=True)
class Entry:
    """One who was let in. `token_hash` is that of a browser's cookie; None is for the single sign-on's word."""

    operator: Operator
    since: float  #: Unix time, as the next
    expires: float
    token_hash: TokenHash | None
    #: What the page shows the server with each connection, and no page of another origin can know.
    proof: str = attrs.field(factory=_make_token, repr=False)
    is_over: bool = attrs.field(default=False, init=False)
    _watchers: list[Callable[[], None]] = attrs.field(factory=list, init=False)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have `watcher` called at its end."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Have it called no more."""
        self._watchers.remove(watcher)

    def end(self) -> None:
        """Let nobody in by it any more, and end what was opened by it."""
        self.is_over = True
        for watcher in tuple(self._watchers):
            watcher()


class Entries:
    """The links and the entries of one server."""

    def __init__(self, host: str, *, takes_links: bool = True) -> None:
        self.host = host  #: the dashboard's, with its port if it has one, for links
        self._takes_links = takes_links
        #: Who gets in by a link; another value after each change, by which the throttle of guesses goes.
        self.access = Access(owner_hash=hash_token(_make_token().encode()))
        self._askers: dict[str, Operator] = {}  # by their links' ids
        self._by_token: dict[TokenHash, Entry] = {}
        self._by_user: dict[str, Entry] = {}  # by the single sign-on's name

    def make_link(self, operator: Operator, now: float) -> tuple[str, float]:
        """Return the token of a new link, and when it ends; raises `CommandRefused`."""
        if not self._takes_links:
            raise CommandRefused("nobody but the single sign-on lets in here: links open nothing")
        self.expire(now)
        if len(self._askers) + len(self._by_token) >= MAX_ENTRIES:
            raise CommandRefused(
                f"there are {MAX_ENTRIES} links and entries to the dashboard, the most there can be",
                advice="`links --revoke` ends them",
            )
        token = _make_token()
        share = Share(
            id=secrets.token_hex(DASHBOARD_TOKEN_ENTROPY),
            label=operator.user,
            created=now,
            expires=now + DASHBOARD_LINK_TIME,
            link_hash=hash_token(token.encode()),
            token_hash=None,
            is_once=True,
        )
        self._askers[share.id] = operator
        self.access = self.access.with_share(share)
        return token, now + DASHBOARD_LINK_TIME

    def redeem(self, share: Share, now: float) -> tuple[str, Entry]:
        """Spend a link; returns the token for the browser's cookie."""
        token = _make_token()
        token_hash = hash_token(token.encode())
        operator = self._askers.pop(share.id)
        # Whoever comes with it once more reads that it was used.
        self.access = self.access.with_share(attrs.evolve(share, token_hash=token_hash))
        entry = Entry(operator=operator, since=now, expires=now + DASHBOARD_TIME, token_hash=token_hash)
        self._by_token[token_hash] = entry
        return token, entry

    def find(self, tokens: Iterable[bytes], now: float) -> Entry | None:
        """Return the entry by the first right one of the tokens that a browser shows.

        They are looked up by their hashes, of which nothing shows in the time that it takes.
        """
        for token in tokens:
            entry = self._by_token.get(hash_token(token))
            if entry is not None and entry.expires > now:
                return entry
        return None

    def admit(self, operator: Operator, now: float) -> Entry:
        """Return the entry of an operator whom the single sign-on names."""
        entry = self._by_user.get(operator.user)
        if entry is None or entry.expires <= now:
            self.expire(now)
            entry = Entry(operator=operator, since=now, expires=now + DASHBOARD_TIME, token_hash=None)
            self._by_user[operator.user] = entry
        return entry

    def end(self, entry: Entry) -> None:
        """End one entry."""
        if entry.token_hash is not None:
            self._by_token.pop(entry.token_hash, None)
        else:
            self._by_user.pop(entry.operator.user, None)
        entry.end()

    def revoke(self, user: str | None) -> tuple[int, int]:
        """End all links and entries, or those of one user; returns how many there were of either."""
        links = {id_ for id_, operator in self._askers.items() if user is None or operator.user == user}
        entries = [entry for entry in self._all() if user is None or entry.operator.user == user]
        for id_ in links:
            del self._askers[id_]
        self.access = self.access.without(links)
        for entry in entries:
            self.end(entry)
        return len(links), len(entries)

    def expire(self, now: float) -> None:
        """End what is over (Unix time)."""
        over = {share.id for share in self.access.shares if share.is_over(now)}
        if over:
            self.access = self.access.without(over)
            for id_ in over:
                self._askers.pop(id_, None)
        for entry in [entry for entry in self._all() if entry.expires <= now]:
            self.end(entry)

    def describe(self, now: float) -> Iterator[JSONObject]:
        """Yield the links that were not used, and the entries."""
        self.expire(now)
        for share in self.access.shares:
            if (operator := self._askers.get(share.id)) is not None:
                yield {"kind": "link", "user": operator.user, "since": share.created, "until": share.expires}
        for entry in self._all():
            kind = "sso" if entry.token_hash is None else "browser"
            yield {"kind": kind, "user": entry.operator.user, "since": entry.since, "until": entry.expires}

    def _all(self) -> list[Entry]:
        return [*self._by_token.values(), *self._by_user.values()]


def make_entries(settings: ServerSettings) -> Entries | None:
    """Return a server's entries; None where it has no dashboard."""
    if settings.admin_host is None:
        return None
    return Entries(settings.admin_host, takes_links=settings.sso is None or not settings.sso.is_needed)
