"""What a worker is started with."""

from __future__ import annotations

import json
import os
import pickle

import pytest

from conductor_trio.errors import StartError
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.settings import ServerSettings
from conductor_trio.server.workers.start import read_start


def test_settings_are_what_they_were() -> None:
    settings = ServerSettings(runtime_dir="/x", patterns=("{key}.test",), limits=ServerLimits(max_visitors=7))
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize("said", ["{}", "x", json.dumps({"version": "0"})])
def test_whoever_is_no_server_starts_none(said: str) -> None:
    with pytest.raises((StartError, ValueError)):
        read_start({"CONDUCTOR_TRIO_WORKER": said})


def test_one_of_another_version_does_not_start() -> None:
    reading, writing = os.pipe()
    told = {"version": "0", "feed": reading, "listeners": [writing], "internal": "/x", "settings": ""}
    environment = {"CONDUCTOR_TRIO_WORKER": json.dumps(told), "A": "b"}
    try:
        with pytest.raises(StartError, match="reload it"):
            read_start(environment)
    finally:
        os.close(reading)
        os.close(writing)
    assert environment == {"A": "b"}
