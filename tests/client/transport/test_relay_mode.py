"""The shell that makes a relay socket 0660, here as a login shell of this host instead of one behind ssh."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from conductor_trio.client.output.reporter import LogReporter
from conductor_trio.client.transport.relay_mode import RelayModeShell, run_relay_mode_shell
from conductor_trio.client.transport.ssh_mux import MuxCommand
from conductor_trio.limits.client import ClientLimits

#: In the place of ssh: after ``--`` and the host comes the command, which sshd gives to the login shell.
LOGIN = ["/bin/sh", "-c", 'exec /bin/sh -c "$3"', "ssh"]
TALKATIVE = ["/bin/sh", "-c", 'echo "Welcome to this host"; exec /bin/sh -c "$3"', "ssh"]


@contextlib.asynccontextmanager
async def open_shell(ssh: list[str], limits: ClientLimits | None = None) -> AsyncIterator[RelayModeShell]:
    """Run the shell; on leaving, it has ended."""
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            yield await nursery.start(
                run_relay_mode_shell, MuxCommand(words=ssh), "host", LogReporter(), limits or ClientLimits()
            )
            nursery.cancel_scope.cancel()


@contextlib.contextmanager
def relay_socket(path: Path, mode: int) -> Iterator[str]:
    """Give the path of a socket of that mode."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.fsencode(path))
        path.chmod(mode)
        yield str(path)
    path.unlink()


@pytest.mark.parametrize("ssh", [LOGIN, TALKATIVE], ids=["quiet", "talkative"])
@pytest.mark.parametrize(("mode", "was_open"), [(0o600, False), (0o660, True)])
async def test_the_socket_is_0660_and_what_it_was_before_is_told(
    ssh: list[str], mode: int, was_open: bool, short_tmp: Path
) -> None:
    with relay_socket(short_tmp / "socket", mode) as path:
        async with open_shell(ssh) as shell:
            assert shell.is_waiting
            assert await shell.set_mode(path) is None
            assert shell.done.is_set()
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o660
    assert shell.was_open is was_open


@pytest.mark.parametrize("name", ["a b", "$(touch hurt)", "`touch hurt`", "-R", "a'b\"c\\d", "é\udcff"])
@pytest.mark.parametrize("mode", [0o600, 0o660])
async def test_a_path_is_read_by_no_shell(
    name: str, mode: int, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(short_tmp)
    with relay_socket(short_tmp / name, mode) as path:
        async with open_shell(LOGIN) as shell:
            assert await shell.set_mode(path) is None
        assert shell.was_open is (mode == 0o660)
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o660
    assert not list(short_tmp.iterdir())


@pytest.mark.parametrize(
    ("ssh", "says"),
    [
        (LOGIN, "No such file"),
        (["/bin/sh", "-c", "echo 'no shells here' >&2; exit 1"], "no shells here"),
        (["/bin/sh", "-c", "exit 3"], "exit status 3"),
    ],
    ids=["no socket", "no shell", "silence"],
)
async def test_what_goes_wrong_is_told(ssh: list[str], says: str, short_tmp: Path) -> None:
    async with open_shell(ssh) as shell:
        said = await shell.set_mode(str(short_tmp / "nothing"))
    assert said is not None
    assert says in said
    assert not shell.was_open


async def test_one_that_never_ends_is_given_up_and_ended() -> None:
    never = ["/bin/sh", "-c", "exec sleep 1000"]
    async with open_shell(never, ClientLimits(relay_mode_timeout=0.1)) as shell:
        assert await shell.set_mode("/s") == "the login shell there has not done it within 0.1 s"
        assert shell.done.is_set()
