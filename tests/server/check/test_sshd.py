"""What is said of sshd's settings; those that we ship are good, and do what they should."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
import trio

from conductor_trio.findings import Finding
from conductor_trio.server.check.sshd import check_sshd, judge_sshd
from scripts.private_sshd import descendants
from tests.support.chain import open_chain, open_sshd
from tests.support.needs import require_program, require_root

SHIPPED = Path(__file__).parents[3] / "contrib" / "sshd_config.d" / "conductor-trio.conf"
NAMES = (
    "allowstreamlocalforwarding",
    "disableforwarding",
    "streamlocalbindmask",
    "clientaliveinterval",
    "clientalivecountmax",
)


def read_shipped() -> list[str]:
    """Return the lines of the settings that we ship."""
    return [line for line in SHIPPED.read_text().splitlines() if line and not line.startswith("#")]


def statuses(told: dict[str, str]) -> list[str]:
    """Return what is said of settings."""
    return [finding.status.value for finding in judge_sshd(told)]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (("yes", "no", "0117", "8", "2"), "ok ok ok ok ok"),
        (("all", "no", "0177", "0", "3"), "ok ok warning warning warning"),
        (("no", "yes", "0117", "9", "1"), "failed failed ok ok ok"),
        (("local", "no", "0117", "1", "2"), "failed ok ok ok ok"),
        (("yes", "no", "117", "10", "0"), "ok ok ok warning warning"),
        (("yes", "no", "0117", "", "two"), "ok ok ok warning warning"),
    ],
)
def test_what_sshd_is_told(told: tuple[str, str, str, str, str], expected: str) -> None:
    assert statuses(dict(zip(NAMES, told, strict=True))) == expected.split()


def test_what_it_does_not_tell_is_not_good() -> None:
    assert statuses({}) == ["failed", "failed", "warning", "warning", "warning"]


def test_the_settings_that_we_ship_are_good() -> None:
    told = {name.lower(): value for name, value in (line.split() for line in read_shipped())}
    assert statuses({"disableforwarding": "no"} | told) == ["ok"] * 5


def test_a_real_sshd_tells() -> None:
    require_root()
    require_program("sshd")
    findings: list[Finding] = list(check_sshd())
    assert [re.split(" ", finding.detail)[0].lower() for finding in findings] == list(NAMES)


@pytest.mark.e2e
async def test_a_client_that_is_cut_off_leaves_nothing_at_the_gateway(short_tmp: Path) -> None:
    """With the settings that we ship: half a minute, and not more than twice that as with others."""
    with open_sshd(extra_config=read_shipped()) as sshd:
        async with open_chain(short_tmp, sshd) as chain, chain.open_client(chain.alice, token="token") as client:
            await client.wait_state("live")
            cut_off = [client.process.pid, *descendants(client.process.pid)]
            for pid in cut_off:
                os.kill(pid, signal.SIGSTOP)
            try:
                assert descendants(sshd.pid)
                with trio.fail_after(60):
                    while descendants(sshd.pid):  # noqa: ASYNC110
                        await trio.sleep(0.5)
            finally:
                for pid in cut_off:
                    os.kill(pid, signal.SIGCONT)
