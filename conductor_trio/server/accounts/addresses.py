"""Addresses as accounts: which of them count as one and the same visitor."""

from __future__ import annotations

import ipaddress

from conductor_trio.limits.constants import MAX_ADDRESS_TEXT

_IPV6_PREFIX = 64  # of bits: what one network at the least has, in which a host takes any address (RFC 4291 2.5.4)


def account_of(address: str) -> str:
    """Return what an address is counted under: an IPv6 network of 64 bits, an IPv4 address, any other text.

    A front proxy's word may come with a port, in brackets, or be anything.
    """
    text = address.strip().removeprefix("[").partition("]")[0] if address.startswith("[") else address.strip()
    if text.count(":") == 1:  # IPv4 with a port
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return address[:MAX_ADDRESS_TEXT]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, _IPV6_PREFIX), strict=False))
