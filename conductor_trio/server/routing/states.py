"""The states of a session, and what turns one into another, as one table.

::

    Starting ──ready──▶ Live          Starting, Live ──link lost──▶ Detached ──expired──▶ Ended ──expired──▶ Gone
                                      Starting, Live ──left, cut──▶ Ended
                                      any of them    ──replaced, taken over──▶ Gone

A session is *detached* while its link is lost and its client is expected back, and *ended* for as long as visitors
are told so (a tombstone). `Gone` is what the table knows nothing of any more. A client that comes back is another
session, with an id of its own, which replaces the detached one.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from conductor_trio.errors import LocalProtocolError


@attrs.frozen(kw_only=True)
class Starting:
    """Its application has been starting since then (Unix time)."""

    since: float


@attrs.frozen(kw_only=True)
class Live:
    """Its application has been there since then (Unix time)."""

    since: float


@attrs.frozen(kw_only=True)
class Detached:
    """Its link was lost at `since` (Unix time); its client is expected back until `expires` (monotonic time)."""

    since: float
    expires: float


@attrs.frozen(kw_only=True)
class Ended:
    """It ended at `since` (Unix time), which visitors are told until `expires` (monotonic time).

    `is_cut` tells that its application has no last words: the operator has ended it, and its client did not.
    """

    since: float
    expires: float
    is_cut: bool = False


@attrs.frozen
class Gone:
    """Nothing is known of it any more."""


GONE = Gone()

SessionState = Starting | Live | Detached | Ended
StateType = type[Starting] | type[Live] | type[Detached] | type[Ended] | type[Gone]


class Cause(enum.Enum):
    """What turns a session's state into another."""

    READY = "ready"  #: its application accepts connections
    LINK_LOST = "link lost"  #: its control channel broke, and its client is expected back
    LEFT = "left"  #: its client ended on purpose, or cannot come back
    CUT = "cut"  #: the operator has ended it, and its client could not be told, or did not do so in time
    REPLACED = "replaced"  #: its owner's next session has one of its names: most often its client has come anew
    TAKEN_OVER = "taken over"  #: another client has asked for one of its names
    EXPIRED = "expired"  #: its time in this state is over


_NAME_GOES: Mapping[Cause, StateType] = {Cause.REPLACED: Gone, Cause.TAKEN_OVER: Gone}

TRANSITIONS: Mapping[StateType, Mapping[Cause, StateType]] = {
    Starting: {Cause.READY: Live, Cause.LINK_LOST: Detached, Cause.LEFT: Ended, Cause.CUT: Ended, **_NAME_GOES},
    Live: {Cause.READY: Live, Cause.LINK_LOST: Detached, Cause.LEFT: Ended, Cause.CUT: Ended, **_NAME_GOES},
    Detached: {Cause.EXPIRED: Ended, **_NAME_GOES},
    Ended: {Cause.EXPIRED: Gone, **_NAME_GOES},
    Gone: {},
}


def next_state(state: SessionState, cause: Cause, *, now: float, expires: float) -> SessionState | Gone:
    """Return the state after `cause`, at `now` (Unix time), in force until `expires` (monotonic time) if it ends.

    Raises `LocalProtocolError` for what the table does not have.
    """
    match TRANSITIONS[type(state)].get(cause):
        case None:
            raise LocalProtocolError(f"a session that is {type(state).__name__} cannot be {cause.value}")
        case kind if kind is Gone:
            return GONE
        case kind if kind is Live:
            return Live(since=now)
        case kind if kind is Detached:
            return Detached(since=now, expires=expires)
        case _:
            # One that was detached has ended when its link was lost, as far as visitors could tell.
            since = state.since if isinstance(state, Detached) else now
            return Ended(since=since, expires=expires, is_cut=cause is Cause.CUT)
