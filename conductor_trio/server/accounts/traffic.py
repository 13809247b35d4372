"""Traffic of a route: requests and bytes, counted by the data plane and read by whoever wants to know."""

from __future__ import annotations

import attrs


@attrs.define(eq=False)
class Traffic:
    """Counts since the session began. `was_active` is set by what goes through, and cleared by who watches it."""

    requests: int = 0
    to_application: int = 0  # bytes
    to_visitors: int = 0  # bytes
    was_active: bool = False
    #: The same of all sessions, which is counted as well, and outlives each of them.
    whole: Traffic | None = None

    def count_to_application(self, count: int) -> None:
        """Count bytes on their way to the application."""
        self.to_application += count
        self.was_active = True
        if self.whole is not None:
            self.whole.to_application += count

    def count_to_visitors(self, count: int) -> None:
        """Count bytes on their way to visitors."""
        self.to_visitors += count
        self.was_active = True
        if self.whole is not None:
            self.whole.to_visitors += count
