"""The way out of the namespace: which program, and which resolver cannot be reached from there."""

from __future__ import annotations

import pytest

from conductor_trio.client.isolation.uplink import is_resolver_local


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("", False),
        ("# nameserver 127.0.0.1\nsearch example.org\n", False),
        ("nameserver 127.0.0.53\noptions edns0\n", True),
        ("nameserver ::1\nnameserver 127.0.0.1\n", True),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.1\n", False),
        ("nameserver\n", False),
    ],
)
def test_a_resolver_on_localhost_is_noticed(text: str, local: bool) -> None:
    assert is_resolver_local(text) is local
