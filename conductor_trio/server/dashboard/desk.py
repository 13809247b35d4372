r"""A desk: one dashboard that is open, over its WebSocket. It sends what has changed, and takes what is asked for.

::

    page → server    {"prove": "<what stands in the page>"}                   first of all
                     {"view": {"search": …, "column": …, "descending": …, "page": <number>}}
                     {"act": <number>, "do": {"command": …}}                  as in `server.admin.messages`
    server → page    {"stale": true}                                          the page is to be loaded anew
                     {"section": "now" | "users" | "orders", "is": …}
                     {"sessions": {"rows": […], "order": [<host>…] | null, "matched": …, "total": …, "page": …, …}}
                     {"events": […]}
                     {"act": <number>, "done": {…}}                           or with "refused": "<text>"

``rows`` are those on the page that were not sent yet as they are, ``order`` is null where it is as it was.
"""

from __future__ import annotations

import hmac
import json
import time
from contextlib import suppress

import attrs
import trio
from trio_websocket import ConnectionClosed

from conductor_trio.control.messages import JSONObject, parse_object
from conductor_trio.errors import CommandRefused
from conductor_trio.limits.constants import DASHBOARD_PAGE_SIZE, MAX_TOLD_AT_ONCE
from conductor_trio.net.stream import STREAM_LOST
from conductor_trio.server.accounts.fairness import take_turn
from conductor_trio.server.admin.entries import Entry
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.dashboard.acts import Acts
from conductor_trio.server.dashboard.sessions import Query, Row
from conductor_trio.server.dashboard.updates import Updates, Watcher
from conductor_trio.server.ownpages.websocket import PageSocket
from conductor_trio.strict_json import is_number


@attrs.define(eq=False, kw_only=True)
class Desk:
    """Serves one of them."""

    connection: PageSocket
    entry: Entry
    operator: Operator
    updates: Updates
    acts: Acts
    _sections: dict[str, str] = attrs.field(factory=dict, init=False)  # as they were sent
    _rows: dict[str, Row] = attrs.field(factory=dict, init=False)  # the same, in order, by host name
    _shown: tuple[Query, int, int, int] | None = attrs.field(default=None, init=False)
    _events: int = attrs.field(default=0, init=False)

    @property
    def _proof(self) -> bytes:
        return self.entry.proof.encode()

    async def run(self, nursery: trio.Nursery) -> None:
        """Serve it to its end; its other task is the nursery's."""
        with suppress(ConnectionClosed, *STREAM_LOST):
            proof = _parse(await self.connection.get_message()).get("prove")
            if isinstance(proof, str) and hmac.compare_digest(proof.encode(errors="replace"), self._proof):
                with self.updates.watching() as watcher:
                    nursery.start_soon(self._run_updates, watcher, nursery.cancel_scope, name="dashboard updates")
                    await self._run_commands(watcher)
            else:
                await self._send({"stale": True})

    async def _run_commands(self, watcher: Watcher) -> None:
        while True:
            told = _parse(await self.connection.get_message())
            match told:
                case {"view": dict() as view}:
                    page = view.get("page")
                    number = int(page) if is_number(page) and 0 <= page <= 1e6 else 0
                    self.updates.ask(watcher, Query.read(view), number)
                case {"act": int() as number, "do": dict() as command}:
                    await self._act(number, command)
            await take_turn()

    async def _act(self, number: int, command: JSONObject) -> None:
        try:
            if self.entry.is_over:
                raise CommandRefused("you are signed out")
            done = await self.acts.execute(command, self.operator)
        except CommandRefused as error:
            await self._send({"act": number, "refused": str(error)})
        else:
            self.updates.hurry()
            await self._send({"act": number, "done": done})

    async def _run_updates(self, watcher: Watcher, scope: trio.CancelScope) -> None:
        with suppress(ConnectionClosed, *STREAM_LOST):
            while True:
                await watcher.wait_news()
                for name, text in tuple(self.updates.overview.sections.items()):
                    if self._sections.get(name) != text:
                        self._sections[name] = text
                        await self._send_text(f'{{"section": "{name}", "is": {text}}}')
                await self._send_rows(watcher)
                await self._send_events()
        scope.cancel()

    async def _send_rows(self, watcher: Watcher) -> None:
        """Send the page of the sessions that is shown, as far as it is another than before."""
        query, rows = watcher.query, self.updates.views.get(watcher.query)
        if rows is None:  # the next time
            return
        pages = max(1, -(-len(rows) // DASHBOARD_PAGE_SIZE))
        page = min(watcher.page, pages - 1)
        on_page = rows[page * DASHBOARD_PAGE_SIZE : (page + 1) * DASHBOARD_PAGE_SIZE]
        shown = query, page, len(rows), len(self.updates.table)
        now = {row.host: row for row in on_page}
        new = ", ".join(row.text for host, row in now.items() if self._rows.get(host) is not row)
        is_moved = list(now) != list(self._rows)
        if not new and not is_moved and shown == self._shown:
            return
        self._rows, self._shown = now, shown
        more = {
            "matched": len(rows),
            "total": len(self.updates.table),
            "page": page,
            "pages": pages,
            "size": DASHBOARD_PAGE_SIZE,
        }
        order = json.dumps(list(now) if is_moved else None)
        await self._send_text(f'{{"sessions": {{"rows": [{new}], "order": {order}, {json.dumps(more)[1:]}}}')

    async def _send_events(self) -> None:
        """Send the events that came, with the time, by which those of the page are told."""
        events = list(self.updates.events.since(self._events))
        self._events = self.updates.events.count
        for start in range(0, len(events), MAX_TOLD_AT_ONCE):
            await self._send({"events": events[start : start + MAX_TOLD_AT_ONCE], "at": time.time()})

    async def _send(self, message: JSONObject) -> None:
        await self._send_text(json.dumps(message))

    async def _send_text(self, text: str) -> None:
        await self.connection.send_message(text)
        await trio.lowlevel.checkpoint()  # and no wish of the operator's, as in `updates`


def _parse(message: str | bytes) -> JSONObject:
    """Return a message of the page; an empty one for what is none."""
    try:
        return parse_object(message if isinstance(message, bytes) else message.encode())
    except ValueError:
        return {}
