"""The QR code, and the browser, which must not put the token into the process list."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import segno

from conductor_trio.client.display.link import (
    draw_qr,
    find_browser,
    open_page,
    start_browser,
)

URL = "https://lab-alice.apps.example.org/_conductor/auth/t0ken"


def read_modules(drawn: str, *, dark: dict[str, tuple[bool, bool]]) -> list[tuple[bool, ...]]:
    """Return the rows of modules that blocks stand for."""
    rows: list[tuple[bool, ...]] = []
    for line in drawn.rstrip("\n").split("\n"):
        pairs = [dark[block] for block in line.removeprefix("\x1b[30;107m").removesuffix("\x1b[0m")]
        rows += [tuple(upper for upper, _ in pairs), tuple(lower for _, lower in pairs)]
    return rows


BLOCKS = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}
INVERSE = {block: (not upper, not lower) for block, (upper, lower) in BLOCKS.items()}


@pytest.mark.parametrize(("has_colours", "blocks"), [(True, BLOCKS), (False, INVERSE)])
def test_the_qr_code_is_what_segno_makes(has_colours: bool, blocks: dict[str, tuple[bool, bool]]) -> None:
    drawn = draw_qr(URL, width=80, has_colours=has_colours, has_unicode=True)
    expected = [tuple(map(bool, row)) for row in segno.make(URL, error="l", micro=False).matrix_iter(border=2)]
    assert read_modules(drawn, dark=blocks)[: len(expected)] == expected


def test_a_qr_code_without_room_says_what_it_needs() -> None:
    assert draw_qr(URL, width=30, has_colours=True, has_unicode=True) == (
        "The QR code needs 37 columns; make the window wider.\n"
    )
    assert "UTF-8" in draw_qr(URL, width=80, has_colours=True, has_unicode=False)


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("xdg-open", "firefox"):
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/opened\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize(
    ("environment", "browser"),
    [
        ({}, None),
        ({"DISPLAY": ":0"}, "xdg-open"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "xdg-open"),
        ({"DISPLAY": ":0", "BROWSER": "firefox"}, "firefox"),
        ({"BROWSER": "firefox"}, "firefox"),
        ({"BROWSER": "no-such-browser:firefox"}, "firefox"),
        ({"BROWSER": "no-such-browser"}, None),
        ({"DISPLAY": ":0", "BROWSER": "firefox %s"}, "xdg-open"),
        ({"SLURM_JOB_ID": "7", "BROWSER": "firefox"}, None),
        ({"PBS_JOBID": "7", "BROWSER": "firefox"}, None),
        ({"SLURM_JOB_ID": "7", "DISPLAY": ":10"}, "xdg-open"),
    ],
)
def test_where_a_browser_can_be_seen(bin_dir: Path, environment: dict[str, str], browser: str | None) -> None:
    assert find_browser(environment) == (browser and str(bin_dir / browser))


async def test_a_browser_gets_a_page_that_only_its_owner_can_read(bin_dir: Path) -> None:
    opened = bin_dir / "opened"
    os.mkfifo(opened)  # reading from it waits for the browser
    with open_page(URL) as path:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert f'url={URL}"' in Path(path).read_text()
        await start_browser(str(bin_dir / "firefox"), path, 30)
        said = opened.read_text()
        assert said == f"file://{path}\n"
        assert "t0ken" not in said
    assert not Path(path).exists()
