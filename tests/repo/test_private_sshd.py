"""The private SSH server: real sessions, real forwardings, and nothing left of them."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.private_sshd import PrivateSshd, SshUser, descendants, open_private_sshd
from tests.support.needs import require_program

pytestmark = pytest.mark.e2e

TIMEOUT = 20


@pytest.fixture(autouse=True)
def programs() -> None:
    require_program("sshd")
    require_program("ssh")


def run_ssh(user: SshUser, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["ssh", "-o", "BatchMode=yes", *arguments]
    return subprocess.run(
        command, env=user.environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


@contextlib.contextmanager
def open_session(user: SshUser, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Hold a session open that has begun and whose command says so."""
    command = ["ssh", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", *arguments, "gateway"]
    with subprocess.Popen(
        [*command, "echo begun; exec cat"],
        env=user.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process
        process.communicate(timeout=TIMEOUT)


@pytest.mark.parametrize("name", ["gateway", "ssh://localhost:{port}", "ssh://127.0.0.1:{port}"])
def test_ssh_gets_in_by_each_of_its_names(name: str) -> None:
    with open_private_sshd() as sshd:
        done = run_ssh(sshd.me, name.format(port=sshd.port), "id", "-un")
    assert (done.returncode, done.stdout) == (0, f"{sshd.me.name}\n"), done.stderr


@pytest.mark.parametrize(("mask", "mode"), [("0177", 0o600), ("0117", 0o660)])
def test_it_listens_on_sockets_of_the_mode_that_its_mask_gives(short_tmp: Path, mask: str, mode: int) -> None:
    relay = short_tmp / "relay"
    with (
        open_private_sshd(bind_mask=mask) as sshd,
        open_session(sshd.me, "-R", f"{relay}:{short_tmp}/none") as session,
    ):
        assert stat.S_IMODE(relay.stat().st_mode) == mode
        session.terminate()
    relay.unlink()


def test_it_can_refuse_to_listen(short_tmp: Path) -> None:
    with open_private_sshd(stream_forwarding=False) as sshd:
        done = run_ssh(
            sshd.me,
            "-o",
            "ExitOnForwardFailure=yes",
            "-R",
            f"{short_tmp}/relay:{short_tmp}/none",
            "gateway",
            "true",
        )
    assert done.returncode == 255
    assert "remote port forwarding failed" in done.stderr


def test_a_dropped_session_has_ended_and_the_next_one_works() -> None:
    with open_private_sshd() as sshd, open_session(sshd.me) as session:
        sshd.drop_sessions()
        assert session.wait(TIMEOUT) == 255
        assert run_ssh(sshd.me, "gateway", "true").returncode == 0


def test_it_can_be_stopped_and_started_on_the_same_port() -> None:
    with open_private_sshd() as sshd, open_session(sshd.me) as session:
        sshd.stop()
        assert session.wait(TIMEOUT) == 255
        assert run_ssh(sshd.me, "gateway", "true").returncode == 255
        sshd.start()
        assert run_ssh(sshd.me, "gateway", "true").returncode == 0


def test_nothing_is_left_of_it() -> None:
    def ours() -> set[int]:
        return {pid for pid in descendants(os.getpid()) if not is_zombie(pid)}

    before = ours()
    with open_private_sshd() as sshd:
        with open_session(sshd.me) as session:
            server = ours() - before - {session.pid}
            assert len(server) > 1
            sshd.stop()
        assert not sshd_listens(sshd)
    assert all(is_zombie(pid) for pid in server)
    assert not sshd.directory.exists()


def is_zombie(pid: int) -> bool:
    """Whether the process is gone, or only waits for being noticed by whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def sshd_listens(sshd: PrivateSshd) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", sshd.port)) == 0
