"""The steps of setup, with a gateway that does as the test says; a real one is in e2e/test_setup."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from conductor_trio.client.setup.walk import set_up
from conductor_trio.errors import ConfigError, TransportError
from conductor_trio.findings import Finding, Status
from tests.support.needs import require_program


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, and a gateway that takes each key that it has been brought."""
    require_program("ssh-keygen")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(
        "#!/bin/sh\nfor last; do :; done\n"
        f'if [ "$last" != true ]; then HOME={tmp_path}/there exec sh -c "$last"; fi\n'
        f"[ -e {tmp_path}/there/.ssh ] || exit 255\n"
        f"echo 'Server accepts key: {tmp_path}/.ssh/conductor-trio_ed25519 ED25519; Authenticated to gw' >&2\n"
    )
    (tmp_path / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


def walk(home: Path, server: str = "gw", *, replace: bool = False) -> list[Finding]:
    findings: list[Finding] = []
    address = set_up(server, {"HOME": str(home)}, findings.append, replace=replace)
    assert address.identity == f"{home}/.ssh/conductor-trio_ed25519"
    return findings


def test_a_second_time_there_is_nothing_to_do(home: Path) -> None:
    assert [finding.check for finding in walk(home)] == ["key", "gateway", "gateway", "configuration"]
    config = home / ".config" / "conductor-trio" / "config.toml"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    before = config.read_text()
    assert [finding.detail.rpartition(" ")[2] for finding in walk(home)] == ["there", "it", "it"]
    assert config.read_text() == before


def test_a_configuration_of_another_gateway_is_left_and_told(home: Path) -> None:
    (home / ".config" / "conductor-trio").mkdir(parents=True)
    (real := home / "dotfiles.toml").write_text('server = "old"\n')
    real.chmod(0o640)
    (config := home / ".config" / "conductor-trio" / "config.toml").symlink_to(real)
    told = walk(home)[-1]
    assert told.status is Status.WARNING
    assert "says server = 'old', and is left as it is" in told.detail
    assert real.read_text() == 'server = "old"\n'
    walk(home, replace=True)
    assert config.is_symlink()
    assert 'server = "gw"  # was: server = "old"' in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_gateway_that_does_not_take_it_is_told_with_the_line_to_ask_for(home: Path) -> None:
    (home / "bin" / "ssh").write_text(
        f'#!/bin/sh\nfor last; do :; done\n[ "$last" = true ] && exit 255\nHOME={home}/there exec sh -c "$last"\n'
    )
    with pytest.raises(TransportError, match="gw does not let the key in") as caught:
        walk(home)
    assert "restrict,port-forwarding ssh-ed25519 AAAA" in str(caught.value)
    assert not (home / ".config").exists()


@pytest.mark.parametrize("server", ["/run/client", "gw:0", "-o"])
def test_what_is_no_gateway(home: Path, server: str) -> None:
    with pytest.raises(ConfigError):
        walk(home, server)
    assert not (home / ".ssh").exists()
