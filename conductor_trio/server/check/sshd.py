"""What sshd, which clients come by, is told by its configuration, as far as it matters to them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping

from conductor_trio.findings import Finding, Status
from conductor_trio.limits.constants import SSHD_TIMEOUT
from conductor_trio.limits.server import ServerLimits

_PLACE = "sshd"
# Where distributions put it, which is on root's PATH only.
_SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def check_sshd() -> Iterator[Finding]:
    """Yield what is found of the sshd of this host."""
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
        what = f"it does not take its settings: {said}"
        yield Finding(check=_PLACE, status=Status.FAILED, detail=what, advice="correct sshd_config")
        return
    yield from judge_sshd(dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line))


def _skipped(why: str) -> Finding:
    return Finding(check=_PLACE, status=Status.SKIPPED, detail=why)


def _is_within(value: str, most: float) -> bool:
    """Whether a number is more than 0, which means never, and not more than `most`."""
    return value.isdecimal() and 0 < int(value) <= most


_Judge = Callable[[str], bool]

# Settings, what is good, how bad it is otherwise, and why.
_SETTINGS: tuple[tuple[str, _Judge, Status, str], ...] = (
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
        # Less than the pause between two pings, since whatever goes to the client begins sshd's wait anew.
        lambda value: _is_within(value, ServerLimits().ping_interval - 1),
        Status.WARNING,
        "8: otherwise what sshd has for a client that was cut off stays for a minute and more, with 0 for hours",
    ),
    (
        "ClientAliveCountMax",
        lambda value: _is_within(value, 2),
        Status.WARNING,
        "2: otherwise what sshd has for a client that was cut off stays for longer, with 0 for hours",
    ),
)


def judge_sshd(told: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is to be said of sshd's settings, by their names in lower case, outside of Match."""
    for name, is_good, otherwise, why in _SETTINGS:
        value = told.get(name.lower(), "unknown")
        if is_good(value):
            yield Finding(check=_PLACE, status=Status.OK, detail=f"{name} {value}")
        else:
            advice = f"set it to {why}"
            yield Finding(check=_PLACE, status=otherwise, detail=f"{name} {value}", advice=advice)
