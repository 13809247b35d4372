"""Streams over real sockets: every way in which a peer can end, stall, break or never have been there."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme

from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.tls import TlsStream
from conductor_trio.net.unix import connect_unix
from tests.doubles.streams import memory_stream_pair
from tests.support.sockets import receive_all, tcp_sockets

Pair = tuple[SocketStream, SocketStream]


def sockets(family: str) -> tuple[socket.socket, socket.socket]:
    return tcp_sockets() if family == "tcp" else socket.socketpair()


@pytest.fixture(params=["tcp", "unix"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    one, other = map(SocketStream, sockets(request.param))
    yield one, other
    one.close()
    other.close()


@pytest.fixture
async def unix_pair() -> AsyncIterator[Pair]:
    one, other = map(SocketStream, sockets("unix"))
    yield one, other
    one.close()
    other.close()


@pytest.fixture
async def tcp_pair() -> AsyncIterator[Pair]:
    one, other = map(SocketStream, sockets("tcp"))
    yield one, other
    one.close()
    other.close()


async def fill(stream: SocketStream) -> int:
    """Send until the kernel takes no more; return how much that was."""
    sent = 0
    while True:
        with trio.move_on_after(0) as scope:
            await stream.send_all(b"x" * 65536)
            sent += 65536
        if scope.cancelled_caught:
            return sent


async def test_bytes_arrive_in_order_however_they_are_cut(pair: Pair) -> None:
    one, other = pair
    data = os.urandom(2_000_003)

    async def send() -> None:
        for at in range(0, len(data), 70_001):
            await one.send_all(memoryview(data)[at : at + 70_001])
        await one.send_all(b"")
        await one.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        assert await receive_all(other, 30_011) == data


async def test_both_directions_at_once(pair: Pair) -> None:
    data = bytes(3_000_000)
    results: list[bytes] = []

    async def send(stream: SocketStream) -> None:
        await stream.send_all(data)
        await stream.send_eof()

    async def receive(stream: SocketStream) -> None:
        results.append(await receive_all(stream))

    async with trio.open_nursery() as nursery:
        for stream in pair:
            nursery.start_soon(send, stream)
            nursery.start_soon(receive, stream)
    assert results == [data, data]


async def test_an_end_of_one_direction_leaves_the_other(pair: Pair) -> None:
    one, other = pair
    await one.send_all(b"question")
    await one.send_eof()
    assert await receive_all(other) == b"question"
    assert not other.is_fully_closed()
    await other.send_all(b"answer")
    assert await one.receive_some(100) == b"answer"


async def test_an_end_after_the_peer_s_close_is_no_error(pair: Pair) -> None:
    one, other = pair
    other.close()
    assert await one.receive_some(1) == b""
    await one.send_eof()
    await one.send_eof()


async def test_a_closed_unix_peer_shows_as_hung_up_and_a_half_closed_one_does_not(unix_pair: Pair) -> None:
    one, other = unix_pair
    await other.send_eof()
    assert await one.receive_some(1) == b""
    assert not one.is_fully_closed()
    other.close()
    assert one.is_fully_closed()


async def test_a_tcp_peer_s_fin_is_no_hang_up_but_its_reset_is(tcp_pair: Pair) -> None:
    one, other = tcp_pair
    await other.send_eof()
    assert await one.receive_some(1) == b""
    assert not one.is_fully_closed()
    other.reset()
    await trio.lowlevel.wait_readable(one)
    assert one.is_fully_closed()


async def test_a_reset_is_no_end(tcp_pair: Pair) -> None:
    one, other = tcp_pair
    other.reset()
    other.reset()
    with pytest.raises(trio.BrokenResourceError):
        await one.receive_some(1)


async def test_sending_to_a_peer_that_is_gone_breaks(pair: Pair) -> None:
    one, other = pair
    other.close()
    with pytest.raises(trio.BrokenResourceError):
        while True:
            await one.send_all(b"x" * 65536)


@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_a_peer_that_is_reset_while_we_send_breaks_the_send(family: str) -> None:
    one, other = map(SocketStream, sockets(family))
    with contextlib.closing(one), contextlib.closing(other):
        await fill(one)
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                with pytest.raises(trio.BrokenResourceError):
                    await one.send_all(b"x" * 10_000_000)

            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            other.reset()


async def test_what_was_sent_before_a_unix_peer_closed_still_arrives(unix_pair: Pair) -> None:
    one, other = unix_pair
    await one.send_all(b"never read")
    await other.send_all(b"farewell")
    other.close()
    assert await one.receive_some(100) == b"farewell"


async def test_a_stream_is_quiet_until_there_is_something_to_receive(pair: Pair) -> None:
    one, other = pair
    assert one.is_quiet()
    await other.send_all(b"abc")
    await trio.lowlevel.wait_readable(one)
    assert not one.is_quiet()
    assert await one.receive_some(3) == b"abc"
    assert one.is_quiet()
    await other.send_eof()
    await trio.lowlevel.wait_readable(one)
    assert not one.is_quiet()
    one.close()
    assert not one.is_quiet()


async def test_a_slow_reader_holds_its_writer(pair: Pair) -> None:
    one, other = pair
    await fill(one)
    finished = trio.Event()

    async def send() -> None:
        await one.send_all(b"y")
        finished.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert not finished.is_set()
        while not finished.is_set():
            await other.receive_some(65536)


async def test_a_peer_that_does_not_read_is_given_up(
    unix_pair: Pair, autojump_clock: trio.testing.MockClock
) -> None:
    one, _ = unix_pair
    one.send_timeout = 300
    started = trio.current_time()
    with pytest.raises(trio.TooSlowError):
        await one.send_all(b"x" * 10_000_000)
    assert trio.current_time() - started == pytest.approx(300)


async def test_a_peer_that_reads_a_little_is_not_given_up(
    unix_pair: Pair, autojump_clock: trio.testing.MockClock
) -> None:
    one, other = unix_pair
    one.send_timeout = 10
    await fill(one)
    sent = trio.Event()

    async def send() -> None:
        await one.send_all(b"x" * 1_000_000)
        sent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while not sent.is_set():
            await trio.sleep(9)
            while not other.is_quiet():  # a UNIX socket takes more once it is three quarters empty
                await other.receive_some(65536)
    assert trio.current_time() > 20  # it took longer than the limit in all


@pytest.mark.parametrize("action", ["receive", "send"])
async def test_closing_wakes_who_waits(unix_pair: Pair, action: str) -> None:
    one, _ = unix_pair
    await fill(one)
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await (one.receive_some(1) if action == "receive" else one.send_all(b"x" * 10_000_000))

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        one.close()


async def test_a_closed_stream_says_so(pair: Pair) -> None:
    one, _ = pair
    one.close()
    one.close()
    one.reset()
    await one.aclose()
    assert one.fileno() == -1
    with pytest.raises(trio.ClosedResourceError):
        await one.send_all(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await one.receive_some(1)
    await one.send_eof()
    assert one.is_fully_closed()


async def test_a_cancelled_receive_loses_nothing(pair: Pair) -> None:
    one, other = pair
    with trio.move_on_after(0):
        await one.receive_some(10)
    await other.send_all(b"kept")
    assert await one.receive_some(10) == b"kept"


# connect_unix


async def test_connect_reaches_who_listens(short_tmp: Path) -> None:
    path = short_tmp / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        stream = await connect_unix(str(path), connect_timeout=5, send_timeout=7)
        with contextlib.closing(stream), listener.accept()[0] as accepted:
            assert stream.send_timeout == 7
            accepted.sendall(b"hello")
            assert await stream.receive_some(10) == b"hello"
    path.unlink()


@pytest.mark.parametrize("what", ["nothing", "file", "dead", "directory", "datagram", "too long"])
async def test_what_cannot_be_connected_to_is_unavailable(short_tmp: Path, what: str) -> None:
    path = short_tmp / ("s" * 120 if what == "too long" else "s")
    with contextlib.ExitStack() as stack:
        if what == "file":
            path.touch()
        elif what == "directory":
            path.mkdir()
        elif what in ("dead", "datagram"):
            kind = socket.SOCK_STREAM if what == "dead" else socket.SOCK_DGRAM
            stack.enter_context(socket.socket(socket.AF_UNIX, kind)).bind(str(path))
        with pytest.raises(UpstreamUnavailable) as unavailable:
            await connect_unix(str(path), connect_timeout=5)
        assert unavailable.value.status == 502
        assert "\n" not in str(unavailable.value)
    if path.is_socket():
        path.unlink()


@pytest.fixture
def busy(short_tmp: Path) -> Iterator[tuple[str, socket.socket]]:
    """Give the path of a socket whose backlog is full, and its listener."""
    path = short_tmp / "busy"
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        listener.listen(0)  # one connection more than that waits
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(str(path))
        yield str(path), listener
    path.unlink()


async def test_a_full_backlog_is_503_after_the_timeout(
    busy: tuple[str, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(UpstreamUnavailable) as unavailable:
        await connect_unix(busy[0], connect_timeout=5)
    assert unavailable.value.status == 503
    assert trio.current_time() == pytest.approx(5, abs=0.1)


async def test_a_backlog_that_empties_in_time_is_waited_for(
    busy: tuple[str, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    path, listener = busy

    async with trio.open_nursery() as nursery:

        async def accept_late() -> None:
            await trio.sleep(3)
            listener.accept()[0].close()

        nursery.start_soon(accept_late)
        stream = await connect_unix(path, connect_timeout=5)
    with contextlib.closing(stream), listener.accept()[0] as accepted:
        await stream.send_all(b"at last")
        assert accepted.recv(10) == b"at last"


async def test_waiting_for_a_backlog_can_be_cancelled(busy: tuple[str, socket.socket]) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(connect_unix, busy[0], connect_timeout=60))
            await trio.testing.wait_all_tasks_blocked(0.02)
            scope.cancel()
    assert scope.cancelled_caught


# TLS


class Authority:
    """A certificate authority that both ends of a test trust."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("localhost").configure_cert(self.server)
        self.client = ssl.create_default_context()
        self.ca.configure_trust(self.client)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@contextlib.asynccontextmanager
