"""What the dashboards that are open show, made once for all of them, while there are any, by one task.

It looks at all sessions every two seconds, and at what a dashboard asks for at once. All that takes long is done
in steps, each of which is followed by everybody else's turn. It waits for nobody's share, and counts as nobody's
wish: that somebody looks on is no reason to hold up a user who is alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import attrs
import trio

from conductor_trio.limits.constants import DASHBOARD_PAUSE, FIRST_PAUSE, MAX_DASHBOARDS
from conductor_trio.server.accounts.account import Account
from conductor_trio.server.accounts.fairness import charged_to
from conductor_trio.server.dashboard.overview import Overview
from conductor_trio.server.dashboard.sessions import Query, Row, SessionTable
from conductor_trio.server.observability.recent import RecentEvents


@attrs.define(eq=False)
class Watcher:
    """One dashboard that is open: what it asks for, and whether there is something new for it."""

    query: Query = attrs.field(factory=Query)
    page: int = 0
    news: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def wait_news(self) -> None:
        """Return once something may be another than at the last time."""
        await self.news.wait()
        self.news = trio.Event()


@attrs.define(eq=False)
class Updates:
    """All dashboards that are open, and what they show. `account` is whom the looks are charged to."""

    table: SessionTable
    overview: Overview
    events: RecentEvents
    _account: Account
    views: dict[Query, list[Row]] = attrs.field(
        factory=dict, init=False
    )  #: of what is asked for, at the last look
    _watchers: set[Watcher] = attrs.field(factory=set, init=False)
    _asked: trio.Event = attrs.field(factory=trio.Event, init=False)
    _look_at: float = attrs.field(default=0.0, init=False)  # the next time, by Trio's clock

    @property
    def has_room(self) -> bool:
        """Whether one more dashboard may be open."""
        return len(self._watchers) < MAX_DASHBOARDS

    @contextlib.contextmanager
    def watching(self) -> Iterator[Watcher]:
        """Within, one more dashboard is open."""
        watcher = Watcher()
        self._watchers.add(watcher)
        self._asked.set()
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def ask(self, watcher: Watcher, query: Query, page: int) -> None:
        """Have a dashboard show something else as soon as may be."""
        watcher.query, watcher.page = query, page
        if query in self.views:
            watcher.news.set()
        else:
            self._asked.set()

    def hurry(self) -> None:
        """Look at all sessions without waiting for the next time: an operator has done something."""
        self._look_at = trio.current_time()
        self._asked.set()

    async def run(self) -> None:
        """Make what is asked for, for ever."""
        with charged_to(self._account):
            while True:
                await self._asked.wait()
                if self._watchers:
                    await self._make()
                    with trio.move_on_at(self._look_at):
                        await self._asked.wait()
                    self._asked.set()
                else:
                    self._asked = trio.Event()
                    self._look_at, self.views = 0.0, {}
                    self.table.forget()
                    self.overview.forget()

    async def _make(self) -> None:
        """Look again if it is time, and make the views that are missing; the dashboards hear of it then."""
        self._asked = trio.Event()
        views = self.views
        is_look = trio.current_time() >= self._look_at
        if is_look:
            for _ in self.table.look(trio.current_time()):
                await trio.lowlevel.checkpoint()
            for _ in self.overview.look():
                await trio.lowlevel.checkpoint()
            # Two looks give a rate.
            self._look_at = trio.current_time() + (DASHBOARD_PAUSE if self.overview.has_rates else FIRST_PAUSE)
            views = {}
        asked = {watcher.query for watcher in self._watchers}
        for query in asked - views.keys():
            for rows in self.table.select(query):
                if rows is None:
                    await trio.lowlevel.checkpoint()
                else:
                    views = views | {query: rows}
        self.views = {query: rows for query, rows in views.items() if query in asked}
        for watcher in self._watchers:
            watcher.news.set()
        await trio.lowlevel.checkpoint()
