"""Keys at the terminal of a real client: what they show, and that the link they make works."""

from __future__ import annotations

import os
import re
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scripts.bench.machine import REPOSITORY
from tests.doubles.terminal import Terminal, open_terminal
from tests.support.controlling_terminal import open_at_terminal
from tests.support.programs import OWN_PYTHON, Server, ask, open_server, wait_until

RECIPE = """
command = [{python!r}, {application!r}]
arguments = ["{{socket}}"]
"""
LINK = re.compile(r"http://lab-[^/]+/_conductor/auth/\S+")


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with open_terminal(columns=110, lines=60) as terminal:
        yield terminal


@asynccontextmanager
async def at_terminal(runtime_dir: Path, home: Path, terminal: Terminal) -> AsyncIterator[Server]:
    """Run a client whose application is started by a recipe."""
    recipes = home / "recipes"
    recipes.mkdir(parents=True)
    application = REPOSITORY / "scripts" / "demo_app.py"
    (recipes / "tick.toml").write_text(RECIPE.format(python=str(OWN_PYTHON), application=str(application)))
    browser = home / "browser"
    browser.write_text(f'#!/bin/sh\ncat "${{1#file://}}" >>{home}/opened\n')
    browser.chmod(0o755)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home.parent),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "BROWSER": str(browser),
    }
    async with open_server(runtime_dir) as server:
        command: list[str | Path] = [
            OWN_PYTHON.with_name("conductor-trio"),
            "run",
            "-k",
            "lab",
            "-s",
            server.control_socket,
            "tick",
        ]
        async with open_at_terminal(command, terminal, environment):
            await terminal.wait_for("? shows keys")
            yield server


def links(terminal: Terminal) -> list[str]:
    return [line for line in terminal.lines if LINK.fullmatch(line)]


async def press(terminal: Terminal, key: str, shown: str) -> None:
    os.write(terminal.master, key.encode())
    await terminal.wait_for(shown)


async def test_keys_show_the_link_draw_it_and_make_another(
    runtime_dir: Path, tmp_path: Path, terminal: Terminal
) -> None:
    async with at_terminal(runtime_dir, tmp_path / "conductor-trio", terminal) as server:
        [link] = links(terminal)
        host = link.removeprefix("http://").partition("/")[0]
        assert f"· The session's page: http://{host}/_conductor/" in terminal.text
        assert f"● {link} · Ctrl-C ends it · ? shows keys" in terminal.text
        await press(terminal, "x?", "s makes one for others")
        await press(terminal, "l", f"\n\n{link}\n\n●")
        assert links(terminal) == [link, link]
        await press(terminal, "s", "This link opens lab to whoever has it, for 8 h 0 min")
        [made] = set(links(terminal)) - {link}
        login = await ask(server.port, host, made.removeprefix(f"http://{host}"))
        assert login.status == 302
        await press(terminal, "q", "█▀")


async def test_a_browser_is_shown_the_link_as_often_as_it_is_asked_for(
    runtime_dir: Path, tmp_path: Path, terminal: Terminal
) -> None:
    home = tmp_path / "conductor-trio"
    opened = home / "opened"
    async with at_terminal(runtime_dir, home, terminal):
        [link] = links(terminal)
        for times in (1, 2):
            os.write(terminal.master, b"o")
            await wait_until(lambda: opened.exists() and opened.read_text().count("\n") == times)  # noqa: B023
        assert opened.read_text().count(f'href="{link}"') == 2


async def test_the_terminal_is_as_it_was_at_the_end(runtime_dir: Path, tmp_path: Path, terminal: Terminal) -> None:
    before = termios.tcgetattr(terminal.descriptor)
    async with at_terminal(runtime_dir, tmp_path / "conductor-trio", terminal):
        assert termios.tcgetattr(terminal.descriptor) != before
        await press(terminal, "\x03", "The application has ended")
    assert termios.tcgetattr(terminal.descriptor) == before
