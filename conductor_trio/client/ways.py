"""The way to the server, chosen by where it is."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from conductor_trio.client.guardian import Guardian
from conductor_trio.client.local import open_local
from conductor_trio.client.settings import ClientSettings
from conductor_trio.client.ssh import open_ssh
from conductor_trio.client.transport import Transport


def open_transport(
    settings: ClientSettings, local_socket: str, guardian: Guardian
) -> AbstractAsyncContextManager[Transport]:
    """Give the way to the server, with relays that lead to `local_socket`; raises `TransportError`."""
    if settings.server.host is None:
        return open_local(settings, local_socket)
    return open_ssh(settings, local_socket, guardian)
