"""What goes over a connection of ssh that stands, here by programs that stand for it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from conductor_trio.client.transport.ssh_mux import SshMux
from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.limits.client import ClientLimits
from tests.support.descriptors import no_descriptor_left

# Says where its -S leads, as ssh would connect there, and what it was told besides.
SSH = """#!/bin/sh
while [ "$1" != -S ]; do shift; done
exec python3 -SEc '
import os, socket, sys
with socket.socket(socket.AF_UNIX) as control:
    control.connect(sys.argv[1])
    control.sendall(repr((os.getcwd(), sys.argv[2:], sys.stdin.read())).encode())
print("said", file=sys.stderr)
sys.exit(7)
' "$2" "$@"
"""


@pytest.fixture
def place(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a directory of sockets, beside an ssh."""
    (short_tmp / "bin").mkdir()
    (short_tmp / "bin" / "ssh").write_text(SSH)
    (short_tmp / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{short_tmp / 'bin'}:{os.environ['PATH']}")
    (short_tmp / "d").mkdir()
    return short_tmp / "d"


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        sock.settimeout(10)
        yield sock
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("is_removed", [False, True])
async def test_a_command_goes_through_the_control_socket(place: Path, is_removed: bool) -> None:
    with listening(place / "m") as control, contextlib.closing(SshMux(str(place), ClientLimits())) as mux:
        mux.hold()
        if is_removed:
            (place / "m").unlink()
        assert await mux.run(["-O", "check", "a b", "$x"]) == (7, "said")
        connection, _ = control.accept()
        with connection:
            cwd, words, stdin = eval(connection.recv(65536))
        assert cwd == "/"
        assert words[-4:] == ["-O", "check", "a b", "$x"]
        assert stdin == ""
        command = mux.command()
        await trio.run_process(command.words, stdin=b"input", pass_fds=command.descriptors, check=False)
        connection, _ = control.accept()
        with connection:
            *_, stdin = eval(connection.recv(65536))
        assert stdin == "input"


@pytest.mark.parametrize("is_removed", [False, True])
async def test_the_control_channel_goes_through_the_forwarded_socket(place: Path, is_removed: bool) -> None:
    with listening(place / "c") as forward, contextlib.closing(SshMux(str(place), ClientLimits())) as mux:
        mux.hold()
        if is_removed:
            (place / "c").unlink()
        (await mux.connect()).close()
        forward.accept()[0].close()


async def test_without_ssh_there_is_nothing_to_connect_to(place: Path) -> None:
    with contextlib.closing(SshMux(str(place), ClientLimits())) as mux:
        mux.hold()
        with pytest.raises(UpstreamUnavailable):
            await mux.connect()
        with no_descriptor_left():
            status, said = await mux.run(["-O", "check"])
        assert status == -1
        assert "ssh cannot be run" in said


async def test_what_hangs_is_given_up(place: Path) -> None:
    (place.parent / "bin" / "ssh").write_text("#!/bin/sh\nexec sleep 1000\n")
    with contextlib.closing(SshMux(str(place), ClientLimits(ssh_command_timeout=0.1))) as mux:
        assert await mux.run(["-O", "check"]) == (-1, "no answer within 0.1 s")
