"""Operators are warned of plain HTTP on anything but localhost, and of nothing else."""

from __future__ import annotations

import pytest

from conductor_trio.server.lifecycle.plain_http import find_plain_http
from conductor_trio.server.settings import ServerSettings, TlsSettings

LOCAL, PUBLIC = "{key}-{user}.localhost:8888", "{key}-{user}.apps.example.org"
TLS = TlsSettings(cert_file="cert.pem", key_file="key.pem")
FRONT = ("127.0.0.1/32",)


@pytest.mark.parametrize(
    ("addresses", "patterns", "front", "tls", "said"),
    [
        (["127.0.0.1"], (LOCAL,), (), None, None),
        (["::1"], (LOCAL,), (), None, None),
        ([], (PUBLIC,), (), None, None),  # a UNIX socket
        (["0.0.0.0"], (PUBLIC,), (), TLS, None),
        (["127.0.0.1"], (PUBLIC,), FRONT, None, None),
        (["0.0.0.0"], (PUBLIC,), (), None, "0.0.0.0"),
        (["0.0.0.0"], (LOCAL,), (), None, "0.0.0.0"),
        (["127.0.0.1", "fe80::1%eth0"], (PUBLIC,), FRONT, None, "fe80::1%eth0"),
        (["127.0.0.1"], (PUBLIC,), (), None, PUBLIC),
        (["127.0.0.1"], (LOCAL, PUBLIC), (), None, PUBLIC),
    ],
)
def test_plain_http(
    addresses: list[str],
    patterns: tuple[str, ...],
    front: tuple[str, ...],
    tls: TlsSettings | None,
    said: str | None,
) -> None:
    settings = ServerSettings(runtime_dir="/run/x", patterns=patterns, trusted_proxies=front, tls=tls)
    found = find_plain_http(settings, addresses)
    assert (found is None) is (said is None)
    if found is not None and said is not None:
        assert said in found.what
