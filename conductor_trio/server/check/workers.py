"""Whether the workers that are wanted have cores to run on."""

from __future__ import annotations

import os

from conductor_trio.findings import Finding, Status
from conductor_trio.server.settings import ServerSettings


def check_workers(settings: ServerSettings) -> Finding:
    """Return what the number of workers means on this host."""
    place = "workers"
    cores = len(os.sched_getaffinity(0))
    if settings.workers == 1:
        return Finding(check=place, status=Status.OK, detail="the server forwards requests itself")
    detail = f"{settings.workers} processes forward requests, and this one may use {cores} of the host's cores"
    if settings.workers > cores:
        advice = f"--workers {cores}: more take memory and gain nothing"
        return Finding(check=place, status=Status.WARNING, detail=detail, advice=advice)
    return Finding(check=place, status=Status.OK, detail=detail)
