"""Child processes without an event loop, started with the signals as any program expects them."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence

# Python ignores these, and an ignored signal stays so through exec().
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def spawn(command: Sequence[str], descriptors: Mapping[int, int] | None = None) -> int:
    """Start a program found on PATH, in our group, and return its process id; raises OSError.

    `descriptors` tells which of ours it gets under which number, beside 0 to 2. No signal is blocked or ignored
    in it that was not so before Python started.
    """
    return os.posix_spawnp(
        command[0],
        list(command),
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in (descriptors or {}).items()],
        setsigmask=(),
        setsigdef=_IGNORED_BY_PYTHON,
    )
