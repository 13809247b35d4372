"""The listener of the metrics serves one page to a few, and is not held up by anybody."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from conductor_trio.errors import StartError
from conductor_trio.limits.observability import MAX_METRICS_CONNECTIONS, MAX_METRICS_HEAD, METRICS_TIMEOUT
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.listeners import Listener
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.metrics.endpoint import MetricsEndpoint, open_metrics_listeners
from tests.support.engine import make_log

ACCOUNT = Ledger(ServerLimits()).collectors
PIECES = [b"one 1\n", b"two 2\n"]


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    with open_metrics_listeners(("127.0.0.1", 0), takes_over=False) as [listener]:
        endpoint = MetricsEndpoint(
            render=lambda: iter(PIECES), listeners=[listener], log=make_log([]), account=ACCOUNT
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(endpoint.run)
            yield listener
            nursery.cancel_scope.cancel()


async def ask(listener: Listener, data: bytes) -> bytes:
    stream = await trio.open_tcp_stream(*listener.sock.getsockname())
    async with stream:
        await stream.send_all(data)
        return b"".join([chunk async for chunk in stream])


def request(line: bytes) -> bytes:
    return line + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_the_metrics_are_whole(listener: Listener) -> None:
    answer = await ask(listener, request(b"GET /metrics"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and body == b"one 1\ntwo 2\n"
    assert b"Content-Length: 12" in head and b"text/plain; version=0.0.4" in head


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(b"GET /"), 404),
        (request(b"GET /metrics/x"), 404),
        (request(b"GET /_conductor/status"), 404),
        (request(b"POST /metrics"), 405),
        (request(b"DELETE /metrics"), 405),
        (b"hello\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"x" * MAX_METRICS_HEAD + b"\r\n\r\n", 431),
        (request(b"GET /metrics?x=1"), 200),
        (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
    ],
)
async def test_it_serves_nothing_else(listener: Listener, data: bytes, status: int) -> None:
    assert (await ask(listener, data)).startswith(b"HTTP/1.1 %d " % status)


async def test_head_has_no_body(listener: Listener) -> None:
    assert (await ask(listener, request(b"HEAD /metrics"))).endswith(b"\r\n\r\n")


async def test_connections_are_bounded_and_silent_ones_end(
    listener: Listener, autojump_clock: trio.abc.Clock
) -> None:
    streams = [await trio.open_tcp_stream(*listener.sock.getsockname()) for _ in range(MAX_METRICS_CONNECTIONS)]
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert await ask(listener, b"") == b""  # one too many
    await trio.sleep(METRICS_TIMEOUT + 1)
    for stream in streams:
        assert await stream.receive_some() == b""
        await stream.aclose()
    assert (await ask(listener, request(b"GET /metrics"))).startswith(b"HTTP/1.1 200")


async def test_a_fault_ends_one_answer() -> None:
    def fail() -> Iterator[bytes]:
        yield b"one 1\n"
        raise ValueError("a fault")

    entries: list[object] = []
    with open_metrics_listeners(("127.0.0.1", 0), takes_over=False) as [listener]:
        endpoint = MetricsEndpoint(render=fail, listeners=[listener], log=make_log(entries), account=ACCOUNT)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(endpoint.run)
            for _ in range(2):
                assert await ask(listener, request(b"GET /metrics")) == b""
            nursery.cancel_scope.cancel()
    assert len(entries) == 2


# Where it listens.


def port_of(listener: Listener) -> int:
    return int(listener.sock.getsockname()[1])


def test_an_address_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for takes_over in (False, True):
            with (
                pytest.raises(
                    StartError, match=rf"127\.0\.0\.1 port {port} for --metrics: Address already in use"
                ),
                open_metrics_listeners(("127.0.0.1", port), takes_over=takes_over),
            ):
                pass


def test_a_successor_listens_beside_its_predecessor_and_nobody_else() -> None:
    with open_metrics_listeners(("127.0.0.1", 0), takes_over=False) as [first]:
        address = ("127.0.0.1", port_of(first))
        with pytest.raises(StartError), open_metrics_listeners(address, takes_over=False):
            pass
        with open_metrics_listeners(address, takes_over=True) as [second]:
            assert port_of(second) == port_of(first)


async def test_a_path_goes_to_the_successor_when_that_serves(short_tmp: Path) -> None:
    path = short_tmp / "metrics"
    with open_metrics_listeners(str(path), takes_over=False) as [first]:
        with (
            pytest.raises(StartError, match="someone listens there"),
            open_metrics_listeners(str(path), takes_over=False),
        ):
            pass
        former = MetricsEndpoint(
            render=lambda: iter((b"former 1\n",)), listeners=[first], log=make_log([]), account=ACCOUNT
        )
        with open_metrics_listeners(str(path), takes_over=True) as listeners:
            latter = MetricsEndpoint(
                render=lambda: iter((b"latter 1\n",)), listeners=listeners, log=make_log([]), account=ACCOUNT
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(former.run)
                assert b"former 1" in await ask_unix(path)
                nursery.start_soon(latter.run)
                await trio.testing.wait_all_tasks_blocked()
                former.close(is_handed=True)
                assert b"latter 1" in await ask_unix(path)
                nursery.cancel_scope.cancel()
    assert list(short_tmp.iterdir()) == []


async def ask_unix(path: Path) -> bytes:
    async with await trio.open_unix_socket(str(path)) as stream:
        await stream.send_all(request(b"GET /metrics"))
        return b"".join([chunk async for chunk in stream])


def test_without_an_address_nobody_listens() -> None:
    with open_metrics_listeners(None, takes_over=False) as listeners:
        assert listeners == []


async def test_who_asks_again_and_again_waits_behind_others() -> None:
    """It takes milliseconds each time, and whoever can connect can ask."""
    ledger = Ledger(ServerLimits(contention_memory=3600))
    rendered = 0

    def render() -> Iterator[bytes]:
        nonlocal rendered
        for piece in PIECES:
            rendered += 1
            yield piece

    with open_metrics_listeners(("127.0.0.1", 0), takes_over=False) as listeners:
        endpoint = MetricsEndpoint(render=render, listeners=listeners, log=make_log([]), account=ledger.collectors)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(endpoint.run)
            nursery.start_soon(ledger.fairness.run)
            asked = request(b"GET /metrics")
            assert (await ask(listeners[0], asked)).endswith(b"two 2\n")
            await trio.testing.wait_all_tasks_blocked()
            assert rendered == 2
            ledger.session("quiet", "alice").note_wish()
            ledger.collectors.note_wish()
            ledger.collectors.note_wish()
            assert ledger.fairness.is_contended
            ledger.collectors.caught_up_at = ledger.fairness.now() + 3600
            with trio.move_on_after(0.1) as waiting:
                await ask(listeners[0], asked)
            assert waiting.cancelled_caught and rendered <= 3
            nursery.cancel_scope.cancel()