async def open_tls_pair(
    authority: Authority, *, https_compatible: bool = True
) -> AsyncIterator[tuple[TlsStream, trio.SSLStream[trio.SocketStream]]]:
    """Give both ends of a connection that has shaken hands."""
    ours, theirs = tcp_sockets()
    stream = TlsStream(SocketStream(ours), authority.server)
    theirs.setblocking(False)
    peer = trio.SSLStream(
        trio.SocketStream(trio.socket.from_stdlib_socket(theirs)),
        authority.client,
        server_hostname="localhost",
        https_compatible=https_compatible,
    )
    with contextlib.closing(stream), contextlib.closing(theirs):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.do_handshake)
            await stream.handshake()
        try:
            yield stream, peer
        finally:
            await trio.aclose_forcefully(peer)


async def test_tls_carries_bytes_both_ways(authority: Authority) -> None:
    data = os.urandom(1_000_003)
    async with open_tls_pair(authority) as (stream, peer), trio.open_nursery() as nursery:

        async def send() -> None:
            await peer.send_all(data)
            await peer.aclose()

        nursery.start_soon(send)
        assert await receive_all(stream) == data


async def test_tls_ends_in_both_directions_at_once(authority: Authority) -> None:
    async with open_tls_pair(authority) as (stream, peer):
        assert not stream.can_half_close
        await stream.send_all(b"all")
        await stream.send_eof()  # does nothing
        await stream.send_all(b" of it")
        await stream.aclose()
        await stream.aclose()
        assert await peer.receive_some(100) + await peer.receive_some(100) == b"all of it"
        assert await peer.receive_some(100) == b""  # close_notify: an end


