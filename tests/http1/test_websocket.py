"""A WebSocket's opening handshake is sound or has a status; what goes on holds nothing that the visitor chose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.websocket import find_fault, format_handshake
from tests.support.heads import parse_request_head

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
VERSION = b"Sec-WebSocket-Version: 13\r\n"
SOUND = VERSION + b"Sec-WebSocket-Key: " + KEY + b"\r\n"


def make_head(fields: bytes, method: bytes = b"GET") -> RequestHead:
    head = b"%b /_conductor/live HTTP/1.1\r\nHost: x.test\r\n%b\r\n" % (method, fields)
    return parse_request_head(head, max_fields=100)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (SOUND, None),
        (SOUND + b"Sec-WebSocket-Protocol: \xff\r\nSec-WebSocket-Extensions: \xe9\r\n", None),
        (b"", 426),
        (SOUND + VERSION, 426),
        (SOUND.replace(b"13", b"\xb2"), 426),
        (SOUND.replace(b"13", b"8"), 426),
        (VERSION, 400),
        (VERSION + b"Sec-WebSocket-Key: \xff\r\n", 400),
        (VERSION + b"Sec-WebSocket-Key: short==\r\n", 400),
        (SOUND + b"Sec-WebSocket-Key: " + KEY + b"\r\n", 400),
    ],
)
def test_what_is_a_handshake(fields: bytes, fault: int | None) -> None:
    assert find_fault(make_head(fields)) == fault


def test_a_handshake_is_a_get() -> None:
    assert find_fault(make_head(SOUND, b"HEAD")) == 400


@given(st.lists(st.integers(0x21, 0xFF).filter(lambda one: one != 0x7F), min_size=1).map(bytes))
def test_what_goes_on_is_ours(value: bytes) -> None:
    head = make_head(SOUND + b"X: %b\r\nSec-WebSocket-Protocol: %b\r\n" % (value, value))
    assert format_handshake(head) == format_handshake(make_head(SOUND))
    assert KEY in format_handshake(head)
