"""KEY and SERVER in the order in which they were meant: people write the gateway first, too."""

from __future__ import annotations

import socket
import subprocess

from conductor_trio.client.batch.records import is_key


def order_key_and_server(key: str, server: str | None, configured: str | None) -> tuple[str, str | None]:
    """Return the key and the gateway of two words, whichever stands first; `configured` is a gateway for certain.

    KEY comes first unless what stands there can only be a gateway, or is known as one, and the other is not.
    """
    if server is None or not is_key(server.lower()):
        return key, server
    return (
        (server, key) if not is_key(key.lower()) or _is_gateway_rather(key, server, configured) else (key, server)
    )


def _is_gateway_rather(first: str, second: str, configured: str | None) -> bool:
    """Whether of two words, each of which could be either, the first is the gateway."""
    if configured in (first, second):
        return configured == first
    for is_host in (_is_known_to_ssh, _can_be_resolved):
        if is_host(second):
            return False
        if is_host(first):
            return True
    return False


def _is_known_to_ssh(word: str) -> bool:
    """Whether ~/.ssh/config makes another name of it."""
    try:
        done = subprocess.run(
            ["ssh", "-G", "--", word], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError:
        return False
    lines = done.stdout.decode("utf-8", "replace").lower().splitlines()
    return any(line.startswith("hostname ") and line != f"hostname {word.lower()}" for line in lines)


def _can_be_resolved(word: str) -> bool:
    try:
        return bool(socket.getaddrinfo(word, None))
    except OSError:
        return False
