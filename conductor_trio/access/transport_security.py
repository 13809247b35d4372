"""HTTPS and its lack: what has browsers stay with it, and who is to be warned (RFC 6797)."""

from __future__ import annotations

from conductor_trio.access.login_link import is_local
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import TRANSPORT_SECURITY_MAX_AGE

#: For the host's own name alone: names below it, if there are any, are not ours to speak for.
_TRANSPORT_SECURITY = ((b"Strict-Transport-Security", b"max-age=%d" % TRANSPORT_SECURITY_MAX_AGE),)


def transport_security_fields(head: RequestHead, *, https: bool) -> tuple[tuple[bytes, bytes], ...]:
    """Return the field that has a browser come by HTTPS only from now on, if it did.

    None for localhost, where one port may well speak HTTPS and another not.
    """
    if not https or head.authority is None or head.authority.host.endswith("localhost"):
        return ()
    return _TRANSPORT_SECURITY


def is_exposed(head: RequestHead, *, https: bool) -> bool:
    """Whether others can read on the way what a visitor sends.

    Where TLS ends in front of us without our being told, the browser's Fetch Metadata tell: it sends them only
    where nobody reads along (Fetch Metadata section 2, "potentially trustworthy").
    """
    if https or head.values(b"sec-fetch-site"):
        return False
    return head.authority is None or not is_local(head.authority.host)
