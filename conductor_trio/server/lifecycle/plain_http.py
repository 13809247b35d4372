"""Plain HTTP on anything but localhost, of which operators are warned: whoever is on the way reads the tokens."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import attrs

from conductor_trio.access.login_link import is_local
from conductor_trio.server.settings import ServerSettings


@attrs.frozen(kw_only=True)
class PlainHttp:
    """Visitors come by plain HTTP, as far as the server knows: what is so, and what to do about it."""

    what: str
    advice: str


def find_plain_http(settings: ServerSettings, addresses: Iterable[str]) -> PlainHttp | None:
    """Return what is to be said of a server that listens for visitors at these addresses, besides UNIX sockets."""
    if settings.tls is not None:
        return None
    addresses = list(addresses)
    exposed = [address for address in addresses if not _is_loopback(address)]
    if exposed:
        return PlainHttp(
            what=f"visitors can come to {', '.join(exposed)} by plain HTTP, where tokens can be read on the way",
            advice="--ssl-cert-file and --ssl-key-file, or a front proxy with TLS before -s or --host 127.0.0.1",
        )
    public = [pattern for pattern in settings.patterns if not is_local(pattern)]
    if addresses and public and not settings.trusted_proxies:
        return PlainHttp(
            what=f"visitors of {public[0]} come by plain HTTP, as far as the server is told",
            advice="where a front proxy speaks TLS, let it come by -s, or name it by --trusted-proxy, so that "
            "cookies are for HTTPS only",
        )
    return None


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
