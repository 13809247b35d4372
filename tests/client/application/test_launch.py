"""The launch: what is really started."""

from __future__ import annotations

import pytest

from conductor_trio.client.application.launch import make_launch_spec, plan_port
from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.control.messages import Accepted

NAMES = Accepted(urls=("k1-me.example.org:8443", "other"), key="k1")


def settings(*command: str, local_socket: str | None = None, **launch: object) -> ClientSettings:
    return ClientSettings(
        server=ServerAddress(host="gw"),
        local_socket=local_socket,
        launch=Launch(command=command, **launch),  # type: ignore[arg-type]  # a test's own fields
        token="t0ken",
        key="lab",
    )


def test_the_contracts_command_is_started_as_it_is() -> None:
    start = make_launch_spec(settings("app", "{socket}", "{{", local_socket="s"), "s", None, NAMES)
    assert start.command == start.executed == ("app", "{socket}", "{{")
    assert start.environment is None


def test_placeholders_and_the_environment() -> None:
    words = ("app", "{socket}", "{key}", "{host}", "{url}")
    start = make_launch_spec(settings(*words, environment={"LAB": "{key}"}), "/t/s", None, NAMES)
    host = "k1-me.example.org:8443"
    assert start.command == start.executed == ("app", "/t/s", "k1", host, f"https://{host}")
    assert start.environment is not None
    told = {name: start.environment.get(f"CONDUCTOR_{name}") for name in ("SOCKET", "HOST", "URL")}
    assert told == {"SOCKET": "/t/s", "HOST": host, "URL": f"https://{host}"}
    assert start.environment["LAB"] == "k1"


def test_what_is_not_known_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUCTOR_HOST", "of another client, in which we run")
    start = make_launch_spec(settings("app", "{key}"), "/t/s", None, None)
    assert start.command == ("app", "lab")
    assert start.environment is not None
    assert "CONDUCTOR_HOST" not in start.environment


def test_an_application_on_a_port_is_run_by_its_relay() -> None:
    asked = settings("app", "{port}", listen="tcp", port=8123)
    plan = plan_port(asked)
    start = make_launch_spec(asked, "/t/s", plan, NAMES)
    assert start.command == ("app", "8123")
    assert start.executed[-5:] == ("private", "8123", "/t/s", "app", "8123")
    assert start.environment is not None
    assert "CONDUCTOR_SOCKET" not in start.environment  # where the relay listens
    assert plan_port(settings("app")) is None
