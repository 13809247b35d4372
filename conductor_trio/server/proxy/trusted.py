"""Networks that the operator names: of front proxies whose word is believed, or of who may see the status."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


class Networks:
    """Some networks of IP."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)

    def has(self, address: str) -> bool:
        """Whether an address is in one of them; what is none, such as a front proxy's word for it, is not."""
        if not self._networks:
            return False
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)
