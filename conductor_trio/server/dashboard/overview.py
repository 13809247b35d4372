"""What a dashboard shows besides the sessions: the server as a whole, who uses what, orders, events; as JSON.

Each section is made once for all dashboards that are open, and sent where it is another than before.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator

import attrs
import trio

from conductor_trio.control.messages import JSONObject
from conductor_trio.limits.constants import LOOP_DELAY_GOAL, MAX_DASHBOARD_USERS, MAX_TOLD_AT_ONCE
from conductor_trio.server.accounts.loop_delay import LoopDelay
from conductor_trio.server.accounts.traffic import Traffic
from conductor_trio.server.admin.messages import ShowUsage
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.admin.service import AdminService
from conductor_trio.server.admin.usage import Row, as_float, compare_one, name_of, rank

#: Who asks for what is only shown.
_NOBODY = Operator(uid=None, user="")


@attrs.define(eq=False)
class Overview:
    """The sections, by name, as they were at the last look."""

    _service: AdminService
    _traffic: Traffic  # of all sessions together
    _delay: LoopDelay
    sections: dict[str, str] = attrs.field(factory=dict, init=False)  #: as JSON
    # At the look before, as all that follows; by whose it is.
    _usage: dict[tuple[str, str], JSONObject] = attrs.field(factory=dict, init=False)
    _looked_at: float = attrs.field(default=0.0, init=False)
    _counted: tuple[float, float, float] | None = attrs.field(default=None, init=False)
    _has_rates: bool = attrs.field(default=False, init=False)

    def forget(self) -> None:
        """Keep nothing until the next look."""
        self._usage, self._counted, self.sections = {}, None, {}

    @property
    def has_rates(self) -> bool:
        """Whether there were two looks."""
        return self._has_rates

    def look(self) -> Iterator[None]:
        """Make the sections anew, and yield between steps."""
        answer = self._service.execute(ShowUsage(), _NOBODY)
        before, usage, use = self._usage, dict[tuple[str, str], JSONObject](), _Use()
        began = trio.current_time()
        seconds = max(0.0, began - self._looked_at) if before else 0.0
        for step, item in enumerate(answer.items, start=1):
            if item is not None:
                name = name_of(item)
                usage[name] = item
                if seconds:
                    use.add(compare_one(before.get(name, {}), item, seconds))
            if not step % MAX_TOLD_AT_ONCE:
                yield
        server = answer.fields()
        self.sections["users"] = json.dumps(use.describe())
        self.sections["orders"] = json.dumps(server["orders"])
        self.sections["now"] = json.dumps(self._describe_server(server, use, seconds))
        self._usage, self._looked_at, self._has_rates = usage, began, seconds > 0

    def _describe_server(self, server: JSONObject, use: _Use, seconds: float) -> JSONObject:
        traffic = self._traffic
        counted = as_float(server.get("requests")), float(traffic.to_application), float(traffic.to_visitors)
        before, self._counted = self._counted, counted
        rates: list[float | None] = [None, None, None]
        if before is not None and seconds:
            rates = [
                round(max(0.0, is_now - was) / seconds, 1) for is_now, was in zip(counted, before, strict=True)
            ]
        return {
            "sessions": server["sessions"],
            "lost": server["lost"],
            "visitors": use.visitors if seconds else None,
            "requests": rates[0],
            "bytesIn": rates[1],
            "bytesOut": rates[2],
            "held": server["held"],
            "delay": server["loopDelayPeak"],
            "delays": self._delay.longer_than[LOOP_DELAY_GOAL],
            "throttled": use.throttled,
        }


@attrs.define(eq=False)
class _Use:
    """What all users come to, and those who use most, found as one after the other is looked at."""

    users: int = 0
    visitors: int = 0
    throttled: int = 0
    _most: list[Row] = attrs.field(factory=list)
    _next: list[Row] = attrs.field(factory=list)  # that were not compared with those yet

    def add(self, row: Row) -> None:
        """Look at one."""
        self.users += row.kind == "user"
        self.visitors += row.visitors or 0
        self.throttled += row.is_throttled
        if row.kind == "user" or row.is_throttled:
            self._next.append(row)
            if len(self._next) >= MAX_TOLD_AT_ONCE:
                self._settle()

    def _settle(self) -> None:
        """Keep those who use most; whoever has to wait comes first, so that nobody of them is left out."""
        rows = [*self._most, *self._next]
        self._most = heapq.nsmallest(MAX_DASHBOARD_USERS, rows, key=lambda row: (not row.is_throttled, rank(row)))
        self._next = []

    def describe(self) -> JSONObject:
        """Return how many users there are, and those who use most, the greatest use first."""
        self._settle()
        return {"count": self.users, "shown": [{**row.describe(), "name": row.name} for row in self._most]}
