"""All sessions as rows of a table, for all dashboards: looked at, searched and sorted a few at a time."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Hashable, Iterator

import attrs

from conductor_trio.limits.constants import MAX_DESCRIBED_AT_ONCE, MAX_RUN_SIZE, MAX_SEARCH, MAX_TOLD_AT_ONCE
from conductor_trio.server.admin.description import Describer
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.strict_json import is_number

#: What a row shows, and may be sorted by.
COLUMNS = ("host", "user", "node", "state", "since", "visitors", "requests", "bytesIn", "bytesOut", "rate")
_TEXTS = ("host", "user", "node", "state")


@attrs.frozen(kw_only=True, eq=False)
class Row:
    """One session as it was at the last look that found something new; the same object for as long as it is so."""

    route: Route
    version: Hashable
    values: dict[str, str | float]  #: by column
    traffic: float  #: bytes, in both directions
    searched: str  #: what a search looks through
    text: str  #: the row as JSON

    @property
    def host(self) -> str:
        """By which a row is known: there is no other session of that name."""
        return str(self.values["host"])


@attrs.frozen(kw_only=True)
class Query:
    """Which rows a dashboard shows, and in which order."""

    search: str = ""
    column: str = "host"
    is_descending: bool = False

    @classmethod
    def read(cls, told: object) -> Query:
        """Read what a page asks for; what is none counts as missing."""
        match told:
            case {"search": str() as search, "column": str() as column, "descending": bool() as is_descending}:
                if column in COLUMNS:
                    search = search[:MAX_SEARCH].casefold().strip()
                    return cls(search=search, column=column, is_descending=is_descending)
        return cls()

    def key(self) -> Callable[[Row], tuple[str | float, str]]:
        """Return what rows are sorted by; what is alike, by its names."""
        column = self.column
        return lambda row: (row.values[column], row.host)


class SessionTable:
    """The rows of all sessions that are, or are expected back."""

    def __init__(self, describer: Describer, routes: RouteTable) -> None:
        self._describer = describer
        self._routes = routes
        self._rows: dict[str, Row] = {}  # by the routes' ids
        self._looked_at: float | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def forget(self) -> None:
        """Keep nothing until the next look."""
        self._rows, self._looked_at = {}, None

    def look(self, now: float) -> Iterator[None]:
        """Look at all sessions at the time `now`, and yield between steps; then they are the rows."""
        seconds = 0.0 if self._looked_at is None else now - self._looked_at
        rows, before, cost = dict[str, Row](), self._rows, 0
        for one in self._routes.snapshot().routes:
            route = self._routes.get(one.id)
            if route is not None and not route.has_ended:
                row = before.get(route.id)
                if row is None or not self._is_same(row, route):
                    row = self._make_row(route, row, seconds)
                    cost += MAX_TOLD_AT_ONCE // MAX_DESCRIBED_AT_ONCE
                rows[route.id] = row
            cost += 1
            if cost >= MAX_TOLD_AT_ONCE:
                cost = 0
                yield
        self._rows, self._looked_at = rows, now

    def _is_same(self, row: Row, route: Route) -> bool:
        return (
            row.route is route and float(row.values["rate"]) <= 0 and row.version == self._describer.version(route)
        )

    def _make_row(self, route: Route, before: Row | None, seconds: float) -> Row:
        told = self._describer.describe(route)
        values = {name: _text(told.get(name)) for name in _TEXTS} | {
            name: _number(told.get(name)) for name in COLUMNS if name not in _TEXTS
        }
        traffic = float(values["bytesIn"]) + float(values["bytesOut"])
        if traffic >= 0:
            new = traffic - before.traffic if before is not None else 0
            values["rate"] = round(max(0.0, new) / seconds) if seconds > 0 else 0
        return Row(
            route=route,
            version=self._describer.version(route),
            values=values,
            traffic=traffic,
            searched="\n".join(str(values[name]) for name in _TEXTS).casefold(),
            text=json.dumps(values),
        )

    def select(self, query: Query) -> Iterator[list[Row] | None]:
        """Yield None between steps, and at the end the rows that a query asks for, in order."""
        rows, search, key = list(self._rows.values()), query.search, query.key()
        runs = list[list[Row]]()
        for start in range(0, len(rows), MAX_RUN_SIZE):
            found = [row for row in rows[start : start + MAX_RUN_SIZE] if search in row.searched]
            found.sort(key=key, reverse=query.is_descending)
            runs.append(found)
            yield None
        ordered = list[Row]()
        for row in heapq.merge(*runs, key=key, reverse=query.is_descending):
            ordered.append(row)
            if not len(ordered) % MAX_RUN_SIZE:
                yield None
        yield ordered


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float:
    """Return what is counted; -1 for what is not, of a session whose link is lost."""
    return value if is_number(value) else -1
