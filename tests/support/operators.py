"""The operator's service over a bench of sessions."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from conductor_trio.server.admin.entries import Entries
from conductor_trio.server.admin.service import AdminService
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.sink import Sink
from conductor_trio.server.operation.reload import Reloads
from conductor_trio.server.sessions.owner_service import OwnerService
from tests.support.session_bench import LIMITS, Bench


def make_service(
    bench: Bench,
    *,
    configuration: Mapping[str, object] | None = None,
    reloads: Reloads | None = None,
    audit: Sink | None = None,
    entries: Entries | None = None,
) -> AdminService:
    """Return what carries the operator's commands out on a bench; without `reloads` nothing comes of one."""
    context = attrs.evolve(bench.context, audit=AuditLog(audit))
    reloads = reloads or Reloads(limits=LIMITS, log=context.log, in_force={})
    configuration = configuration or {"file": None, "settings": []}
    return AdminService(context, OwnerService(context), configuration, reloads, entries)
