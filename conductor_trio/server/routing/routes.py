"""Routes: from a user's key, that is a host name, to a relay socket, and who gets in there. Frozen values."""

from __future__ import annotations

import math

import attrs

from conductor_trio.access.grants import Access
from conductor_trio.server.routing.states import Detached, Ended, Live, SessionState, Starting


@attrs.frozen(kw_only=True)
class Route:
    """One session's address at the gateway. What a plane keeps for it stands with that plane, under its `id`.

    A change makes another value with the same id; a client that comes back has another id.
    """

    id: str  #: unguessable, unique for ever
    user: str | None  #: None where an earlier server left it without saying whose it is
    key: str
    hosts: tuple[str, ...]  #: lower case, without ports
    access: Access
    state: SessionState
    relay_path: str | None = None  #: where it leads; None where it leads nowhere
    is_resumable: bool = False  #: whether its client is expected back when its link is lost
    is_borrowed: bool = False  #: whether the session is a predecessor's, which lends us its relay socket
    node: str = ""
    application: str = ""  #: by which name people know it; everybody may know that
    command: str = ""  #: how it was started, for its owner
    #: When its client opened the control channel (monotonic time); before all of ours for what others left.
    opened: float = -math.inf
    #: From where its client came by SSH, and the process of sshd's that let it in, as far as the kernel told that.
    ssh_client: str | None = None
    ssh_process: int | None = None
    until: float | None = None  #: when the computer's time for it is over (Unix time), if known

    @property
    def is_attached(self) -> bool:
        """Whether its client is here."""
        return isinstance(self.state, Starting | Live)

    @property
    def is_live(self) -> bool:
        """Whether its application is there."""
        return isinstance(self.state, Live)

    @property
    def is_detached(self) -> bool:
        """Whether its link was lost and its client is expected back."""
        return isinstance(self.state, Detached)

    @property
    def has_ended(self) -> bool:
        """Whether nothing is left of it but the memory that it was (a tombstone)."""
        return isinstance(self.state, Ended)

    @property
    def was_cut(self) -> bool:
        """Whether it has ended, and what runs for it is to end without last words."""
        return isinstance(self.state, Ended) and self.state.is_cut
