"""Whether tests have visitors come to workers: THROUGH_WORKERS in the environment says to how many of a server's.

The engine of `tests.support.engine` has one, in the same process. What looks into the process to which visitors
come, and so into one of several, is marked `one_process`, and left out.
"""

from __future__ import annotations

import os

#: 0: to the server itself.
COUNT = int(os.environ.get("THROUGH_WORKERS", "0"))
