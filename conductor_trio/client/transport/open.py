"""The choice of the transport, by where the server is."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.host.cleanup import Cleanup
from conductor_trio.client.output.reporter import Reporter
from conductor_trio.client.transport.base import Transport


def open_transport(
    settings: ClientSettings, application: ApplicationSocket, cleanup: Cleanup, reporter: Reporter
) -> AbstractAsyncContextManager[Transport]:
    """Give the way to the server, with relays that lead to `application`; raises `TransportError`.

    What is said on the way is reported to `reporter`.
    """
    # Each is imported where it is used: who is on the server's host has no use for what knows ssh.
    if settings.server.host is None:
        from conductor_trio.client.transport.local import open_local

        return open_local(settings, application)
    from conductor_trio.client.transport.ssh import open_ssh

    return open_ssh(settings, application, cleanup, reporter)
