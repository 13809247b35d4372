"""Whoever logs never waits: for a reader that sleeps, that is gone, or for a disk that is full."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator

import pytest

from conductor_trio.limits.constants import LAST_LINES_TIMEOUT, MAX_LINES_WRITTEN, MAX_QUEUED_LINES
from conductor_trio.line_writer import LineWriter

Pipe = tuple[int, int]


def format_loss(lost: int) -> str:
    return f"{lost} lost\n"


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Give a pipe that holds little; whatever waits for it is released at the end."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    before = threading.enumerate()
    yield reader, writer
    os.close(reader)
    os.set_blocking(writer, False)
    for thread in threading.enumerate():
        if thread not in before and thread.is_alive():
            thread.join(0.01)  # a daemon that waits for lines
    os.close(writer)


def read_all(reader: int, end: bytes) -> list[bytes]:
    """Return the lines up to the one that ends so."""
    data = b""
    while not data.endswith(end):
        data += os.read(reader, 65536)
    return data.splitlines()


def test_lines_arrive_in_order(pipe: Pipe) -> None:
    reader, descriptor = pipe
    writer = LineWriter(descriptor, format_loss)
    for number in range(100):
        writer.write(f"{number}\n")
    assert read_all(reader, b"\n99\n") == [b"%d" % number for number in range(100)]


def test_while_the_reader_sleeps_nobody_waits_and_what_does_not_fit_is_told_of(pipe: Pipe) -> None:
    reader, descriptor = pipe
    writer = LineWriter(descriptor, format_loss)
    line = "x" * 999 + "\n"
    count = 3 * MAX_QUEUED_LINES // len(line)
    for _ in range(count):
        writer.write(line)  # this test would stand still
    arrived: list[bytes] = []
    reading = threading.Thread(target=lambda: arrived.extend(read_all(reader, b"end\n")))
    reading.start()
    writer.close()
    writer.write("end\n")
    reading.join()
    lost = [int(line.split()[0]) for line in arrived if line.endswith(b" lost")]
    assert sum(lost) > count // 2
    assert sum(lost) + arrived.count(line.encode().rstrip()) == count


def test_the_end_waits_for_the_last_lines_but_not_for_ever(pipe: Pipe) -> None:
    _, descriptor = pipe
    writer = LineWriter(descriptor, format_loss)
    writer.write("x" * 10_000 + "\n")
    begun = time.monotonic()
    writer.close()
    assert time.monotonic() - begun >= LAST_LINES_TIMEOUT


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    reader, descriptor = pipe
    os.set_blocking(descriptor, False)
    writer = LineWriter(descriptor, format_loss)
    for _ in range(20):
        writer.write("y" * 999 + "\n")
    writer.write("end\n")
    assert len(read_all(reader, b"end\n")) == 21


def test_what_a_full_disk_does_not_take_is_lost_and_told_of_when_there_is_room() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    reader, room = os.pipe()
    try:
        writer = LineWriter(full, format_loss)
        for _ in range(5):
            writer.write("lost\n")
        writer.close()
        os.dup2(room, full)
        writer.write("end\n")
        assert read_all(reader, b"end\n") == [b"5 lost", b"end"]
    finally:
        for descriptor in (full, reader, room):
            os.close(descriptor)


def test_a_reader_that_is_gone_and_a_descriptor_that_is_closed_end_nothing() -> None:
    reader, descriptor = os.pipe()
    os.close(reader)
    writer = LineWriter(descriptor, format_loss)
    writer.write("to nobody\n")
    writer.close()
    os.close(descriptor)
    writer = LineWriter(2**20, format_loss)
    writer.write("to nothing\n")
    writer.close()


def test_lines_are_written_as_a_pipe_takes_them_whole(pipe: Pipe) -> None:
    reader, descriptor = pipe
    writer = LineWriter(descriptor, format_loss)
    for _ in range(50):
        writer.write("z" * 699 + "\n")
    left = 50 * 700
    while left:
        data = os.read(reader, MAX_LINES_WRITTEN)
        assert data.endswith(b"\n")
        left -= len(data)


def test_a_call_comes_when_it_was_asked_for_the_earliest_of_them(pipe: Pipe) -> None:
    reader, descriptor = pipe
    writer = LineWriter(descriptor, format_loss)
    writer.call_at(time.monotonic() + 1000, lambda: None)

    def call() -> None:
        writer.write("called\n")

    writer.call_at(time.monotonic() + 0.01, call)
    assert read_all(reader, b"called\n") == [b"called"]
