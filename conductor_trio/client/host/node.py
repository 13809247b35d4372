"""The compute node's name."""

from __future__ import annotations

import re
import socket

from conductor_trio.limits.constants import MAX_NODE_NAME


def node_name() -> str:
    """Return the name of this host, as far as it may be told."""
    return re.sub(r"[^A-Za-z0-9._-]", "", socket.gethostname())[:MAX_NODE_NAME]
