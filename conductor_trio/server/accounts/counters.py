"""The server's counters, which ``/_conductor/status`` shows."""

from __future__ import annotations

import attrs


@attrs.define(kw_only=True)
class Counters:
    """What has happened since the server's start."""

    requests_total: int = 0
    unauthorized: int = 0
    no_route: int = 0
    broken: int = 0  #: answers of ours because of the application, or of the way to it
    limited: int = 0  #: requests and visitors refused because there were too many
    refused: int = 0  #: registrations
    internal_errors: int = 0

    def count_answer(self, status: int) -> None:
        """Count an answer of our own by its status."""
        match status:
            case 403:
                self.unauthorized += 1
            case 404 | 410:
                self.no_route += 1
            case 502 | 503 | 504:
                self.broken += 1