async def test_tls_that_is_closed_at_once_looks_cut_short(authority: Authority) -> None:
    async with open_tls_pair(authority, https_compatible=False) as (stream, peer):
        await stream.send_all(b"half of")
        stream.close()
        assert await peer.receive_some(100) == b"half of"
        with pytest.raises(trio.BrokenResourceError):
            await peer.receive_some(100)


async def test_a_visitor_whose_certificate_is_missing_is_told_so(authority: Authority) -> None:
    strict = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.ca.issue_cert("localhost").configure_cert(strict)
    authority.ca.configure_trust(strict)
    strict.verify_mode = ssl.CERT_REQUIRED
    ours, theirs = tcp_sockets()
    stream = TlsStream(SocketStream(ours), strict)
    said: list[str] = []

    def visit() -> None:
        with theirs, authority.client.wrap_socket(theirs, server_hostname="localhost") as peer:
            try:
                peer.recv(1)
            except ssl.SSLError as error:
                said.append(error.reason)

    with contextlib.closing(stream):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, visit)
            with pytest.raises(trio.BrokenResourceError):
                await stream.handshake()
    assert said == ["TLSV13_ALERT_CERTIFICATE_REQUIRED"]


async def test_a_tls_peer_that_breaks_is_broken(authority: Authority) -> None:
    async with open_tls_pair(authority) as (stream, peer):
        peer.transport_stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.transport_stream.socket.close()
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some(1)


