"""The key: made once, and kept."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest

from conductor_trio.client.setup.key import key_path, provide_key
from conductor_trio.errors import StartError
from tests.support.needs import require_program


def test_it_is_made_once(tmp_path: Path) -> None:
    require_program("ssh-keygen")
    path = key_path(str(tmp_path))
    made = provide_key(path)
    assert made.is_new
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
    line = r"restrict,port-forwarding ssh-ed25519 [A-Za-z0-9+/=]{60,} conductor-trio-[\w.-]+"
    assert re.fullmatch(line, made.authorized_line)
    Path(f"{path}.pub").unlink()
    again = provide_key(path)
    assert (again.blob, again.is_new) == (made.blob, False)


@pytest.mark.parametrize(("kind", "passphrase"), [("ed25519", "secret"), ("rsa", "")])
def test_another_kind_of_key_is_told(tmp_path: Path, kind: str, passphrase: str) -> None:
    path = tmp_path / "key"
    command = [require_program("ssh-keygen"), "-q", "-t", kind, "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True)
    before = path.read_bytes()
    with pytest.raises(StartError, match=r"ssh-keygen: |is no key that can be used here"):
        provide_key(str(path))
    assert path.read_bytes() == before
