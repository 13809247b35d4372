"""What the operator is told of sessions and of those who use them, for JSON; a step for each of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

import attrs

from conductor_trio.control.messages import JSONObject
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.sessions.owner_service import OwnerService


@attrs.define(eq=False)
class _Use:
    """What the sessions of a user come to."""

    sessions: int = 0
    lost: int = 0
    visitors: int = 0
    requests: int = 0
    to_application: int = 0
    to_visitors: int = 0
    is_throttled: bool = False


@attrs.frozen(eq=False)
class Describer:
    """Describes what there is at the moment of each step."""

    _context: SessionContext
    _service: OwnerService

    def describe(self, route: Route) -> JSONObject:
        """Return a session in a list."""
        told = self._service.describe(route)
        shares = told["shares"]
        assert isinstance(shares, list)
        return {"host": route.hosts[0], "user": route.user, **told, "shares": len(shares)}

    def version(self, route: Route) -> Hashable:
        """Return what is another value whenever a list tells something else of a session, its shares apart."""
        return self._service.version(route)

    def describe_all(self, routes: Iterable[Route]) -> Iterator[JSONObject | None]:
        """Yield those of the sessions that are still there, as they are now; None for one that is not."""
        for route in routes:
            now = self._context.routes.get(route.id)
            yield None if now is None or now.has_ended else self.describe(now)

    def describe_fully(self, route: Route) -> JSONObject:
        """Return all that is known of a session; who has a token apart, of which we know nothing."""
        account = self._context.ledger.session(route.id, route.user) if route.is_attached else None
        return {
            "host": route.hosts[0],
            "user": route.user,
            **self._service.describe(route),
            "hosts": route.hosts,
            "relay": route.relay_path,
            "comesBack": route.is_resumable,
            "isBorrowed": route.is_borrowed,
            "throttled": account is not None and account.is_waited_for,
            "people": self._service.describe_people(route),
            "events": self._service.describe_events(route.id),
        }

    def describe_usage(self) -> Iterator[JSONObject | None]:
        """Yield what each user's sessions come to, strangers and front proxies last; None between steps."""
        context, users = self._context, dict[str | None, _Use]()
        for route in context.routes.snapshot().routes:
            if (now := context.routes.get(route.id)) is not None and not now.has_ended:
                self._add(now, users.setdefault(now.user, _Use()))
            yield None
        for user, use in users.items():
            account = context.ledger.user(user)
            yield {
                "kind": "user",
                "user": user,
                "sessions": use.sessions,
                "lost": use.lost,
                "visitors": use.visitors,
                "requests": use.requests,
                "bytesIn": use.to_application,
                "bytesOut": use.to_visitors,
                "held": context.holdings.size_of(("user", user)),
                "processor": account.used,
                "throttled": use.is_throttled or account.is_waited_for,
            }
        for kind, account in (("strangers", context.ledger.strangers), ("proxies", context.ledger.proxies)):
            yield {"kind": kind, "user": None, "processor": account.used, "throttled": account.is_waited_for}

    def _add(self, route: Route, use: _Use) -> None:
        use.sessions += 1
        use.lost += route.is_detached
        if route.is_attached:
            account = self._context.ledger.session(route.id, route.user)
            use.visitors += account.present
            use.requests += account.traffic.requests
            use.to_application += account.traffic.to_application
            use.to_visitors += account.traffic.to_visitors
            use.is_throttled |= account.is_waited_for
