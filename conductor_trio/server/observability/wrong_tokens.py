"""Wrong tokens, for the audit log, by rate: the first of an address at a session at once, then how many came."""

from __future__ import annotations

from collections import Counter

import attrs
import trio

from conductor_trio.limits.observability import MAX_WRONG_TOKEN_ACCOUNTS, WRONG_TOKENS_INTERVAL
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.routing.routes import Route


@attrs.frozen
class _Guesser:
    host: str
    user: str | None
    session: str | None
    address: str | None


#: Those who are too many to be told apart.
_OTHERS = _Guesser("", None, None, None)


class WrongTokens:
    """Counts them between two words of it."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._counts: Counter[_Guesser] = Counter()

    def note(self, route: Route, address: str) -> None:
        """Somebody has shown a wrong token of a session's."""
        self._note(_Guesser(route.hosts[0], route.user, route.id, address))

    def note_at(self, host: str, address: str) -> None:
        """Somebody has shown one at a host name that is no session's."""
        self._note(_Guesser(host, None, None, address))

    def _note(self, guesser: _Guesser) -> None:
        if not self._audit.is_kept:
            return
        if guesser in self._counts:
            self._counts[guesser] += 1
        elif len(self._counts) >= MAX_WRONG_TOKEN_ACCOUNTS:
            self._counts[_OTHERS] += 1
        else:
            self._counts[guesser] = 0
            self._tell(guesser, 1)

    def tell(self) -> None:
        """Tell how many came since the last word of it, and begin anew."""
        counts, self._counts = self._counts, Counter()
        for guesser, count in counts.items():
            if count:
                self._tell(guesser, count)

    def _tell(self, guesser: _Guesser, count: int) -> None:
        told = {name: value for name, value in attrs.asdict(guesser).items() if value}
        self._audit.note("wrong_tokens", **told, count=count)

    async def run(self) -> None:
        """Tell of them now and then, for ever."""
        while True:
            await trio.sleep(WRONG_TOKENS_INTERVAL)
            self.tell()
