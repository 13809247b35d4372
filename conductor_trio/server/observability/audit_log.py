"""The audit log: what an operator may have to account for, one event a line. Never a token, never a query.

Whoever does something of that kind calls `note` with an event and its fields; nothing else has to be known.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from conductor_trio.access.grants import OWNER, Access, Principal
from conductor_trio.server.observability.recent import RecentEvents
from conductor_trio.server.observability.sink import Sink, format_time


class AuditLog:
    """Writes events to a sink, and keeps the last of them; without either it does nothing."""

    def __init__(
        self,
        sink: Sink | None = None,
        clock: Callable[[], float] = time.time,
        recent: RecentEvents | None = None,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self.recent = recent  #: for the dashboard, where there is one

    @property
    def is_kept(self) -> bool:
        """Whether anybody gets to read it, if only for a while."""
        return self._sink is not None or self.recent is not None

    @property
    def is_written(self) -> bool:
        """Whether it can be read later on, too."""
        return self._sink is not None

    def note(self, event: str, /, **fields: object) -> None:
        """Write what has happened just now; `fields` are whatever JSON can hold."""
        if self.recent is not None:
            self.recent.note(event, self._clock(), fields)
        if self._sink is not None:
            self._sink.write({"time": format_time(self._clock()), "event": event, **fields})


def name_grant(access: Access, principal: Principal) -> str:
    """Return the word for by what somebody was let in.

    By the owner's token or name, by a share's token, or for being named in a share.
    """
    if principal == OWNER:
        return "owner"
    share = access.find_share(principal)
    return "share" if share is None or share.grantee is None else "identity"


def describe_grant(access: Access, principal: Principal, identity: str | None = None) -> dict[str, object]:
    """Return by what somebody was let in, for a share with the label that people know it by, and who they are.

    That is known where the single sign-on has told it, whatever they were let in by.
    """
    share = access.find_share(principal)
    return {
        "grant": name_grant(access, principal),
        "share": None if principal == OWNER else principal,
        "label": None if share is None else share.label,
        "identity": identity,
    }
