"""Trusted front proxies, by their networks: whose forwarding fields are believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


class TrustedProxies:
    """The networks of the front proxies."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)

    def has(self, address: str) -> bool:
        """Whether a peer's address is one of theirs."""
        if not self._networks:
            return False
        peer = ipaddress.ip_address(address)
        return any(peer in network for network in self._networks)
