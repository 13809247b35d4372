"""What the end of a connection may take, in both programs."""

from __future__ import annotations

import attrs

from conductor_trio.limits.constants import MIB


@attrs.frozen(kw_only=True, repr=False)
class LingerLimits:
    """What the end of a connection may take, so that all arrives that was said before it; for both programs.

    Words are delivered when the peer's kernel has them (`SocketStream.undelivered`).
    """

    send_stall_timeout: float = 300.0  # a peer that takes nothing, while we send or when we have ended
    linger_total_timeout: float = 900.0  # for last words, however slowly read: 4 MiB of a queue at 5 KB/s
    linger_timeout: float = 5.0  # all is delivered, and the peer is still sending: as nginx's lingering_timeout
    linger_quiet_timeout: float = 1.0  # all is delivered, and so long nothing has come
    max_linger: int = 16 * MIB  # bytes of the peer's that are read away
    # One side of a relay takes no more, and nothing comes from it any more: retransmissions take a few seconds.
    silence_timeout: float = 10.0
    # Between two looks whether one side of a relay that has ended its direction is gone for good.
    break_interval: float = 5.0
    # A session is over: for its application's last words, which are under way, or there are none.
    ended_session_timeout: float = 5.0
    ended_session_silence: float = 0.5

    @property
    def ended_session(self) -> LingerLimits:
        """Those for a relay whose session is over."""
        return LingerLimits(
            linger_total_timeout=self.ended_session_timeout, silence_timeout=self.ended_session_silence
        )


#: For a visitor's connection with which another process of ours goes on: that one decides, and is near.
HANDED_LINGER = LingerLimits(silence_timeout=0.5)

#: For connections that are cut with the whole program, or refused because there are too many.
BRIEF_LINGER = LingerLimits(
    send_stall_timeout=1.0,
    linger_total_timeout=1.0,
    linger_timeout=0.5,
    linger_quiet_timeout=0.1,
    silence_timeout=0.5,
)
