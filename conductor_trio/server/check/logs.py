"""Whether the access log, the audit log and the metrics can be had as the settings say."""

from __future__ import annotations

import os
from collections.abc import Iterator

from conductor_trio.findings import Finding, Status
from conductor_trio.journal import JOURNAL_SOCKET
from conductor_trio.server.settings import JOURNAL, ServerSettings


def check_logs(settings: ServerSettings) -> Iterator[Finding]:
    """Yield what is found of each log that is asked for, and of the metrics' socket."""
    for place, target in (("access log", settings.access_log), ("audit log", settings.audit_log)):
        if target == JOURNAL:
            yield _check_journal(place)
        elif target is not None:
            yield _check_file(place, target)
    if isinstance(settings.metrics, str):
        yield _check_directory("metrics", settings.metrics)


def _check_journal(place: str) -> Finding:
    if os.path.exists(JOURNAL_SOCKET):
        return Finding(check=place, status=Status.OK, detail="goes to the journal")
    advice = "give a file, or have systemd-journald run"
    return Finding(check=place, status=Status.FAILED, detail=f"there is no {JOURNAL_SOCKET}", advice=advice)


def _check_file(place: str, path: str) -> Finding:
    if not os.path.lexists(path):
        return _check_directory(place, path)
    if os.path.isdir(path) or not os.access(path, os.W_OK):
        advice = "have it owned by the server's user"
        return Finding(check=place, status=Status.FAILED, detail=f"{path} cannot be written to", advice=advice)
    return Finding(check=place, status=Status.OK, detail=path)


def _check_directory(place: str, path: str) -> Finding:
    directory = os.path.dirname(path)
    if os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK):
        return Finding(check=place, status=Status.OK, detail=f"{path} can be made")
    return Finding(
        check=place,
        status=Status.FAILED,
        detail=f"{path} cannot be made",
        advice=f"make {directory}, owned by the server's user (LogsDirectory= in the unit)",
    )
