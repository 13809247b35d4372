"""Whether the server may open as many files as its limits ask for."""

from __future__ import annotations

from conductor_trio.errors import StartError
from conductor_trio.findings import Finding, Status
from conductor_trio.server.operation.descriptors import (
    allowed_descriptors,
    fit_limits,
    is_less,
    needed_descriptors,
)
from conductor_trio.server.settings import ServerSettings


def check_open_files(settings: ServerSettings) -> Finding:
    """Return what RLIMIT_NOFILE means for a server with these settings, which raises its soft limit itself."""
    place = "open files"
    allowed = allowed_descriptors(at_most=True)
    needed = needed_descriptors(settings.limits)
    try:
        limits = fit_limits(settings.limits, allowed)
    except StartError as error:
        return Finding(check=place, status=Status.FAILED, detail=error.what, advice=error.advice or "")
    if not is_less(limits, settings.limits):
        return Finding(check=place, status=Status.OK, detail=f"{needed} are needed at most, which is allowed")
    return Finding(
        check=place,
        status=Status.WARNING,
        detail=f"{allowed} are allowed and {needed} needed, so that the server takes {limits.max_visitors} "
        f"visitors' connections and {limits.max_sessions} sessions at most",
        advice=f"LimitNOFILE={needed}, or lower --max-visitors and --max-sessions",
    )
