"""The client's settings: what follows from them."""

from __future__ import annotations

import attrs
import pytest

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings

SETTINGS = ClientSettings(
    server=ServerAddress(host="gw"), local_socket=None, launch=Launch(command=("run",)), token="s3cret"
)


def test_the_token_is_not_shown() -> None:
    assert "s3cret" not in repr(SETTINGS)


@pytest.mark.parametrize(
    ("local_socket", "has_display", "registers_early"),
    [(None, False, True), (None, True, True), ("s", True, True), ("s", False, False)],
)
def test_who_registers_before_the_application_listens(
    local_socket: str | None, has_display: bool, registers_early: bool
) -> None:
    settings = attrs.evolve(SETTINGS, local_socket=local_socket, has_display=has_display)
    assert settings.registers_early is registers_early


@pytest.mark.parametrize(
    ("local_socket", "key", "launch", "needs", "wants", "says_where"),
    [
        (None, None, Launch(command=("run",)), False, True, False),
        (None, None, Launch(command=("run", "{key}")), True, True, False),
        (None, "lab", Launch(command=("run", "{key}")), False, True, False),
        (None, "lab", Launch(command=("run", "{url}", "{socket}")), True, True, True),
        (None, None, Launch(command=("run",), environment={"URL": "{url}"}, recipe="run"), True, True, True),
        (None, None, Launch(command=("run",), recipe="run"), False, False, True),
        (None, None, Launch(command=("run",), listen="tcp", port=80), False, True, True),
        ("s", None, Launch(command=("run", "{url}")), False, False, True),
    ],
)
def test_what_the_application_is_told(
    local_socket: str | None, key: str | None, launch: Launch, needs: bool, wants: bool, says_where: bool
) -> None:
    settings = attrs.evolve(SETTINGS, local_socket=local_socket, key=key, launch=launch)
    assert (settings.needs_names, settings.wants_names, settings.says_where) == (needs, wants, says_where)
