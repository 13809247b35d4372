"""Cancellation of a visitor's connection: whoever cancels says why, and the connection ends accordingly."""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs
import trio

from conductor_trio.server.accounts.places import Place
from conductor_trio.server.accounts.presence import Visitor


class CancelReason(enum.Enum):
    """Why a visitor's connection was cancelled."""

    IDLE = "idle"  #: it waited too long for another request
    DRAINED = "drained"  #: the same, for the short time that is left while the server ends
    GAVE_WAY = "gave way"  #: it was idle, and others need places
    GREEDY = "greedy"  #: too much is held in memory for it
    LATE_HEAD = "late head"  #: the rest of a request's head did not come in time
    VISITOR_GONE = "visitor gone"  #: the visitor ended the connection and wants no answer
    BLOCKED = "blocked"  #: the operator has blocked the visitor's network
    SESSION_ENDED = "session ended"  #: the client of the session to which it goes has ended that on purpose
    LINK_LOST = "link lost"  #: the way to that session's application is lost, or another has taken its name
    ACCESS_ENDED = "access ended"  #: what the visitor was let in by opens nothing any more
    SERVER_ENDS = "server ends"  #: the time is over that what was running had


#: There is no way to the application any more.
SESSION_OVER = (CancelReason.SESSION_ENDED, CancelReason.LINK_LOST)
_LEAVES_LAST_WORDS = (*SESSION_OVER, CancelReason.SERVER_ENDS)


@attrs.define(eq=False)
class ConnectionScope:
    """The cancel scope of a visitor's connection, by which all who may cancel it know it.

    The first reason counts: what is cancelled once stays so.
    """

    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    place: Place | None = None  #: where it is counted
    address: str | None = None  #: the visitor's, as far as it is known
    identity: str | None = None  #: who the visitor is, where the single sign-on says so
    visitor: Visitor | None = attrs.field(default=None, init=False)  #: whom it was last noted as, at a session
    #: Asked first when the session or the server is over: whether what is under way goes on for a while, to pass
    #: last words on.
    finish: Callable[[CancelReason], bool] | None = attrs.field(default=None, init=False)
    _reason: CancelReason | None = attrs.field(default=None, init=False)
    _deadline_reason: CancelReason | None = attrs.field(default=None, init=False)

    def cancel(self, reason: CancelReason) -> None:
        """Cancel what runs on the connection."""
        if reason in _LEAVES_LAST_WORDS and self.finish is not None and self.finish(reason):
            return
        if not self.scope.cancel_called:
            self._reason = reason
            self.scope.cancel()

    def set_deadline(self, deadline: float, reason: CancelReason) -> None:
        """Cancel it at that time (Trio's), unless the deadline is cleared before."""
        self._deadline_reason = reason
        self.scope.deadline = deadline

    def clear_deadline(self) -> None:
        """Have no deadline any more."""
        self.scope.deadline = float("inf")

    @property
    def gave_way(self) -> bool:
        """Whether it was told to give way; then its place is another's."""
        return self._reason is CancelReason.GAVE_WAY

    @property
    def reason(self) -> CancelReason:
        """Why it was cancelled, once it was."""
        reason = self._reason or self._deadline_reason
        assert reason is not None, "nobody but the owner of the server's nursery cancels without a reason"
        return reason
