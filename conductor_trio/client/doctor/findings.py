"""What an examination finds at each hop, and what to do about it. Sans-IO."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping

from conductor_trio.errors import ConductorError
from conductor_trio.findings import Finding, Status


class Hop(enum.Enum):
    """The hops on the way, in order."""

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


class HopFailed(ConductorError):
    """A hop cannot be used."""

    def __init__(self, hop: Hop, detail: str, advice: str = "") -> None:
        super().__init__(detail, reason="hop")
        self.hop = hop
        self.advice = advice


_YOURSELF = "nobody: it is on this host"
_CLUSTER = "whoever runs the network of this host"
_SSH_SERVER = "whoever runs the gateway's SSH server"
_GATEWAY = "whoever runs conductor-trio-server on the gateway"
_WEB = "whoever runs the gateway's domain, certificates and front proxy"

_WHOM: Mapping[Hop, str] = {
    Hop.APPLICATION: _YOURSELF,
    Hop.RESOLVE: _CLUSTER,
    Hop.CONNECT: _CLUSTER,
    Hop.HOST_KEY: _SSH_SERVER,
    Hop.LOGIN: _SSH_SERVER,
    Hop.FORWARDING: _SSH_SERVER,
    Hop.CONTROL: _GATEWAY,
    Hop.BANNER: _GATEWAY,
    Hop.RELAY: _GATEWAY,
    Hop.REGISTRATION: _GATEWAY,
    Hop.NAME: _WEB,
    Hop.TLS: _WEB,
    Hop.REQUEST: _WEB,
}


def failed(hop: Hop, detail: str, advice: str = "") -> Finding:
    """Return the finding of a hop that failed; what follows a semicolon in `detail` is advice."""
    if not advice:
        detail, _, advice = detail.partition("; ")
    return Finding(place=hop.value, status=Status.FAILED, detail=detail, advice=advice, whom=_WHOM[hop])


def format_finding_json(finding: Finding) -> str:
    """Return the line for programs."""
    told = {"hop": finding.place, "status": finding.status.value, "detail": finding.detail}
    if finding.status is Status.FAILED:
        told |= {"advice": finding.advice, "whom": finding.whom}
    return json.dumps(told) + "\n"
