"""The server's counters, as ``/_conductor/status`` shows them."""

from __future__ import annotations

import attrs


@attrs.define(kw_only=True)
class Counters:
    """What ``/_conductor/status`` shows; the names up to `broken` are the contract's."""

    requestTotal: int = 0  # noqa: N815
    requestActive: int = 0  # noqa: N815
    unauthorized: int = 0
    noroute: int = 0
    broken: int = 0
    limited: int = 0  #: requests refused because there are too many
    refused: int = 0  #: registrations
    internalErrors: int = 0  # noqa: N815

    def count_answer(self, status: int) -> None:
        """Count an answer of our own by its status."""
        match status:
            case 403:
                self.unauthorized += 1
            case 404 | 410:
                self.noroute += 1
            case 502 | 503 | 504:
                self.broken += 1
