"""Readiness: what counts as being ready."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from conductor_trio.client.application.readiness import wait_ready
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.limits.client import ClientLimits

LIMITS = ClientLimits(probe_timeout=0.2)
OK = b"HTTP/1.1 200 OK\r\n"


@contextlib.asynccontextmanager
async def answering(path: Path, *answers: bytes | None) -> AsyncIterator[list[bytes]]:
    """Listen at the path, and give the heads of the requests so far; None keeps a request waiting for ever."""
    requests: list[bytes] = []
    held: list[trio.SocketStream] = []
    left = list(answers)

    async def serve(stream: trio.SocketStream) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (chunk := await stream.receive_some(4096)):
                return
            head += chunk
        requests.append(head)
        answer = left.pop(0)
        if answer is None:
            held.append(stream)
        else:
            await stream.send_all(answer)
            await stream.aclose()

    with trio.socket.socket(socket.AF_UNIX) as sock:
        await sock.bind(str(path))
        sock.listen()
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, serve, [trio.SocketListener(sock)])
            yield requests
            nursery.cancel_scope.cancel()
    path.unlink()
    for stream in held:
        await trio.aclose_forcefully(stream)


@pytest.fixture
def local_socket(short_tmp: Path) -> Iterator[ApplicationSocket]:
    with contextlib.closing(ApplicationSocket(str(short_tmp / "s"))) as local_socket:
        yield local_socket


async def test_without_a_path_accepting_is_enough(short_tmp: Path, local_socket: ApplicationSocket) -> None:
    is_ready = trio.Event()

    async def wait() -> None:
        await wait_ready(local_socket, None, LIMITS)
        is_ready.set()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            assert not is_ready.is_set()
            async with answering(short_tmp / "s") as requests:
                await is_ready.wait()
    assert requests == []


@pytest.mark.parametrize("status", [200, 204, 302, 403, 404, 499])
async def test_any_answer_but_a_failure_is_enough(
    short_tmp: Path, local_socket: ApplicationSocket, status: int
) -> None:
    async with answering(short_tmp / "s", b"HTTP/1.1 %d .\r\n\r\n" % status) as requests:
        with trio.fail_after(20):
            await wait_ready(local_socket, "/a?b", LIMITS)
    (request,) = requests
    assert request.startswith(b"GET /a?b HTTP/1.1\r\nHost: localhost\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 .\r\n\r\n",
        b"HTTP/1.1 503 .\r\n\r\n",
        b"",
        b"HTTP/1.1 20",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000,
        None,
    ],
)
async def test_what_is_no_answer_is_asked_for_again(
    short_tmp: Path, local_socket: ApplicationSocket, answer: bytes | None
) -> None:
    good = b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"\r\n"
    async with answering(short_tmp / "s", answer, answer, good) as requests:
        with trio.fail_after(20):
            await wait_ready(local_socket, "/", LIMITS)
    assert len(requests) == 3
