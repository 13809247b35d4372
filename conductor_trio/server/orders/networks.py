"""Networks, by which visitors are told apart: in which of them an address is."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from conductor_trio.limits.constants import MAX_ADDRESS_TEXT, MAX_KNOWN_ADDRESSES

_MAPPED_BITS = 96  # before the IPv4 address in an IPv6 one (RFC 4291 section 2.5.5.2)
_MAPPED = ipaddress.IPv6Network(f"::ffff:0:0/{_MAPPED_BITS}")


def parse_network(text: str) -> str:
    """Return a network, or an address, as it is written everywhere; raises ValueError with what is wrong."""
    network = ipaddress.ip_network(text)
    if (
        isinstance(network, ipaddress.IPv6Network)
        and network.prefixlen >= _MAPPED_BITS
        and network.subnet_of(_MAPPED)
    ):
        number = int(network.network_address) & 0xFFFFFFFF
        return str(ipaddress.IPv4Network((number, network.prefixlen - _MAPPED_BITS)))
    return str(network)


def bare_address(text: str) -> str:
    """Return an address as a front proxy writes it without quotes, brackets, port and zone; other text likewise.

    Whoever tells visitors apart by their addresses reads them by this, so that all mean the same one.
    """
    text = text.strip().strip('"').strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # IPv4 with a port
        text = text.partition(":")[0]
    return text.partition("%")[0]


class Networks:
    """Some networks, such as those of the trusted front proxies; true where there is one."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        # By version and length of the prefix: prefixes, without the bits behind.
        self._prefixes: dict[tuple[int, int], set[int]] = {}
        for text in networks:
            network = ipaddress.ip_network(text)
            prefixes = self._prefixes.setdefault((network.version, network.prefixlen), set())
            prefixes.add(int(network.network_address) >> (network.max_prefixlen - network.prefixlen))
        self._known: dict[str, bool] = {}  # of texts that come again, since to read one takes ten microseconds

    def __bool__(self) -> bool:
        return bool(self._prefixes)

    def has(self, text: str) -> bool:
        """Whether an address is in one of them, which a front proxy may have written as `bare_address` says."""
        if not self._prefixes:
            return False
        if (known := self._known.get(text)) is not None:
            return known
        is_in = self._find(text)
        if len(text) <= MAX_ADDRESS_TEXT:
            if len(self._known) >= MAX_KNOWN_ADDRESSES:  # those that come often are soon back
                self._known.clear()
            self._known[text] = is_in
        return is_in

    def _find(self, text: str) -> bool:
        address = _parse_address(text)
        if address is None:
            return False
        number, bits = int(address), address.max_prefixlen
        return any(
            version == address.version and number >> (bits - length) in prefixes
            for (version, length), prefixes in self._prefixes.items()
        )


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(bare_address(text))
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
