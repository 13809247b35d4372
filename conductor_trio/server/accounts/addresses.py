"""Addresses as accounts: which of them count as one and the same visitor."""

from __future__ import annotations

import socket

from conductor_trio.limits.constants import MAX_ADDRESS_TEXT
from conductor_trio.server.orders.networks import bare_address

_NETWORK_BITS = 64  # of an IPv6 address: what one network has at least, whose hosts take any (RFC 4291 2.5.4)
_MAPPED = bytes(10) + b"\xff\xff"  # IPv4 in IPv6 (RFC 4291 section 2.5.5.2)


def account_of(address: str) -> str:
    """Return what an address is counted under: an IPv6 network of 64 bits, an IPv4 address, any other text.

    A front proxy's word may come with a port, in brackets, or be anything.
    """
    text = bare_address(address)
    if ":" not in text:
        return text[:MAX_ADDRESS_TEXT]
    try:
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return text[:MAX_ADDRESS_TEXT]
    if packed.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[len(_MAPPED) :])
    network = packed[: _NETWORK_BITS // 8].ljust(len(packed), b"\0")
    return f"{socket.inet_ntop(socket.AF_INET6, network)}/{_NETWORK_BITS}"
