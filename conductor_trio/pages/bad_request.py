"""The fields that go with the answer to a request that breaks the protocol, by its status."""

from __future__ import annotations

FIELDS = {
    405: ((b"Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),),
    426: ((b"Sec-WebSocket-Version", b"13"),),
}
