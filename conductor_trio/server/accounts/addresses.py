"""Who a visitor is where there is no session: its address, as far as one person or site has it to themselves."""

from __future__ import annotations

import ipaddress

_IPV6_PREFIX = 64  # what one subscriber or one network segment is given (RFC 6177, RFC 7421)


def account_of(address: str) -> str:
    """Return the account of a visitor's address: an IPv4 address itself, of an IPv6 address its /64.

    What is no address is an account of its own: a trusted proxy may tell a name.
    """
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.strip("[]").partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, _IPV6_PREFIX), strict=False))
