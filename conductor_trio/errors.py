"""Every exception that the project raises on purpose.

::

    ConductorError                  `what` happened, `advice`, `hop`; `reason` is a stable word for programs
    ├─ ConfigError                  the command line or a setting is wrong: exit 2, one line
    ├─ StartError                   cannot start (port in use, directory not writable): exit 1, one line
    ├─ ProtocolError
    │  ├─ LocalProtocolError        our bug: a message that we ourselves composed is wrong
    │  └─ RemoteProtocolError       the peer's fault; carries the HTTP status that tells it so
    ├─ RegistrationRefused          the server does not take this registration; it is sent to the client
    ├─ CommandRefused               the server does not carry out an operator's command; it is sent to who gave it
    ├─ UpstreamUnavailable          the relay socket cannot be used; carries 502, 503 or 504
    ├─ TransportError               the way to the gateway failed: ssh, forwarding, control socket
    └─ ApplicationError             the user's program did not start, ended, or never listened

Foreign exceptions become one of these once, in ``net`` or where a file is opened, with ``from``.
"""

from __future__ import annotations

import enum
from typing import Literal

#: What failed: this host, the way to the gateway, the server that is to be there, or what was agreed on with it.
Hop = Literal["here", "ssh", "login", "server", "gateway"]


def format_text(what: str, advice: str | None) -> str:
    """Return what happened and what to do about it as one line for people: ``what; advice``."""
    return f"{what}; {advice}" if advice else what


#: Whom advice names where it is up to whoever runs the gateway, who may have a name.
ADMINISTRATORS = "its administrators"


def format_contact(name: str, help_url: str) -> str:
    """Return whom to ask at a gateway, and where, by what its operator has said of that."""
    whom = name or ADMINISTRATORS
    return f"{whom} ({help_url})" if help_url else whom


class ConductorError(Exception):
    """Base of all: `what` happened, what to do about it (`advice`), at which `hop`, where these are known.

    `what` and `advice` are clauses without a full stop, and begin in lower case unless with a name. `reason` is a
    stable word that programs may compare.
    """

    reason: str = "error"

    def __init__(
        self, what: str, *, advice: str | None = None, hop: Hop | None = None, reason: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.hop = hop
        if reason is not None:
            self.reason = reason

    def __str__(self) -> str:
        return format_text(self.what, self.advice)


class ConfigError(ConductorError):
    """The command line or a setting is wrong."""

    reason = "config"


class StartError(ConductorError):
    """The program cannot start although its settings are well-formed."""

    reason = "start"


class ProtocolError(ConductorError):
    """A message breaks its protocol."""

    reason = "protocol"


class LocalProtocolError(ProtocolError):
    """A message that we composed ourselves is wrong: a bug here."""


class RemoteProtocolError(ProtocolError):
    """The peer's message is wrong; `status` is the HTTP status that says so."""

    def __init__(self, what: str, *, status: int = 400) -> None:
        super().__init__(what)
        self.status = status


class RegistrationRefused(ConductorError):
    """The server does not take this registration."""

    reason = "refused"


class CommandRefused(ConductorError):
    """The server does not carry out an operator's command; `exit` is the status of a program that came to that."""

    reason = "refused"

    def __init__(self, what: str, *, advice: str | None = None, exit: int | None = None) -> None:
        super().__init__(what, advice=advice)
        self.exit = exit


class UpstreamFault(enum.Enum):
    """What of the way to an application failed."""

    RELAY_SOCKET = "relay socket"  #: it could not be connected to
    BAD_ANSWER = "bad answer"  #: what came over it is no response, or ended before it was one
    SESSION_ENDED = "session ended"  #: there is no way any more


class UpstreamUnavailable(ConductorError):
    """The relay socket cannot be used now; `status` is the HTTP status for the visitor."""

    reason = "upstream"

    def __init__(self, what: str, *, status: int = 502, fault: UpstreamFault = UpstreamFault.RELAY_SOCKET) -> None:
        super().__init__(what)
        self.status = status
        self.fault = fault


class TransportError(ConductorError):
    """The way from the client to the server's control socket failed, or was lost."""

    reason = "transport"


class ApplicationError(ConductorError):
    """The user's program did not start, ended, or never listened; `status` is the client's exit status."""

    reason = "application"

    def __init__(self, what: str, *, advice: str | None = None, status: int = 1) -> None:
        super().__init__(what, advice=advice, hop="here")
        self.status = status


def host_shortage(error: BaseException) -> StartError:
    """Return the error for an OSError that nobody foresaw: no memory, descriptors or processes are left, say."""
    return StartError(f"this host is short of something: {error}", hop="here")


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first of the exceptions in nested groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
