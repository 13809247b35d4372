"""What tests of the logs share: a sink that keeps its lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from conductor_trio.server.observability.access_log import AccessLog, format_json
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.observer import Observer

Line = dict[str, Any]


@attrs.define(eq=False)
class KeptLines:
    """A sink in memory: what a program reads of each line."""

    lines: list[Line] = attrs.field(factory=list)
    lost: int = 0

    def write(self, fields: Mapping[str, object]) -> None:
        """Keep a line."""
        self.lines.append(json.loads(format_json(fields)))

    def events(self, *names: str) -> list[Line]:
        """Return the lines of the audit log about those events."""
        return [line for line in self.lines if line["event"] in names]


def observing() -> tuple[Observer, KeptLines, KeptLines]:
    """Return an observer with both logs, and the lines of the access log and of the audit log."""
    access, audit = KeptLines(), KeptLines()
    return Observer(access_log=AccessLog(access), audit=AuditLog(audit)), access, audit
