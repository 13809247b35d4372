"""What a batch job needs of the cluster, and where its files are."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Resources:
    """What is asked of the batch system; None is its default. `options` are words of its own."""

    seconds: float | None = None
    gpus: int | None = None
    cpus: int | None = None
    memory: str | None = None  # as `check_memory` returns it
    partition: str | None = None  # PBS: the queue
    account: str | None = None
    options: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class JobRequest:
    """A job to hand in: its name, what it needs, its script, its log, and where it runs."""

    name: str
    resources: Resources
    script: str
    log: str
    cwd: str


def format_clock(seconds: float) -> str:
    """Return ``hours:minutes:seconds``, as both batch systems read it; rounded up, since it is a limit."""
    whole = -int(-seconds // 1)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
