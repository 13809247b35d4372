"""Descriptors: how many connections there can be with as many open files as the process may have.

A visitor's connection has one descriptor, and its way to the application another; a session has one, and another
while its relay socket is tried. The kernel gives out the least number that is free, so the number of a fresh
descriptor tells how many are in use: from certain numbers on they are kept for others (`ServerLimits`).

::

    0 ………… kept connections ………… visitors ………… upstreams ………… clients ………… spare ………… RLIMIT_NOFILE
"""

from __future__ import annotations

import resource

import attrs

from conductor_trio.errors import StartError
from conductor_trio.limits.server import ServerLimits

_BASE = (
    20  # what is open from the start: the event loop, listeners, the lock, directories' watches, standard streams
)
_SPARE = 40  # what comes and goes: the state file, look-ups of users, a hand-over
_PER_CONNECTION = 2
_MANY = 1 << 30


def needed_descriptors(limits: ServerLimits) -> int:
    """Return how many descriptors all that these limits allow take at once."""
    leaving = limits.max_visitors // limits.leaving_share
    connections = _PER_CONNECTION * (limits.max_visitors + limits.max_sessions)
    return _BASE + _SPARE + 2 * limits.max_pipes + limits.max_turned_away + leaving + connections


def fit_limits(limits: ServerLimits, allowed: int) -> ServerLimits:
    """Return the limits with which `allowed` descriptors are enough, and nobody can take all of anything.

    Raises `StartError` where they are too few for any.
    """
    spare = min(_SPARE, allowed // 8)
    pipes, turned_away = min(limits.max_pipes, allowed // 32), min(limits.max_turned_away, allowed // 16)
    left = allowed - _BASE - spare - 2 * pipes - turned_away
    limits = attrs.evolve(limits, max_pipes=pipes, max_turned_away=turned_away)
    if needed_descriptors(limits) > allowed:
        limits = _shrink(limits, left)
    if limits.max_visitors < 1 or limits.max_sessions < 1:
        raise StartError(
            f"this process may open {allowed} files, which are not enough to serve anybody",
            advice="raise LimitNOFILE in its unit, or `ulimit -n`",
        )
    clients = allowed - spare
    # Sessions that there are have lower numbers; what is kept here is for those to come.
    upstreams = clients - min(_PER_CONNECTION * limits.max_sessions, max(allowed // 8, 4))
    visitors = upstreams - max(1, allowed // 16)
    return attrs.evolve(
        limits,
        max_client_descriptor=clients,
        max_upstream_descriptor=upstreams,
        max_visitor_descriptor=visitors,
        max_kept_descriptor=visitors * 3 // 4,
        max_address_visitors=min(limits.max_address_visitors, _part(limits.max_visitors)),
        max_user_connections=min(limits.max_user_connections, _part(limits.max_visitors)),
        max_user_sessions=min(limits.max_user_sessions, _part(limits.max_sessions)),
        max_user_unregistered=min(limits.max_user_unregistered, max(1, limits.max_sessions // 4)),
    )


def is_less(fitted: ServerLimits, wanted: ServerLimits) -> bool:
    """Whether fewer visitors or sessions fit than are wanted."""
    return fitted.max_visitors < wanted.max_visitors or fitted.max_sessions < wanted.max_sessions


def allowed_descriptors(*, at_most: bool = False) -> int:
    """Return how many descriptors this process may have, or with `at_most` allow itself (RLIMIT_NOFILE)."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[at_most]
    return _MANY if limit == resource.RLIM_INFINITY else min(limit, _MANY)


def _shrink(limits: ServerLimits, left: int) -> ServerLimits:
    """Let a quarter of what is left be for sessions, and the rest for visitors."""
    sessions = min(limits.max_sessions, left // 4 // _PER_CONNECTION)
    share = limits.leaving_share
    visitors = (left - _PER_CONNECTION * sessions) * share // (_PER_CONNECTION * share + 1)
    return attrs.evolve(limits, max_sessions=sessions, max_visitors=min(limits.max_visitors, visitors))


def _part(count: int) -> int:
    """Return what one may have of all at most: three quarters."""
    return count - count // 4
