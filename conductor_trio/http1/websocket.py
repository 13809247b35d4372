"""The opening handshake of a WebSocket that is served here (RFC 6455 section 4.2.1): checked, and written anew."""

from __future__ import annotations

import re

from conductor_trio.http1.request import RequestHead

_VERSION = b"13"
#: 16 bytes in base64; decoders of browsers and libraries take whatever the last digit's unused bits are.
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")


def find_fault(head: RequestHead) -> int | None:
    """Return the status that says why an upgrade is no handshake of a WebSocket; None where it is one."""
    if head.values(b"sec-websocket-version") != [_VERSION]:
        return 426
    keys = head.values(b"sec-websocket-key")
    return None if head.method == b"GET" and len(keys) == 1 and _KEY.fullmatch(keys[0]) else 400


def format_handshake(head: RequestHead) -> bytes:
    """Write a sound handshake anew, without all that a library might read in its own way."""
    [key] = head.values(b"sec-websocket-key")
    return (
        b"GET / HTTP/1.1\r\nHost: gateway\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: %b\r\nSec-WebSocket-Key: %b\r\n\r\n" % (_VERSION, key)
    )
