"""TLS over real sockets: both ways, its end, and every way in which a peer can break it."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import socket
import ssl
import termios
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from conductor_trio.limits.constants import TLS_RECORD_SIZE, TLS_SEND_SIZE
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.tls import TlsStream
from tests.support.sockets import receive_all, tcp_sockets
from tests.support.tls_visitor import Authority, TlsVisitor


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@contextlib.asynccontextmanager
async def open_tls_pair(
    authority: Authority,
    *,
    https_compatible: bool = True,
    send_timeout: float = float("inf"),
    sockets: tuple[socket.socket, socket.socket] | None = None,
) -> AsyncIterator[tuple[TlsStream, trio.SSLStream[trio.SocketStream]]]:
    """Give both ends of a connection that has shaken hands."""
    ours, theirs = sockets or tcp_sockets()
    stream = TlsStream(SocketStream(ours, send_timeout=send_timeout), authority.server)
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


@contextlib.asynccontextmanager
async def open_tls_sockets(authority: Authority) -> AsyncIterator[tuple[TlsStream, TlsVisitor]]:
    """Give the same with a peer that can end its direction alone."""
    ours, theirs = tcp_sockets()
    peer = authority.visitor(SocketStream(theirs))
    with contextlib.closing(TlsStream(SocketStream(ours), authority.server)) as stream, contextlib.closing(peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.handshake)
            await stream.handshake()
        yield stream, peer


async def test_tls_carries_bytes_both_ways(authority: Authority) -> None:
    data = os.urandom(1_000_003)
    async with open_tls_pair(authority) as (stream, peer), trio.open_nursery() as nursery:

        async def send() -> None:
            await peer.send_all(data)
            await peer.aclose()

        nursery.start_soon(send)
        assert await receive_all(stream) == data


async def test_tls_1_2_carries_bytes_both_ways() -> None:
    authority = Authority()
    authority.server.maximum_version = ssl.TLSVersion.TLSv1_2
    async with open_tls_pair(authority) as (stream, peer):
        await peer.send_all(b"question")
        assert await stream.receive_some(100) == b"question"
        await stream.send_all(b"answer")
        assert await peer.receive_some(100) == b"answer"


async def test_tls_says_nothing_more_after_a_record_that_was_cut(authority: Authority) -> None:
    async with open_tls_pair(authority) as (stream, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, b"x" * 20_000_000)
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"which the peer could not read")


async def test_tls_receives_into_a_buffer_and_tells_when_there_is_nothing_yet(authority: Authority) -> None:
    buffer = memoryview(bytearray(4))
    async with open_tls_pair(authority) as (stream, peer):
        assert stream.receive_nowait(buffer) is None
        await peer.send_all(b"abcdef")
        await stream.wait_receivable()
        assert (stream.receive_nowait(buffer), bytes(buffer)) == (4, b"abcd")
        await stream.wait_receivable()
        assert (stream.receive_nowait(buffer), bytes(buffer[:2])) == (2, b"ef")
        await peer.aclose()
        await stream.wait_receivable()
        received = stream.receive_nowait(buffer)
        if received is None:  # what came first was no end yet
            await stream.wait_receivable()
            received = stream.receive_nowait(buffer)
        assert received == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_says_its_end_and_hears_what_the_peer_still_says(version: ssl.TLSVersion) -> None:
    authority = Authority()
    authority.server.maximum_version = version
    async with open_tls_pair(authority, https_compatible=False) as (stream, peer):
        assert not stream.can_half_close  # for by custom the peer's end is that of both directions
        await stream.send_all(b"all of it")
        await peer.send_all(b"early")
        await stream.wait_receivable()  # it is here, and nobody has received it when we end
        await stream.send_eof()
        await stream.send_eof()
        assert await peer.receive_some(100) == b"all of it"
        assert await peer.receive_some(100) == b""  # close_notify: an end
        assert await stream.receive_some(2) == b"ea"
        buffer = memoryview(bytearray(100))
        await stream.wait_receivable()
        assert (stream.receive_nowait(buffer), bytes(buffer[:3])) == (3, b"rly")
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"after its end")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_whose_peer_says_its_end_alone_goes_on_in_the_other_direction(version: ssl.TLSVersion) -> None:
    authority = Authority()
    authority.server.maximum_version = version
    async with open_tls_sockets(authority) as (stream, peer):
        await peer.send_all(b"all of it")
        await peer.send_eof()
        assert await receive_all(stream) == b"all of it"
        assert not stream.is_fully_closed()
        assert not stream.is_abandoned()
        await stream.send_all(b"and the answer")
        await stream.send_eof()
        assert await peer.receive_some() == b"and the answer"
        assert await peer.receive_some() == b""
        peer.close()
        assert stream.is_fully_closed()
        assert stream.is_abandoned()


@pytest.mark.parametrize("says_end", [False, True])
async def test_tls_whose_peer_ends_the_connection_is_ended_in_both(authority: Authority, says_end: bool) -> None:
    async with open_tls_sockets(authority) as (stream, peer):
        await peer.send_all(b"all of it")
        if says_end:
            await peer.send_eof()
        peer.close()
        assert await receive_all(stream) == b"all of it"
        assert stream.is_fully_closed()


async def test_tls_that_is_closed_at_once_looks_cut_short(authority: Authority) -> None:
    async with open_tls_pair(authority, https_compatible=False) as (stream, peer):
        await stream.send_all(b"half of")
        stream.close()
        assert await peer.receive_some(100) == b"half of"
        with pytest.raises(trio.BrokenResourceError):
            await peer.receive_some(100)


async def test_a_visitor_whose_certificate_is_missing_is_told_so(authority: Authority) -> None:
    strict = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.ca.issue("localhost").configure(strict)
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
        await stream.send_eof()


async def test_a_handshake_is_read_at_the_pace_that_is_set(authority: Authority) -> None:
    ours, theirs = tcp_sockets()
    paced = 0

    async def pace() -> None:
        nonlocal paced
        paced += 1
        await trio.lowlevel.checkpoint()

    with contextlib.closing(TlsStream(SocketStream(ours), authority.server)) as stream, contextlib.closing(theirs):
        async with trio.open_nursery() as nursery:

            async def drip() -> None:
                hello = b"\x16\x03\x01\x00\x20"
                for byte in hello:
                    theirs.send(bytes([byte]))
                    await trio.testing.wait_all_tasks_blocked(0.01)
                theirs.close()

            nursery.start_soon(drip)
            with pytest.raises(trio.BrokenResourceError):
                await stream.handshake(pace)
    assert paced > 5


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
    async with open_tls_pair(authority, send_timeout=300) as (stream, _):
        autojump_clock.autojump_threshold = 0.05
        with pytest.raises(trio.TooSlowError):
            await stream.send_all(b"x" * 20_000_000)
        assert stream.send_eof_nowait()  # says no more than FIN, for a record is cut


@pytest.mark.parametrize("action", ["receive", "send"])
async def test_closing_tls_wakes_who_waits(authority: Authority, action: str) -> None:
    async with open_tls_pair(authority) as (stream, _), trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises((trio.ClosedResourceError, trio.BrokenResourceError)):
                await (stream.receive_some(1) if action == "receive" else stream.send_all(b"x" * 20_000_000))

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked(0.05)
        stream.close()


async def test_an_end_of_tls_in_the_middle_of_sending_looks_cut_short(authority: Authority) -> None:
    async with (
        open_tls_pair(authority, https_compatible=False) as (stream, peer),
        trio.open_nursery() as nursery,
    ):

        async def send() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(bytes(20_000_000))

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert stream.send_eof_nowait()
        with pytest.raises(trio.BrokenResourceError):
            while await peer.receive_some(65536):
                pass


async def receive_into(stream: TlsStream, buffer: memoryview) -> int:
    while True:
        await stream.wait_receivable()
        if (count := stream.receive_nowait(buffer)) is not None:
            return count


async def test_ciphertext_that_nobody_wants_stays_in_the_kernel(authority: Authority) -> None:
    size, sockets, count = 200_000, tcp_sockets(), array.array("i", [0])
    async with open_tls_pair(authority, sockets=sockets) as (stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.send_all, bytes(size))
        await trio.testing.wait_all_tasks_blocked(0.05)
        fcntl.ioctl(sockets[0].fileno(), termios.FIONREAD, count)
        before = count[0]
        assert await receive_into(stream, memoryview(bytearray(1000))) == 1000
        fcntl.ioctl(sockets[0].fileno(), termios.FIONREAD, count)
        assert before > 3 * TLS_RECORD_SIZE and count[0] >= before - 2 * TLS_RECORD_SIZE
        received = 1000
        while received < size:
            await stream.wait_receivable()
            received += stream.receive_nowait(memoryview(bytearray(65536))) or 0
        assert received == size


async def test_a_buffer_is_filled_from_as_many_records_as_there_are(authority: Authority) -> None:
    async with open_tls_pair(authority) as (stream, peer):
        for _ in range(3):
            await peer.send_all(bytes(1000))
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert await receive_into(stream, memoryview(bytearray(2500))) == 2500
        assert stream.receive_nowait(memoryview(bytearray(2500))) == 500
        assert stream.receive_nowait(memoryview(bytearray(2500))) is None


async def test_what_came_before_a_failure_is_received_first(authority: Authority) -> None:
    async with open_tls_pair(authority) as (stream, peer):
        await peer.send_all(b"before")
        await peer.transport_stream.send_all(b"no record at all, but long enough to look at")
        await trio.testing.wait_all_tasks_blocked(0.05)
        buffer = memoryview(bytearray(100))
        assert await receive_into(stream, buffer) == 6
        with pytest.raises(trio.BrokenResourceError):
            stream.receive_nowait(buffer)


async def test_what_is_said_is_cut_into_records_and_arrives_whole(authority: Authority) -> None:
    data = os.urandom(3 * TLS_SEND_SIZE + 7)
    async with open_tls_pair(authority) as (stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, data)
        received = b""
        while len(received) < len(data):
            received += await peer.receive_some(65536)
    assert received == data
