"""Settings are values: nobody changes them, and what is not said is the contract's default."""

from __future__ import annotations

import attrs
import pytest

from conductor_trio.limits.constants import DEFAULT_PORT
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.settings import ServerSettings, TlsSettings

SETTINGS = ServerSettings(runtime_dir="/run/x", patterns=("{key}.test",))


def test_what_is_not_said() -> None:
    assert (SETTINGS.host, SETTINGS.port, SETTINGS.socket) == ("127.0.0.1", DEFAULT_PORT, None)
    assert SETTINGS.tls is None
    assert SETTINGS.trusted_proxies == SETTINGS.allowed_origins == ()
    assert SETTINGS.limits == ServerLimits()
    assert not (SETTINGS.verbose or SETTINGS.take_over)
    assert TlsSettings(cert_file="c", key_file="k").allowed_clients is None


def test_nobody_changes_them_and_equal_ones_are_equal() -> None:
    for field in attrs.fields(ServerSettings):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(SETTINGS, field.name, None)
    assert attrs.evolve(SETTINGS, port=1) != SETTINGS
    assert attrs.evolve(SETTINGS) == SETTINGS
