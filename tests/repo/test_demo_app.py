"""The demo's application by itself, on its UNIX socket."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import h11
import pytest
import trio
from trio_websocket import wrap_client_stream

from scripts import demo_app

BODY = bytes(range(256)) * 4096
ANSWER_TIMEOUT = 10


@pytest.fixture
async def app(short_tmp: Path, nursery: trio.Nursery) -> AsyncIterator[str]:
    """Run the application; gives the path of its socket."""
    path = short_tmp / "app.sock"
    async with trio.open_nursery() as running:
        await running.start(demo_app.serve, str(path))
        yield str(path)
        running.cancel_scope.cancel()
    assert not path.exists()


class Visitor:
    """A connection to the application that sends bytes as they are and reads answers."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._http = h11.Connection(h11.CLIENT)

    async def ask(self, data: bytes, *, method: str = "GET") -> tuple[int, bytes]:
        """Send the bytes of one request; returns the answer's status and body."""
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        # h11 has to know of a request to take in its answer.
        self._http.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        self._http.send(h11.EndOfMessage())
        await self.stream.send_all(data)
        return await self.read_answer()

    async def read_answer(self) -> tuple[int, bytes]:
        """Read one answer to its end."""
        status, body = 0, b""
        with trio.fail_after(ANSWER_TIMEOUT):
            while True:
                match self._http.next_event():
                    case h11.NEED_DATA:
                        self._http.receive_data(bytes(await self.stream.receive_some()))
                    case h11.Response(status_code=status):
                        pass
                    case h11.Data(data=data):
                        body += bytes(data)
                    case h11.EndOfMessage():
                        return status, body


async def open_visitor(path: str) -> Visitor:
    return Visitor(await trio.open_unix_socket(path))


async def ask(path: str, data: bytes, *, method: str = "GET") -> tuple[int, bytes]:
    """Ask one thing over a connection of its own."""
    visitor = await open_visitor(path)
    async with visitor.stream:
        return await visitor.ask(data, method=method)


async def test_only_the_owner_may_open_the_socket(app: str) -> None:
    assert stat.S_IMODE((await trio.Path(app).stat()).st_mode) == 0o600


async def test_the_page_needs_nothing_from_elsewhere(app: str) -> None:
    status, body = await ask(app, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 200
    assert b"<title>" in body
    assert body.count(b"http://") == body.count(b"http://www.w3.org/2000/svg")  # a name, not a place to load from
    assert b"https://" not in body


async def test_headers_come_back_as_they_arrived(app: str) -> None:
    status, body = await ask(app, b"GET /headers HTTP/1.1\r\nHost: x\r\ncOOkie: a=b\r\n\r\n")
    assert status == 200
    assert json.loads(body) == [["Host", "x"], ["cOOkie", "a=b"]]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"GET /nothing", 404), (b"POST /headers", 405), (b"GET /upload", 405), (b"GET /ws", 426)],
)
async def test_what_is_not_there_has_its_status(app: str, request_line: bytes, status: int) -> None:
    answer, _ = await ask(app, request_line + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer == status


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_upload_is_measured_and_hashed(app: str, framing: str) -> None:
    head = b"POST /upload HTTP/1.1\r\nHost: x\r\n"
    if framing == "length":
        data = b"%sContent-Length: %d\r\n\r\n%s" % (head, len(BODY), BODY)
    else:
        data = b"%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (head, len(BODY), BODY)
    status, body = await ask(app, data, method="POST")
    assert status == 200
    assert json.loads(body) == {"size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}


async def test_events_come_one_by_one(app: str, autojump_clock: trio.testing.MockClock) -> None:
    visitor = await open_visitor(app)
    async with visitor.stream:
        await visitor.stream.send_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        seen = b""
        while b'"count": 3' not in seen:
            seen += await visitor.stream.receive_some()
    assert seen.count(b"data: ") == 3


async def test_the_ticker_ticks_and_echoes_on_a_connection_used_before(
    app: str, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    visitor = await open_visitor(app)
    async with visitor.stream:
        assert (await visitor.ask(b"GET /headers HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 200
        socket = await wrap_client_stream(nursery, visitor.stream, "x", "/ws")
        assert json.loads(await socket.get_message()) == {"tick": 1}
        await socket.send_message("hello")
        assert await socket.get_message() == "hello"
        assert json.loads(await socket.get_message()) == {"tick": 2}
        await socket.aclose()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"NONSENSE\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00",
        b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000,
    ],
)
async def test_a_broken_visitor_concerns_nobody_else(
    app: str, nonsense: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    visitor = await open_visitor(app)
    async with visitor.stream:
        with trio.fail_after(ANSWER_TIMEOUT), contextlib.suppress(trio.BrokenResourceError):
            await visitor.stream.send_all(nonsense)
            await visitor.stream.send_eof()
            while await visitor.stream.receive_some():
                pass
    assert (await ask(app, b"GET /headers HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 200
    assert capfd.readouterr().err == ""


def test_sigterm_ends_it_and_removes_its_socket(short_tmp: Path) -> None:
    path = short_tmp / "app.sock"
    command = [sys.executable, "-W", "error", demo_app.__file__, str(path)]

    async def run() -> int:
        process: trio.Process
        async with trio.open_nursery() as nursery:
            process = await nursery.start(trio.run_process, command)
            with trio.fail_after(ANSWER_TIMEOUT):
                while not path.is_socket():  # noqa: ASYNC110  another process's socket, which nothing announces
                    await trio.sleep(0.01)
            process.send_signal(signal.SIGTERM)
        return process.returncode or 0

    assert trio.run(run) == 0
    assert not path.exists()


def test_a_file_in_the_way_is_told_in_one_line(short_tmp: Path) -> None:
    path = short_tmp / "app.sock"
    path.write_text("precious")
    done = subprocess.run([sys.executable, demo_app.__file__, path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert path.read_text() == "precious"
