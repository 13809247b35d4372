"""The key brought to the gateway, over a login that the user makes as with ssh, which asks what it asks."""

from __future__ import annotations

import enum
import os
import shutil
import subprocess
from collections.abc import Sequence

from conductor_trio.client.config.address import ServerAddress, format_place
from conductor_trio.client.setup.key import Key
from conductor_trio.errors import StartError, TransportError

# For any login shell: in one line, without single quotes, backslashes and exclamation marks.
_SCRIPT = (
    'umask 077; f="$HOME/.ssh/authorized_keys"; mkdir -p "$HOME/.ssh" || exit 3; '
    'if grep -qF "{blob}" "$f" 2>/dev/null; then echo "{said} kept"; exit 0; fi; '
    'if [ -s "$f" ] && [ -n "$(tail -c 1 "$f")" ]; then echo >>"$f" || exit 3; fi; '
    'echo "{line}" >>"$f" && echo "{said} added"'
)
_SAID = "conductor-trio setup:"

# A login of its own: over one that stands already, no key is asked for.
_ALONE = (
    "IgnoreUnknown=*",  # older versions do not know all of these
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "ForkAfterAuthentication=no",
)


class Acceptance(enum.Enum):
    """What a gateway makes of a key with which nobody answers questions."""

    WHOLE = "it lets the key in"
    HALF = "it takes the key, and asks for a second factor all the same"
    NONE = "it does not know the key"


def try_key(address: ServerAddress, key: Key) -> Acceptance:
    """Try to log in with the key, without a question; raises `StartError` where there is no ssh."""
    options = ["-v", "-i", key.path, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
    done = _run_ssh(address, [*options, "-o", "PreferredAuthentications=publickey"], "true", is_quiet=True)
    if f"Server accepts key: {key.path} " not in done.stderr:
        return Acceptance.NONE
    if "Authenticated to " in done.stderr:
        return Acceptance.WHOLE
    return Acceptance.HALF if "with partial success" in done.stderr else Acceptance.NONE


def install(address: ServerAddress, key: Key) -> bool:
    """Have the key be among those that the gateway takes; False where it was. Raises `TransportError`."""
    script = _SCRIPT.format(blob=key.blob, line=key.authorized_line, said=_SAID)
    assert "'" not in script
    done = _run_ssh(address, [], f"/bin/sh -c '{script}'", is_quiet=False)
    if f"{_SAID} kept" in done.stdout:
        return False
    if f"{_SAID} added" in done.stdout:
        return True
    if done.returncode == 255:
        raise TransportError(
            f"no SSH login at {format_place(address)}", advice="see what ssh says above, and try again"
        )
    raise TransportError(
        f"the key could not be added at {format_place(address)}",
        advice=f"add this line there: {key.authorized_line}",
    )


def _run_ssh(
    address: ServerAddress, options: Sequence[str], command: str, *, is_quiet: bool
) -> subprocess.CompletedProcess[str]:
    """Run ssh; it asks on the terminal, and says there what is wrong, unless it is to be quiet."""
    if shutil.which("ssh") is None:
        raise StartError("there is no ssh on your PATH", advice="install the OpenSSH client")
    assert address.host is not None
    words = ["ssh", "-T", *(word for option in _ALONE for word in ("-o", option)), *options]
    if address.user:
        words += ["-l", address.user]
    if address.port:
        words += ["-p", str(address.port)]
    return subprocess.run(
        [*words, "--", address.host, command],
        stdin=subprocess.DEVNULL,  # its questions are asked on /dev/tty
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if is_quiet else None,
        env={**os.environ, "LC_ALL": "C"} if is_quiet else None,
        text=True,
        errors="replace",
        check=False,
    )
