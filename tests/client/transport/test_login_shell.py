"""Commands in a login shell at the gateway: here shells of this host, in the place of those behind ssh."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from conductor_trio.client.transport.login_shell import Result, format_command, run_in_login_shell
from conductor_trio.client.transport.ssh_mux import MuxCommand
from conductor_trio.limits.client import ClientLimits
from tests.support.needs import require_program

SET_MODE = 'chmod 660 "$p"'


def login(start_up: str, shell: str = "/bin/sh") -> list[str]:
    """Return what stands in the place of ssh: a shell that runs start-up files, and then its command.

    After ``--`` and the host comes the command, which sshd gives to the login shell.
    """
    return ["/bin/sh", "-c", f'{start_up}\nexec {shell} -c "$3"', "ssh"]


async def run(ssh: list[str], script: str, path: str, **limits: float) -> Result:
    """Run a script, within the test's own time."""
    with trio.fail_after(20):
        return await run_in_login_shell(MuxCommand(words=ssh), "host", script, path, ClientLimits(**limits))  # type: ignore[arg-type]


@contextlib.contextmanager
def closed_socket(path: Path) -> Iterator[str]:
    """Give the path of a socket of mode 0600."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.fsencode(path))
        path.chmod(0o600)
        yield str(path)
    path.unlink()


async def assert_sets_mode(ssh: list[str], path: Path) -> None:
    """Assert that a script does its work in this shell."""
    with closed_socket(path) as name:
        assert await run(ssh, SET_MODE, name) == Result()
        assert stat.S_IMODE(os.lstat(name).st_mode) == 0o660


@pytest.mark.parametrize(
    "start_up",
    [
        "",
        "echo Welcome; printf 'no end of the line: '",
        "echo 'stty: Inappropriate ioctl for device' >&2",
        "i=0; while [ $i -lt 20000 ]; do echo 'a long message of the day'; i=$((i+1)); done",
        "read line; cat >/dev/null",
        "sleep 1000 & echo $! >left",
        "PATH=/nowhere",
        "set -vx; exec 2>&1",
        "trap 'echo goodbye; exit 7' EXIT",
    ],
    ids=["quiet", "prints", "errors", "prints much", "reads", "leaves a process", "PATH", "shows", "farewell"],
)
async def test_start_up_files_are_not_in_the_way(
    start_up: str, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(short_tmp)
    try:
        await assert_sets_mode(login(start_up), short_tmp / "socket")
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.kill(int(Path("left").read_text()), 9)


async def test_a_shell_that_took_another_s_place_reads_the_command(short_tmp: Path) -> None:
    """As ``exec zsh`` in a start-up file has it, by which the command itself is lost."""
    await assert_sets_mode(["/bin/sh", "-c", "exec /bin/sh", "ssh"], short_tmp / "socket")


@pytest.mark.parametrize("shell", ["dash", "bash", "zsh", "fish", "tcsh"])
async def test_every_shell_reads_the_command_alike(shell: str, short_tmp: Path) -> None:
    ssh = login("", require_program(shell))
    for name in (
        "socket",
        "a b",
        "$(touch hurt)",
        "`touch hurt`",
        "a'b\"c\\d",
        "é\udcff",
        "%d\\060",
        "x!y",
        "n\n",
    ):
        await assert_sets_mode(ssh, short_tmp / name)
    assert not list(short_tmp.iterdir())


def test_a_plain_path_stays_readable() -> None:
    """For whoever looks at the gateway's processes."""
    path = "/run/conductor/sockets/alice-k3/socket"
    assert path in format_command(SET_MODE, path)
    said = subprocess.run(["/bin/sh", "-c", format_command('echo "$p"', path)], capture_output=True, check=True)
    assert said.stdout.decode() == f"conductor-trio: 0 {path}\n"


async def test_the_first_line_of_output_is_told() -> None:
    assert await run(login("echo 5"), "echo one; echo two", "/p") == Result(output="one")


@pytest.mark.parametrize(
    ("ssh", "why"),
    [
        (login(""), "No such file"),
        (login("echo 'no shells here' >&2; exit 1"), "no shells here"),
        (login("echo 'This account is not available.'; exit 1"), "This account is not available."),
        (login("printf '\\033[2Jhello\\n' >&2; exit 1"), " [2Jhello".strip()),
        (login("exit 3"), "exit status 3"),
    ],
    ids=["no socket", "error", "nologin", "control codes", "silence"],
)
async def test_what_goes_wrong_is_told(ssh: list[str], why: str, short_tmp: Path) -> None:
    result = await run(ssh, SET_MODE, str(short_tmp / "nothing"))
    assert result.failure is not None
    assert why in result.failure
    assert "\033" not in result.failure


async def test_a_silent_failure_has_its_status() -> None:
    assert await run(login(""), "exit 4", "/p") == Result(failure="exit status 4")


async def test_one_that_never_ends_is_given_up_and_ended(short_tmp: Path) -> None:
    result = await run(["/bin/sh", "-c", "exec sleep 1000"], SET_MODE, "/s", login_shell_timeout=0.1)
    assert result == Result(failure="the login shell there has not done it within 0.1 s")


async def test_without_ssh() -> None:
    with pytest.raises(FileNotFoundError):
        await run([str(shutil.which("nothing") or "/nothing")], SET_MODE, "/s")
