"""The observer opens what the settings ask for, and tells what is in force without what is secret."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.pages.house import House, Logo
from conductor_trio.server.observability.observer import describe_settings, open_observer
from conductor_trio.server.settings import ServerSettings, TlsSettings
from tests.support.engine import make_log


def settings(**values: object) -> ServerSettings:
    return ServerSettings(runtime_dir="/run/c", patterns=("{key}-{user}.test",), **values)  # type: ignore[arg-type]


async def test_without_settings_nothing_is_opened() -> None:
    with open_observer(settings(), make_log([])) as observer:
        assert observer.access_log is None and not observer.audit.is_kept and observer.sinks == {}


async def test_what_is_in_force_is_told_and_the_end(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with open_observer(settings(audit_log=str(path)), make_log([])) as observer:
        observer.begin(settings(audit_log=str(path)))
        observer.end()
    began, ended = map(json.loads, path.read_text().splitlines())
    assert began["event"] == "configuration_applied" and began["patterns"] == ["{key}-{user}.test"]
    assert began["audit_log"] == str(path) and began["version"] and began["limits"] == {}
    assert ended["event"] == "server_ended" and ended["pid"] == began["pid"]


def test_only_limits_that_are_another_than_usual_are_told() -> None:
    told = describe_settings(
        settings(limits=ServerLimits(max_sessions=7), tls=TlsSettings(cert_file="/c.pem", key_file="/k.pem"))
    )
    assert told["limits"] == {"max_sessions": 7}
    assert told["tls"] == {"cert_file": "/c.pem", "key_file": "/k.pem", "allowed_clients": None}
    assert json.dumps(told)


def test_of_the_house_what_was_said_is_told_and_neither_its_logo_nor_the_pages_style() -> None:
    house = House(name="Uni", logo=Logo("image/png", b"\x89PNG\r\n\x1a\n"), help_url="https://uni.example/help")
    told = describe_settings(settings(site=house))
    assert told["site"] == {
        "name": "Uni",
        "logo": {"type": "image/png"},
        "help_url": "https://uni.example/help",
        "announcement": "",
        "color": str(house.color),
    }
    assert json.dumps(told)


async def test_every_signal_opens_the_files_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with open_observer(settings(audit_log=str(path)), make_log([])) as observer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(observer.run)
            path.rename(tmp_path / "audit.log.1")
            os.kill(os.getpid(), signal.SIGUSR1)
            with trio.fail_after(20):
                while not path.exists():  # noqa: ASYNC110
                    await trio.sleep(0.01)  # of a file that is opened no event tells
            nursery.cancel_scope.cancel()
        observer.audit.note("after")
    assert json.loads(path.read_text())["event"] == "after"


@pytest.mark.parametrize("which", ["access_log", "audit_log"])
async def test_either_log_alone(which: str, tmp_path: Path) -> None:
    with open_observer(settings(**{which: str(tmp_path / "log")}), make_log([])) as observer:
        assert (observer.access_log is not None) is (which == "access_log")
        assert observer.audit.is_kept is (which == "audit_log")
