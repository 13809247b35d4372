"""A whole end is told from one in the middle, whoever closes first."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from conductor_trio.server.proxy.exchange.whole_end import receive_with_end, send_with_end
from tests.support.descriptors import open_descriptors


@contextmanager
def open_pair() -> Iterator[tuple[socket.socket, trio.socket.SocketType]]:
    one, other = socket.socketpair()
    with one, trio.socket.from_stdlib_socket(other) as stream:
        yield one, stream


@pytest.mark.parametrize("is_whole", [True, False])
async def test_what_was_told_is_known_at_the_end(is_whole: bool) -> None:
    with open_pair() as (one, other):
        awaited = send_with_end(one, b"ab")
        data, told = await receive_with_end(other, 10)
        assert data == b"ab" and told is not None
        assert not awaited.was_told()
        if is_whole:
            told.tell()
        told.close()
        other.close()
        assert one.recv(1) == b""
        assert awaited.was_told() is is_whole
        awaited.close()


async def test_what_comes_without_it_is_read_all_the_same() -> None:
    with open_pair() as (one, other):
        one.send(b"abc")
        assert await receive_with_end(other, 2) == (b"ab", None)
        one.close()
        assert await receive_with_end(other, 2) == (b"c", None)
        assert await receive_with_end(other, 2) == (b"", None)


async def test_nobody_has_to_be_there_to_hear_it() -> None:
    with open_pair() as (one, other):
        awaited = send_with_end(one, b"a")
        _, told = await receive_with_end(other, 1)
        assert told is not None
        awaited.close()
        told.tell()
        told.close()


def test_a_connection_that_is_gone_leaves_no_descriptor() -> None:
    one, other = socket.socketpair()
    with one:
        other.close()
        before = open_descriptors()
        with pytest.raises(OSError, match="pipe"):
            send_with_end(one, b"a")
        assert open_descriptors() == before
