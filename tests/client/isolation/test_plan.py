"""How an application that knows only TCP ports is run: on which port, where, and what is worth knowing."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from conductor_trio.client.isolation.plan import PortPlan, choose_port
from conductor_trio.client.isolation.uplink import uplink_program
from conductor_trio.errors import ConfigError, StartError
from tests.doubles.tcp_application import PORT
from tests.support.users import BOB, acting_as, real_person

LOCALHOST = "127.0.0.1"


def test_a_port_is_chosen() -> None:
    assert choose_port(shared=False) == PORT
    with socket.create_server((LOCALHOST, choose_port(shared=True))):
        pass


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_port_that_there_is_not_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match=f"no port {port}"):
        PortPlan(port=port)


async def test_a_port_that_another_user_has_taken_is_refused() -> None:
    bob = real_person(BOB)
    with acting_as(bob):
        taken = socket.create_server((LOCALHOST, 0))
    with taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=rf"id {bob.uid}.* listens on port {port}"):
            await PortPlan(port=port, shared=True).check()
    await PortPlan(port=port, shared=True).check()
    with socket.create_server((LOCALHOST, port)):  # ours, which is the application's affair
        await PortPlan(port=port, shared=True).check()


async def test_what_is_worth_knowing_is_told(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PortPlan(port=8000, shared=True).notice == (
        "every user of this host can connect to the application's port 8000 (--tcp-shared)"
    )
    monkeypatch.setenv("PATH", str(short_tmp))
    assert uplink_program() is None
    assert "no network but localhost" in (PortPlan(port=8000).notice or "")
    for name in ("slirp4netns", "pasta"):
        (short_tmp / name).touch(mode=0o755)
        assert uplink_program() == name
        assert "no network but localhost" not in (PortPlan(port=8000).notice or "")
