"""Decisions: what may become of a request, as values; `decide` makes them, and the data plane carries them out."""

from __future__ import annotations

import attrs

from conductor_trio.access.cors import Preflight
from conductor_trio.access.grants import OWNER, Principal, Share
from conductor_trio.access.reasons import Reason


@attrs.frozen(kw_only=True)
class Forward:
    """Let the request through to the application."""

    principal: Principal = OWNER  #: who was let in
    drop_authorization: bool  #: whether the Authorization field is ours, and does not go on


@attrs.frozen(kw_only=True)
class Respond:
    """Answer the request in the application's place."""

    reason: Reason
    failed_token: bool = False  #: whether a token was compared and is wrong, which its owner is told


@attrs.frozen(kw_only=True)
class RedeemOneTimeLink:
    """Open this browser by a one-time link, which is spent by that: a token is made for the browser."""

    share: Share
    next: str  #: where the browser goes on to


@attrs.frozen
class SubmitToken:
    """Read the login form, whose body brings a token."""


@attrs.frozen(kw_only=True)
class SessionPage:
    """Show the session's own page."""

    principal: Principal  #: who looks at it
    may_command: bool  #: whether the page may do what its owner wants


@attrs.frozen(kw_only=True)
class SessionSocket:
    """Serve the WebSocket of the session's own page."""

    principal: Principal  #: who looks at it


@attrs.frozen
class StatusPage:
    """Show the server's counters."""


@attrs.frozen
class SiteLogo:
    """Show the picture that stands on the server's own pages."""


@attrs.frozen
class ServerOptions:
    """Say what the server as a whole can do (``OPTIONS *``)."""


OwnPage = (
    RedeemOneTimeLink
    | SubmitToken
    | SessionPage
    | SessionSocket
    | StatusPage
    | SiteLogo
    | ServerOptions
    | Preflight
)
Decision = Forward | Respond | OwnPage
