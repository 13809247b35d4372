"""The Host field and the authority of a target: which host a request is addressed to (RFC 9110 section 7.2)."""

from __future__ import annotations

import re

import attrs

from conductor_trio.errors import RemoteProtocolError

_HOST_FIELD = re.compile(rb"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{0,5}))?")


@attrs.frozen(kw_only=True)
class Authority:
    """Who a request is addressed to: the host in lower case without a trailing dot, and its port if named."""

    host: str
    port: int | None

    def agrees_with(self, other: Authority) -> bool:
        """Whether both name the same host, and the same port where both name one."""
        return self.host == other.host and (self.port == other.port or self.port is None or other.port is None)


def parse_authority(value: bytes) -> Authority:
    """Read a Host field or the authority of a target (RFC 9110 section 7.2); raises `RemoteProtocolError`."""
    match = _HOST_FIELD.fullmatch(value)
    if match is None:
        raise RemoteProtocolError("invalid Host")
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65536:
        raise RemoteProtocolError("invalid port in Host")
    return Authority(host=match[1].decode("ascii").lower().removesuffix("."), port=port)
