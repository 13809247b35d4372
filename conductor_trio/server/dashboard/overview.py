"""What a dashboard shows besides the sessions: the server as a whole, who uses what, orders, events; as JSON.

Each section is made once for all dashboards that are open, and sent where it is another than before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import attrs

from conductor_trio.control.messages import JSONObject
from conductor_trio.limits.constants import LOOP_DELAY_GOAL, MAX_DASHBOARD_USERS, MAX_TOLD_AT_ONCE
from conductor_trio.server.accounts.loop_delay import LoopDelay
from conductor_trio.server.accounts.traffic import Traffic
from conductor_trio.server.admin.messages import ShowUsage
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.admin.service import AdminService
from conductor_trio.server.admin.usage import Row, as_float, compare

#: Who asks for what is only shown.
_NOBODY = Operator(uid=None, user="")


@attrs.define(eq=False)
class Overview:
    """The sections, by name, as they were at the last look."""

    _service: AdminService
    _traffic: Traffic  # of all sessions together
    _delay: LoopDelay
    sections: dict[str, str] = attrs.field(factory=dict, init=False)  #: as JSON
    _usage: list[JSONObject] = attrs.field(factory=list, init=False)  # at the look before, as all that follows
    _looked_at: float = attrs.field(default=0.0, init=False)
    _counted: tuple[float, float, float] | None = attrs.field(default=None, init=False)
    _has_rates: bool = attrs.field(default=False, init=False)

    def forget(self) -> None:
        """Keep nothing until the next look."""
        self._usage, self._counted, self.sections = [], None, {}

    @property
    def has_rates(self) -> bool:
        """Whether there were two looks."""
        return self._has_rates

    def look(self) -> Iterator[None]:
        """Make the sections anew, and yield between steps."""
        answer = self._service.execute(ShowUsage(), _NOBODY)
        usage = list[JSONObject]()
        for step, item in enumerate(answer.items, start=1):
            if item is not None:
                usage.append(item)
            if not step % MAX_TOLD_AT_ONCE:
                yield
        server = answer.fields()
        now = as_float(server.get("time"))
        seconds = now - self._looked_at
        rows = compare(self._usage, usage, seconds) if self._usage and seconds > 0 else []
        self._has_rates = bool(rows)
        yield
        self.sections["users"] = json.dumps(_describe_users(rows))
        self.sections["orders"] = json.dumps(server["orders"])
        self.sections["now"] = json.dumps(self._describe_server(server, rows, seconds))
        self._usage, self._looked_at = usage, now

    def _describe_server(self, server: JSONObject, rows: list[Row], seconds: float) -> JSONObject:
        traffic = self._traffic
        counted = as_float(server.get("requests")), float(traffic.to_application), float(traffic.to_visitors)
        before, self._counted = self._counted, counted
        rates: list[float | None] = [None, None, None]
        if before is not None and seconds > 0:
            rates = [
                round(max(0.0, is_now - was) / seconds, 1) for is_now, was in zip(counted, before, strict=True)
            ]
        return {
            "sessions": server["sessions"],
            "lost": server["lost"],
            "visitors": sum(row.visitors or 0 for row in rows) if rows else None,
            "requests": rates[0],
            "bytesIn": rates[1],
            "bytesOut": rates[2],
            "held": server["held"],
            "delay": server["loopDelayPeak"],
            "delays": self._delay.longer_than[LOOP_DELAY_GOAL],
            "throttled": sum(row.is_throttled for row in rows),
        }


def _describe_users(rows: list[Row]) -> JSONObject:
    """Return those who use most; whoever has to wait comes first, so that nobody of them is left out."""
    busiest = sorted(rows, key=lambda row: not row.is_throttled)
    shown = [row for row in busiest if row.kind == "user" or row.is_throttled][:MAX_DASHBOARD_USERS]
    users = sum(row.kind == "user" for row in rows)
    return {"count": users, "shown": [{**row.describe(), "name": row.name} for row in shown]}
