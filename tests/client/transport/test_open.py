"""The choice of the transport: SSH where SERVER names a host, and none of it where it is a path of this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.client.config.address import ServerAddress, parse_server
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.host.cleanup import open_cleanup
from conductor_trio.client.output.reporter import LogReporter
from conductor_trio.client.transport.local import LocalTransport
from conductor_trio.client.transport.open import open_transport
from conductor_trio.errors import TransportError
from conductor_trio.limits.client import ClientLimits


def settings(server: ServerAddress) -> ClientSettings:
    return ClientSettings(
        server=server, local_socket=None, launch=Launch(command=()), token="t0ken", limits=ClientLimits()
    )


@pytest.fixture
def no_ssh(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(short_tmp))


@pytest.mark.usefixtures("no_ssh")
@pytest.mark.parametrize("server", ["/run/client", "./client"])
async def test_a_path_of_this_host_needs_no_ssh(server: str) -> None:
    async with (
        open_cleanup(ClientLimits()) as cleanup,
        open_transport(
            settings(parse_server(server)), ApplicationSocket("/a"), cleanup, LogReporter()
        ) as transport,
    ):
        assert isinstance(transport, LocalTransport)


@pytest.mark.usefixtures("no_ssh")
@pytest.mark.parametrize("server", ["gw", "me@gw:22/run/client", "localhost"])
async def test_a_host_is_reached_by_ssh(server: str) -> None:
    async with open_cleanup(ClientLimits()) as cleanup:
        with pytest.raises(TransportError, match="there is no ssh on your PATH"):
            async with open_transport(
                settings(parse_server(server)), ApplicationSocket("/a"), cleanup, LogReporter()
            ):
                raise AssertionError("it is there")
