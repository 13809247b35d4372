"""The key with which compute nodes log in at the gateway: without a passphrase, and so it may do little there."""

from __future__ import annotations

import os
import re
import socket
import subprocess

import attrs

from conductor_trio.errors import StartError

#: What the gateway's SSH server lets it do: nothing but forward, and run the command that opens the relay socket.
RESTRICTIONS = "restrict,port-forwarding"

_NAME = "conductor-trio_ed25519"
_LINE = re.compile(r"(?P<kind>ssh-ed25519) (?P<blob>[A-Za-z0-9+/=]+)(?: .*)?")


@attrs.frozen(kw_only=True)
class Key:
    """A key pair: where its private part is, and its public part in two words."""

    path: str
    kind: str
    blob: str
    is_new: bool

    @property
    def authorized_line(self) -> str:
        """The line for the gateway's authorized_keys."""
        return f"{RESTRICTIONS} {self.kind} {self.blob} {_comment()}"


def key_path(home: str) -> str:
    """Return where the key is, or is going to be."""
    return os.path.join(home, ".ssh", _NAME)


def provide_key(path: str) -> Key:
    """Return the key at a path, made if there is none; raises `StartError`."""
    is_new = not os.path.lexists(path)
    if is_new:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", _comment(), "-f", path)
    # From the private part: the other file may be another key's. -P: one with a passphrase is of no use.
    said = _run("ssh-keygen", "-y", "-P", "", "-f", path)
    match = _LINE.fullmatch(said.strip())
    if match is None:
        raise StartError(f"{path} is no key that can be used here", advice="move it away, and try again")
    return Key(path=path, kind=match["kind"], blob=match["blob"], is_new=is_new)


def _comment() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "", f"conductor-trio-{socket.gethostname()}")


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise StartError(f"cannot run {command[0]}: {error.strerror}", advice="install OpenSSH") from error
    if done.returncode != 0:
        said = done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"
        raise StartError(f"{command[0]}: {said}", advice=f"look at {command[-1]}")
    return done.stdout
