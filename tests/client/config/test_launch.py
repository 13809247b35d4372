"""How an application is started: what must be known before."""

from __future__ import annotations

import pytest

from conductor_trio.client.config.launch import Launch


@pytest.mark.parametrize(
    ("command", "key", "needed"),
    [
        (("x", "{socket}", "{port}"), None, False),
        (("x", "{host}"), "lab", True),
        (("x", "{url}"), "lab", True),
        (("x", "{key}"), "lab", False),
        (("x", "{key}"), None, True),
        (("x", "{{host}}"), None, False),
    ],
)
def test_registration_comes_first_where_the_command_needs_it(
    command: tuple[str, ...], key: str | None, needed: bool
) -> None:
    assert Launch(command=command).needs_registration(key=key) == needed
    launch = Launch(command=("x",), environment={"A": " ".join(command)})
    assert launch.needs_registration(key=key) == needed
