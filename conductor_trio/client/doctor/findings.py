"""The checks of ``conductor-trio doctor``, how they fail, and whom to ask then. Sans-IO."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping

from conductor_trio.errors import ConductorError
from conductor_trio.findings import Finding, Status


class Check(enum.Enum):
    """The checks, in the order of the way to a gateway and back."""

    APPLICATION = "application"
    RESOLVE = "resolve"
    CONNECT = "connect"
    HOST_KEY = "host key"
    LOGIN = "login"
    CONTROL = "control socket"
    BANNER = "greeting"
    FORWARDING = "forwarding"  # proved by both
    RELAY = "relay socket"
    REGISTRATION = "registration"
    NAME = "host name"
    TLS = "TLS"
    REQUEST = "request"


class CheckFailed(ConductorError):
    """A check has failed: `what` was found, and the `advice` on it."""

    reason = "check"

    def __init__(self, check: Check, what: str, *, advice: str | None = None) -> None:
        super().__init__(what, advice=advice)
        self.check = check


_YOURSELF = "nobody: it is on this host"
_CLUSTER = "whoever runs the network of this host"
_SSH_SERVER = "whoever runs the gateway's SSH server"
_GATEWAY = "whoever runs conductor-trio-server on the gateway"
_WEB = "whoever runs the gateway's domain, certificates and front proxy"

_CONTACTS: Mapping[Check, str] = {
    Check.APPLICATION: _YOURSELF,
    Check.RESOLVE: _CLUSTER,
    Check.CONNECT: _CLUSTER,
    Check.HOST_KEY: _SSH_SERVER,
    Check.LOGIN: _SSH_SERVER,
    Check.FORWARDING: _SSH_SERVER,
    Check.CONTROL: _GATEWAY,
    Check.BANNER: _GATEWAY,
    Check.RELAY: _GATEWAY,
    Check.REGISTRATION: _GATEWAY,
    Check.NAME: _WEB,
    Check.TLS: _WEB,
    Check.REQUEST: _WEB,
}


def make_failure(check: Check, error: ConductorError, gateway: str = "") -> Finding:
    """Return the finding of a check that failed for `error`; `gateway` is whom to ask there, as that says."""
    whom = _CONTACTS[check]
    return Finding(
        check=check.value,
        status=Status.FAILED,
        detail=error.what,
        advice=error.advice or "",
        contact=gateway if gateway and whom in (_GATEWAY, _WEB) else whom,
    )


def format_finding_json(finding: Finding) -> str:
    """Return the line for programs, for which a check is a hop."""
    fields = {"hop": finding.check, "status": finding.status.value, "detail": finding.detail}
    if finding.status is Status.FAILED:
        fields |= {"advice": finding.advice, "whom": finding.contact}
    return json.dumps(fields) + "\n"
