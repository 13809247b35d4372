"""What a client leaves that was killed with SIGKILL: no application, no ssh, no directory."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conductor_trio.client.host.cleanup import open_cleanup
from conductor_trio.limits.client import ClientLimits
from tests.doubles.client_command import python, shell
from tests.support.children import children_of

#: A client that has its arguments cleaned up, says so, and waits to be killed.
CLIENT = """
import contextlib, sys, trio
from conductor_trio.client.host.cleanup import open_cleanup
from conductor_trio.limits.client import ClientLimits

async def main():
    async with open_cleanup(ClientLimits(term_timeout=float(sys.argv[1]))) as cleanup:
        with contextlib.ExitStack() as stack:
            for word in sys.argv[2:]:
                stack.enter_context(cleanup.covering(*word.split("=")))
            print("ready", flush=True)
            await trio.sleep_forever()

trio.run(main)
"""


def kill_client(*watched: str, term_timeout: float = 10.0) -> None:
    """Have a client watch these, kill it, and wait until who cleans up behind it has ended."""
    command = [sys.executable, "-c", CLIENT, str(term_timeout), *watched]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        [cleaner] = children_of(client.pid)
        handle = os.pidfd_open(cleaner)
        client.kill()
    wait_gone(handle)


@contextlib.contextmanager
def running(command: list[str], *, leads_group: bool) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a program in a group of its own, or in ours, and give it with the line that it has said."""
    group = 0 if leads_group else None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=group) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()


def wait_gone(handle: int) -> None:
    """Wait for the end of a process, by its pidfd, whoever's child it is."""
    try:
        assert select.select([handle], [], [], 20)[0], "it does not end"
    finally:
        os.close(handle)


@pytest.mark.parametrize("what", ["ssh_directory", "app_directory"])
def test_a_directory_is_gone(what: str, tmp_path: Path) -> None:
    directory = tmp_path / "-rf odd name"
    (directory / "below").mkdir(parents=True)
    kill_client(f"{what}={directory}")
    assert list(tmp_path.iterdir()) == []


def test_an_application_gets_its_grace_and_all_of_its_group_are_gone() -> None:
    script = "trap 'exit 5' TERM; sleep 1000 & echo $!; wait"
    with running(shell(script), leads_group=True) as (process, child):
        handle = os.pidfd_open(int(child))
        kill_client(f"app={process.pid}", term_timeout=1.0)
        assert process.wait(20) == 5
        wait_gone(handle)


def test_one_that_does_not_obey_is_killed_when_the_grace_is_over() -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    with running(python(stubborn), leads_group=True) as (process, _):
        kill_client(f"app={process.pid}", term_timeout=0.2)
        assert process.wait(20) == -signal.SIGKILL


def test_ssh_is_told_to_end_and_nobody_else() -> None:
    with running(shell("echo; exec sleep 1000"), leads_group=False) as (other, _):
        with running(shell("echo; exec sleep 1000"), leads_group=False) as (process, _):
            kill_client(f"ssh={process.pid}")
            assert process.wait(20) == -signal.SIGTERM
        assert other.poll() is None
        other.kill()


async def test_a_cleanup_process_that_was_killed_is_not_missed(short_tmp: Path) -> None:
    async with open_cleanup(ClientLimits()) as cleanup:
        with cleanup.covering("app_directory", short_tmp):
            (child,) = children_of(os.getpid())
            os.kill(child, signal.SIGKILL)
    assert short_tmp.exists()


async def test_a_finished_cleanup_leaves_everything_alone(short_tmp: Path) -> None:
    kept = short_tmp / "kept"
    kept.mkdir()
    async with open_cleanup(ClientLimits()) as cleanup:
        with cleanup.covering("app_directory", kept):
            pass
    assert kept.is_dir()


def test_a_killed_clients_link_is_removed_and_another_that_has_its_place_stays(tmp_path: Path) -> None:
    """By its number; half of a link has a name that nobody else uses."""
    for name in ("a link", "other", "part"):
        (tmp_path / name).touch()
    ours, others = (tmp_path / "a link").stat().st_ino, (tmp_path / "a link").stat().st_ino
    kill_client(f"link_file={ours} {tmp_path / 'a link'}", f"link_part={tmp_path / 'part'}")
    kill_client(f"link_file={others} {tmp_path / 'other'}")
    assert os.listdir(tmp_path) == ["other"]