async def test_a_tls_peer_that_goes_without_farewell_has_ended(authority: Authority) -> None:
    async with open_tls_pair(authority) as (stream, peer):
        await trio.aclose_forcefully(peer)
        assert await stream.receive_some(1) == b""


async def test_garbage_is_no_handshake(authority: Authority) -> None:
    ours, theirs = tcp_sockets()
    stream = TlsStream(SocketStream(ours), authority.server)
    with contextlib.closing(stream), theirs:
        theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(trio.BrokenResourceError):
            await stream.handshake()
        await stream.aclose()


async def test_a_peer_that_leaves_in_the_handshake_breaks_it(authority: Authority) -> None:
    ours, theirs = tcp_sockets()
    stream = TlsStream(SocketStream(ours), authority.server)
    with contextlib.closing(stream):
        theirs.close()
        with pytest.raises(trio.BrokenResourceError):
            await stream.handshake()


async def test_a_tls_peer_that_does_not_read_is_given_up(
    authority: Authority, autojump_clock: trio.testing.MockClock
) -> None:
    autojump_clock.autojump_threshold = float("inf")  # a handshake over real sockets is no idle time
    async with open_tls_pair(authority) as (stream, _):
        stream._socket.send_timeout = 300
        autojump_clock.autojump_threshold = 0.05
        with pytest.raises(trio.TooSlowError):
            await stream.send_all(b"x" * 20_000_000)
        await stream.aclose()  # does not wait for such a peer either


@pytest.mark.parametrize("action", ["receive", "send"])
async def test_closing_tls_wakes_who_waits(authority: Authority, action: str) -> None:
    async with open_tls_pair(authority) as (stream, _), trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises((trio.ClosedResourceError, trio.BrokenResourceError)):
                await (stream.receive_some(1) if action == "receive" else stream.send_all(b"x" * 20_000_000))

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked(0.05)
        stream.close()


async def test_closing_tls_with_a_full_socket_takes_a_second_at_most(
    authority: Authority, autojump_clock: trio.testing.MockClock
) -> None:
    autojump_clock.autojump_threshold = float("inf")
    async with open_tls_pair(authority) as (stream, _):
        autojump_clock.autojump_threshold = 0.05
        with trio.move_on_after(1):
            await stream.send_all(b"x" * 20_000_000)
        started = trio.current_time()
        await stream.aclose()
        assert trio.current_time() - started <= 1


# the double has the manners of a UNIX socket


async def test_the_memory_pair_does_as_sockets_do() -> None:
    one, other = memory_stream_pair()
    await one.send_all(b"question")
    await one.send_eof()
    assert await receive_all(other) == b"question"
    assert not other.is_fully_closed()
    await other.send_all(b"answer")
    other.close()
    assert await one.receive_some(3) == b"ans"
    assert await receive_all(one) == b"wer"
    assert one.is_fully_closed()
    with pytest.raises(trio.BrokenResourceError):
        await one.send_all(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await other.receive_some(1)


async def test_the_memory_pair_holds_its_writer(autojump_clock: trio.testing.MockClock) -> None:
    one, other = memory_stream_pair(capacity=4)
    one.send_timeout = 3
    with pytest.raises(trio.TooSlowError):
        await one.send_all(b"12345")
    assert await other.receive_some(10) == b"1234"
    other.reset()
    with pytest.raises(trio.BrokenResourceError):
        await one.receive_some(1)
    with pytest.raises(trio.BrokenResourceError):
        await one.send_all(b"x")
