"""The interfaces by which the planes and the own pages call each other: calls that must happen exactly once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from conductor_trio.access.grants import Share
from conductor_trio.access.tokens import TokenHash
from conductor_trio.control.owner_commands import Answer, RevokeShare, ShareSession, StopSession
from conductor_trio.server.routing.routes import Route


class SessionReports(Protocol):
    """What the data plane tells the control plane of a session."""

    def note_wrong_token(self, route_id: str) -> None:
        """Remember for the owner that somebody has shown a wrong token."""

    def note_failure(self, route_id: str, failure: str, where: str) -> None:
        """Remember for the owner how the application failed, and at which request."""

    def last_output(self, route_id: str) -> tuple[str, ...]:
        """Return the last lines of what the application says while it starts, for its owner."""


class SessionService(SessionReports, Protocol):
    """What the server's own pages ask of the control plane."""

    def describe(self, route: Route) -> dict[str, object]:
        """Return what the owner and those who were let in are told of a session, for JSON; times in Unix time."""

    def version(self, route: Route) -> Hashable:
        """Return what is another value whenever something else is told of a session, who gets in apart."""

    def describe_for_owner(self, route: Route) -> dict[str, object]:
        """Return what the owner alone is told of a session besides, for JSON."""

    def describe_people(self, route: Route) -> list[dict[str, object]]:
        """Return who is there, for JSON: by what they were let in, who they are, from where, and since when."""

    def describe_events(self, route_id: str, *, for_owner: bool = True) -> list[dict[str, object]]:
        """Return a session's last events for JSON, the latest last: all of them, or those that others may see."""

    def execute_for(self, route: Route, command: StopSession | ShareSession | RevokeShare) -> Answer:
        """Carry an owner's command about this session out, and return the answer.

        Raises `RegistrationRefused`.
        """

    def redeem(self, route: Route, share: Share, token_hash: TokenHash) -> None:
        """Spend a one-time share's link on the browser that will show the token of that hash."""
