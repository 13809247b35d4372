"""The key brought to a gateway, with an ssh that runs the command here; the real one is in e2e/test_setup."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.setup.install import Acceptance, install, try_key
from conductor_trio.client.setup.key import Key
from conductor_trio.errors import StartError, TransportError

KEY = Key(path="/home/me/key", kind="ssh-ed25519", blob="AAAAC3Nz+/==", is_new=True)
GATEWAY = ServerAddress(host="gw", user="me", port=2222)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gateway where commands are run by sh, in a home that is empty."""
    (tmp_path / "ssh").write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/called\nfor last; do :; done\nHOME={tmp_path} exec sh -c "$last"\n'
    )
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def authorized(home: Path) -> str:
    return (home / ".ssh" / "authorized_keys").read_text()


@pytest.mark.parametrize(
    ("before", "kept"), [(None, ""), ("", ""), ("# mine\n", "# mine\n"), ("# no end", "# no end\n")]
)
def test_it_is_added_once_behind_what_is_there(home: Path, before: str | None, kept: str) -> None:
    if before is not None:
        (home / ".ssh").mkdir()
        (home / ".ssh" / "authorized_keys").write_text(before)
    assert install(GATEWAY, KEY)
    assert authorized(home) == f"{kept}{KEY.authorized_line}\n"
    assert not install(GATEWAY, KEY)
    assert authorized(home) == f"{kept}{KEY.authorized_line}\n"
    assert " -l me -p 2222 -- gw /bin/sh -c " in (home / "called").read_text()


def test_where_nothing_can_be_written_the_line_is_told(home: Path) -> None:
    (home / ".ssh").touch()
    with pytest.raises(TransportError, match="could not be added at me@gw port 2222; add this line") as caught:
        install(GATEWAY, KEY)
    assert KEY.authorized_line in str(caught.value)


def test_a_login_that_fails_is_told(home: Path) -> None:
    (home / "ssh").write_text("#!/bin/sh\nexit 255\n")
    with pytest.raises(TransportError, match="no SSH login at me@gw port 2222"):
        install(GATEWAY, KEY)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("debug1: Server accepts key: /home/me/key ED25519\nAuthenticated to gw", Acceptance.WHOLE),
        ("debug1: Server accepts key: /home/me/other ED25519\nAuthenticated to gw", Acceptance.NONE),
        ("debug1: Server accepts key: /home/me/key ED25519\nPermission denied (publickey).", Acceptance.NONE),
        (
            'Server accepts key: /home/me/key RSA\nAuthenticated using "publickey" with partial success.',
            Acceptance.HALF,
        ),
        ("Server accepts key: /home/me/key ED25519\nAuthenticated with partial success.", Acceptance.HALF),
        ("Permission denied (publickey).", Acceptance.NONE),
    ],
)
def test_who_lets_it_in_is_known_by_what_ssh_says(home: Path, said: str, found: Acceptance) -> None:
    (home / "ssh").write_text(f"#!/bin/sh\nprintf '%s\\n' '{said}' >&2\n")
    assert try_key(GATEWAY, KEY) is found


def test_without_ssh_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match="there is no ssh on your PATH"):
        install(GATEWAY, KEY)
