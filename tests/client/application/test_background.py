"""Applications that go into the background: told with what to do, and not left running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from conductor_trio.client.application.background import explain_end
from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.net.procfs import process_ids
from tests.doubles.client_command import open_client, python
from tests.doubles.control_server import ControlServer, open_control_server

DAEMON = """
import os, socket, sys, time
path = sys.argv[1] if len(sys.argv) > 1 else os.environ["CONDUCTOR_SOCKET"]
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
for descriptor in range(3):
    os.close(descriptor)
time.sleep(0.3)
listener = socket.socket(socket.AF_UNIX) if path else socket.socket()
listener.bind(path or ("127.0.0.1", 0))
listener.listen()
time.sleep(1000)
"""


@pytest.fixture
async def server(short_tmp: Path) -> AsyncIterator[ControlServer]:
    async with open_control_server(short_tmp) as server:
        yield server


def list_running(mark: str) -> list[int]:
    """Return the processes in whose command a word stands."""
    found = []
    for pid in process_ids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in words:
            found.append(pid)
    return found


@pytest.mark.parametrize("place", ["told", "given", "tcp"])
async def test_a_daemon_is_told_and_not_left_running(server: ControlServer, short_tmp: Path, place: str) -> None:
    mark = f"{short_tmp}/mark"
    words: dict[str, list[str | Path]] = {
        "told": [server.path, "--", *python(DAEMON), "{socket}", mark],
        "given": [server.path, short_tmp / "app.sock", "--", *python(DAEMON), str(short_tmp / "app.sock"), mark],
        "tcp": [server.path, "--", *python(DAEMON), "", mark],
    }
    async with open_client(*words[place]) as client:
        assert await client.finish() == 0
    assert "live" not in client.states
    [failed] = client.all("failed")
    assert "put itself into the background (process " in failed["reason"]
    assert failed["reason"].endswith("has been ended there; have it stay in the foreground")
    assert client.events[-1] == {"state": "exit", "status": 0}
    with trio.fail_after(10):
        while list_running(mark):  # noqa: ASYNC110
            await trio.sleep(0.01)


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (("serve",), "if it goes into the background, have it stay in the foreground"),
        (
            ("apptainer", "exec", "web.sif", "/usr/sbin/nginx"),
            "if it goes into the background, have it stay in the foreground: -g 'daemon off;'",
        ),
    ],
)
def test_where_nothing_is_seen_of_it_it_is_advised_all_the_same(command: tuple[str, ...], advice: str) -> None:
    settings = ClientSettings(
        server=ServerAddress(host=None, path="/c"), local_socket=None, launch=Launch(command=command), token="x"
    )
    failed = explain_end(settings, 0, "/s", None)
    assert (failed.what, failed.advice) == ("the application ended with status 0 before it listened on /s", advice)
    assert explain_end(settings, 1, "/s", None).advice is None
