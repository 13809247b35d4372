"""This process kept from being looked into by others of the same user, among them the application."""

from __future__ import annotations

import ctypes

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def hide_process() -> None:
    """From now on no other process of this user may read our environment or memory, or trace us (prctl(2)).

    Programs that we execute are as any others; of us, no core is dumped.
    """
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
