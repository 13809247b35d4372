"""What clients need of an SSH server's settings, and what the settings say."""

from __future__ import annotations

import pytest

from conductor_trio.server.check.sshd import judge_sshd


@pytest.mark.parametrize(
    ("told", "statuses"),
    [
        (("yes", "no", "0117", "10"), "ok ok ok ok"),
        (("all", "no", "0177", "0"), "ok ok warning warning"),
        (("no", "yes", "0117", "10"), "failed failed ok ok"),
        (("local", "no", "0117", "10"), "failed ok ok ok"),
    ],
)
def test_what_sshd_is_told(told: tuple[str, str, str, str], statuses: str) -> None:
    names = ("allowstreamlocalforwarding", "disableforwarding", "streamlocalbindmask", "clientaliveinterval")
    found = judge_sshd(dict(zip(names, told, strict=True)))
    assert [finding.status.value for finding in found] == statuses.split()
