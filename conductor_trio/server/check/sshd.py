"""The settings of this host's SSH server: what clients need of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping

from conductor_trio.findings import Finding, Status
from conductor_trio.limits.constants import SSHD_TIMEOUT

_PLACE = "sshd"
# Where distributions put sshd, which is on root's PATH only.
_SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def _skipped(detail: str) -> Finding:
    return Finding(check=_PLACE, status=Status.SKIPPED, detail=detail)


def check_sshd() -> Iterator[Finding]:
    """Yield what is found of the SSH server of this host, which only root may ask."""
    sshd = shutil.which("sshd", path=_SYSTEM_PATH)
    if sshd is None:
        yield _skipped("there is none here")
        return
    if os.geteuid() != 0:
        yield _skipped("only root can ask it for its settings")
        return
    try:
        done = subprocess.run([sshd, "-T"], capture_output=True, text=True, timeout=SSHD_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield _skipped(f"it does not tell its settings: {error}")
        return
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"status {done.returncode}"
        detail = f"it does not take its settings: {said}"
        yield Finding(check=_PLACE, status=Status.FAILED, detail=detail, advice="correct sshd_config")
        return
    yield from judge_sshd(dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line))


_Judge = Callable[[str], bool]

# Settings, what is good, how bad it is otherwise, and why.
_SSHD: tuple[tuple[str, _Judge, Status, str], ...] = (
    (
        "AllowStreamLocalForwarding",
        lambda value: value in ("yes", "all"),
        Status.FAILED,
        "yes: clients come by it",
    ),
    ("DisableForwarding", lambda value: value == "no", Status.FAILED, "no: clients come by forwarding"),
    (
        "StreamLocalBindMask",
        lambda value: value.lstrip("0") == "117",
        Status.WARNING,
        "0117: otherwise each client runs chmod, for which its user needs a login shell",
    ),
    (
        "ClientAliveInterval",
        lambda value: value != "0",
        Status.WARNING,
        "10: otherwise a cut link may keep a name for hours",
    ),
)


def judge_sshd(told: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is to be said of sshd's settings, by their names in lower case, outside of Match."""
    for name, is_good, otherwise, why in _SSHD:
        value = told.get(name.lower(), "unknown")
        if is_good(value):
            yield Finding(check=_PLACE, status=Status.OK, detail=f"{name} {value}")
        else:
            advice = f"set it to {why}"
            yield Finding(check=_PLACE, status=otherwise, detail=f"{name} {value}", advice=advice)
