"""The keyboard at a real terminal of the program's own: taken while wanted, and left as it was."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Iterator

import pytest

from tests.doubles.terminal import Terminal, open_terminal
from tests.support.controlling_terminal import open_at_terminal

PROGRAM = """
import trio
from conductor_trio.client.display.keyboard import Keyboard

async def main():
    keyboard = Keyboard(0)
    keyboard.take()
    print("taken" if keyboard.is_taken() else "not taken", flush=True)

    def press(key):
        print(f"<{key}>", flush=True)
        if key == "n":
            keyboard.leave()
            print("line:", input(), flush=True)
            keyboard.take()
            print("again", flush=True)
        if key == "e":
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keyboard.run, press)
    keyboard.leave()
    print("left", flush=True)

trio.run(main)
"""


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with open_terminal() as terminal:
        yield terminal


def shows_typing(terminal: Terminal) -> bool:
    flags = termios.tcgetattr(terminal.descriptor)[3]
    assert bool(flags & termios.ECHO) == bool(flags & termios.ICANON)
    assert flags & termios.ISIG, "Ctrl-C is no signal any more"
    return bool(flags & termios.ECHO)


async def test_keys_come_one_by_one_and_lines_go_to_whoever_reads_them_meanwhile(terminal: Terminal) -> None:
    async with open_at_terminal([sys.executable, "-c", PROGRAM], terminal) as process:
        await terminal.wait_for("taken")
        assert not shows_typing(terminal)
        os.write(terminal.master, b"lq")
        await terminal.wait_for("<l>\n<q>")
        os.write(terminal.master, b"n")
        await terminal.wait_for("<n>")
        os.write(terminal.master, b"secret\n")
        await terminal.wait_for("line: secret\nagain")
        assert not shows_typing(terminal)
        os.write(terminal.master, b"e")
        await terminal.wait_for("left")
        assert await process.wait() == 0
        assert shows_typing(terminal)
        assert "<s>" not in terminal.text


async def test_ctrl_c_is_a_signal_still(terminal: Terminal) -> None:
    async with open_at_terminal([sys.executable, "-c", PROGRAM], terminal) as process:
        await terminal.wait_for("taken")
        os.write(terminal.master, b"\x03")
        assert await process.wait() != 0


async def test_a_terminal_that_is_not_ours_is_not_touched(terminal: Terminal) -> None:
    from conductor_trio.client.display.keyboard import Keyboard

    keyboard = Keyboard(terminal.descriptor)  # which is nobody's controlling terminal
    keyboard.take()
    assert not keyboard.is_taken()
    assert shows_typing(terminal)
    keyboard.leave()
