"""The doorway: what is a probe, what is a visitor, and what this host lacks."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from hypothesis import given

from conductor_trio.client.host.application_socket import ApplicationSocket, open_application_socket
from conductor_trio.client.transport.doorway import Doorway, open_doorway
from conductor_trio.limits.client import ClientLimits
from tests.doubles.origin import open_origin
from tests.doubles.upper import open_upper
from tests.support.strategies import cut, cuts
from tests.support.users import BOB, real_person

NONCE = b"0123456789abcdef0123456789abcdef\n"
LIMITS = ClientLimits(way_look_timeout=0.05)
PATIENT = ClientLimits(way_look_timeout=20)  # however slow the sender is


@contextlib.asynccontextmanager
async def open_door(directory: Path, limits: ClientLimits = LIMITS) -> AsyncIterator[tuple[Doorway, list[bytes]]]:
    """Give a doorway to an application that notes what comes, and answers with it."""
    came: list[bytes] = []

    async def note(connection: object) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            while await connection.receive_more():  # type: ignore[attr-defined]
                pass
            came.append(bytes(connection.received))  # type: ignore[attr-defined]

    path = directory / "app.sock"
    async with open_origin(path, note):
        with contextlib.closing(ApplicationSocket(str(path))) as application, trio.fail_after(20):
            async with open_doorway(application, limits) as door:
                yield door, came


async def go_in(door: Doorway, *pieces: bytes) -> bytes:
    """Connect, say this, end, and wait until the connection is over; return what was answered."""
    answer = b""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(door.serve, door.make_relays(), theirs, "")
            with contextlib.suppress(BrokenPipeError):  # closed at once
                for piece in pieces:
                    await trio.lowlevel.checkpoint()
                    ours.send(piece)
                    await trio.lowlevel.checkpoint()
                ours.shutdown(socket.SHUT_WR)
            while True:
                await trio.lowlevel.wait_readable(ours)
                try:
                    if not (chunk := ours.recv(4096)):
                        break
                except ConnectionResetError:
                    break
                answer += chunk
    return answer


@given(sizes=cuts)
def test_a_probe_is_known_in_any_pieces_and_goes_no_further(sizes: list[int]) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory(prefix="ct-", dir="/tmp") as directory:
            async with open_door(Path(directory), PATIENT) as (door, came):
                with door.expecting(NONCE) as expected:
                    await go_in(door, *cut(NONCE, sizes))
                    assert expected.arrived.is_set()
                assert came == []

    trio.run(main)


@pytest.mark.parametrize(
    "said", [b"", b"0", NONCE[:-1], b"1" + NONCE, NONCE.upper(), b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100_000]
)
async def test_all_else_reaches_the_application_to_the_byte(short_tmp: Path, said: bytes) -> None:
    async with open_door(short_tmp) as (door, came):
        with door.expecting(NONCE) as expected:
            await go_in(door, said)
            assert came == [said]
            assert not expected.arrived.is_set()


async def test_after_its_time_a_probe_is_nothing_else(short_tmp: Path) -> None:
    async with open_door(short_tmp) as (door, came):
        with door.expecting(NONCE):
            pass
        await go_in(door, NONCE)
        assert came == [NONCE]


async def test_who_says_nothing_is_not_held_up_for_long(short_tmp: Path) -> None:
    async with open_door(short_tmp) as (door, came):
        with door.expecting(NONCE):
            ours, theirs = socket.socketpair()
            with ours:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(door.serve, door.make_relays(), theirs, "")
                    await trio.sleep(3 * LIMITS.way_look_timeout)
                    ours.send(NONCE)  # it is the application's by now
                    ours.shutdown(socket.SHUT_WR)
        assert came == [NONCE]


async def test_a_lack_is_told_once_and_blinds_the_probe(short_tmp: Path, caplog: pytest.LogCaptureFixture) -> None:
    shortage = OSError(errno.EMFILE, "Too many open files")
    async with open_door(short_tmp) as (door, _):
        with caplog.at_level(logging.WARNING):
            for times in (1, 2):
                with door.expecting(NONCE) as expected:
                    for _ in range(5):
                        door.note_shortage(shortage)
                    assert expected.is_blind
                assert caplog.text.count("Too many open files") == times
                await go_in(door, b"x")


async def test_nobody_else_in_its_place_is_let_in_to_which_is_told_once(
    short_tmp: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bob = real_person(BOB)
    short_tmp.chmod(0o777)
    path = short_tmp / "app"
    with open_application_socket(str(path), None) as application:
        async with open_upper(path), open_doorway(application, LIMITS) as door:
            for times in (1, 2):
                assert await go_in(door, b"hello") == b"HELLO"
                os.chown(path, bob.uid, bob.gid)
                for _ in range(3):
                    assert await go_in(door, b"hello") == b""
                assert caplog.text.count("another user of this host") == times
                with door.expecting(NONCE) as expected:  # and a probe arrives all the same
                    await go_in(door, NONCE)
                    assert expected.arrived.is_set()
                os.chown(path, os.geteuid(), -1)


async def test_cancelled_before_it_is_open_it_ends(short_tmp: Path) -> None:
    with contextlib.closing(ApplicationSocket(str(short_tmp / "app"))) as application:
        for _ in range(20):  # tasks run in any order
            with trio.CancelScope() as scope:
                scope.cancel()
                async with open_doorway(application, LIMITS):
                    raise AssertionError("it is open")
            assert scope.cancelled_caught
