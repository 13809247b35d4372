"""The view of a job, on a terminal and in a pipe."""

from __future__ import annotations

import os

import pytest
import trio

from conductor_trio.client.batch.view import open_view
from conductor_trio.client.display.painter import Link, Mark, Notice, Status
from conductor_trio.limits.client import ClientLimits
from tests.doubles.terminal import open_terminal

URL = "https://lab-alice.example.org/_conductor/auth/s3cret"


def read_all(descriptor: int) -> bytes:
    with open(descriptor, "rb") as pipe:
        return pipe.read()


async def test_in_a_pipe_there_are_plain_lines() -> None:
    reading, writing = os.pipe()
    async with open_view(writing, ClientLimits()) as view:
        view.show([Notice(mark=Mark.STEP, text="Queued")])
        view.set_status(Status(mark=Mark.WAIT, parts=("queued for 1 min",)))
        view.pass_on("half a line")
        view.show([Link(url=URL)])
        view.pass_on("")
    os.close(writing)
    said = read_all(reading).decode()
    assert said.splitlines()[0].endswith("Queued")
    assert f"half a line\n\n{URL}\n\n" in said
    assert "\x1b" not in said
    assert "queued for" not in said


async def test_a_terminal_has_a_status_line_and_is_left_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with open_terminal() as terminal:
        async with open_view(terminal.descriptor, ClientLimits()) as view:
            view.set_status(Status(mark=Mark.WAIT, parts=("queued for 1 min",)))
            await terminal.wait_for("queued for 1 min")
        await terminal.wait_gone("queued for 1 min")


async def test_whoever_is_cancelled_leaves_the_terminal_in_order() -> None:
    reading, writing = os.pipe()
    with trio.move_on_after(0.01):
        async with open_view(writing, ClientLimits()) as view:
            view.pass_on("all of it\n")
            await trio.sleep_forever()
    os.close(writing)
    assert read_all(reading) == b"all of it\n"
