"""The log while the display has the terminal: records go to one receiver, in one thread, and back again after."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from conductor_trio.client.display.log_capture import capturing_log, is_log_on
from tests.doubles.terminal import open_terminal

_log = logging.getLogger("conductor_trio.test")


class Received(list[tuple[str, int]]):
    """What was received, and in which thread."""

    def __call__(self, record: logging.LogRecord) -> None:
        self.append((record.getMessage(), threading.get_ident()))


async def test_within_only_the_receiver_gets_the_records(caplog: pytest.LogCaptureFixture) -> None:
    received, handlers = Received(), logging.getLogger().handlers
    with capturing_log(received):
        _log.warning("within %d", 1)
    assert logging.getLogger().handlers is handlers
    _log.warning("after")
    assert received == [("within 1", threading.get_ident())]
    assert [record.message for record in caplog.records] == ["after"]


async def test_the_handlers_are_back_after_an_error() -> None:
    handlers = logging.getLogger().handlers
    with pytest.raises(OSError, match="no terminal"), capturing_log(Received()):
        raise OSError("no terminal")
    assert logging.getLogger().handlers is handlers


async def test_a_record_of_another_thread_is_received_in_trios() -> None:
    received = Received()
    with capturing_log(received):
        await trio.to_thread.run_sync(_log.warning, "from afar")
        while not received:  # noqa: ASYNC110 # it comes by the loop, of which no event tells
            await trio.lowlevel.checkpoint()
    assert received == [("from afar", threading.get_ident())]


def test_a_record_of_a_thread_that_outlives_the_loop_is_lost_and_hurts_nobody() -> None:
    received, is_over = Received(), threading.Event()

    def log() -> None:
        is_over.wait(20)
        _log.warning("too late")

    thread = threading.Thread(target=log)
    with contextlib.ExitStack() as stack:

        async def main() -> None:
            stack.enter_context(capturing_log(received))
            thread.start()

        trio.run(main)
        is_over.set()
        thread.join(20)
    assert received == []


@contextlib.contextmanager
def logging_to(descriptor: int) -> Iterator[None]:
    """Have standard error be this."""
    saved = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def test_the_log_is_on_a_terminal_or_file_where_standard_error_is_the_same(tmp_path: Path) -> None:
    with open_terminal() as one, open_terminal() as other, (tmp_path / "log").open("w") as file:
        with logging_to(one.descriptor):
            assert is_log_on(one.descriptor)
            assert not is_log_on(other.descriptor)
            assert not is_log_on(file.fileno())
        with logging_to(file.fileno()):
            assert not is_log_on(one.descriptor)
            assert is_log_on(file.fileno())  # as in a job, whose log is both
    assert not is_log_on(-1)
