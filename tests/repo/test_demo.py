"""`make demo` as a new user meets it: one link, a live page in a real browser, and nothing left after Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from scripts.private_sshd import descendants
from tests.support.browser import open_browser
from tests.support.demo import DEVICES, END_TIMEOUT, open_demo
from tests.support.needs import require_program

pytestmark = pytest.mark.e2e

APPLICATION = "demo_app.py"


def arguments_of(pid: int) -> list[str]:
    """Return the command line of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def program_among(processes: list[int], name: str) -> int:
    """Return the one process that runs the Python program of that name."""
    [pid] = [pid for pid in processes if [Path(path).name for path in arguments_of(pid)[1:2]] == [name]]
    return pid


def directory_of(processes: list[int]) -> Path:
    """Return the demonstration's directory, which the application's command line names."""
    return Path(arguments_of(program_among(processes, APPLICATION))[2]).parent


def assert_nothing_left(processes: list[int], directory: Path) -> None:
    """Check that no process, no directory and no bound socket remains."""
    assert [arguments_of(pid) for pid in processes if arguments_of(pid)] == []
    assert not directory.exists()
    assert str(directory) not in Path("/proc/net/unix").read_text()


def see_it_alive(page: Page, link: str) -> None:
    """Follow the link and check all that the page shows."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(link)
    expect(page.locator("h1")).to_have_text("It is alive")
    assert "_conductor" not in page.url
    page.wait_for_function("+document.querySelector('#ws-tick').textContent >= 2")
    page.wait_for_function("+document.querySelector('#sse-count').textContent >= 2")
    expect(page.locator("#headers-state")).to_have_text("no token among them")
    page.click("#upload-random")
    expect(page.locator("#upload-state")).to_have_text("arrived intact")
    expect(page.locator("#upload-size")).to_have_text("8,388,608 bytes")
    expect(page.locator("#upload-hash")).to_have_text(re.compile("^[0-9a-f]{64}$"))
    assert problems == []


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_the_link_shows_a_live_page_and_ctrl_c_leaves_nothing(transport: str, tmp_path: Path) -> None:
    options = []
    if transport == "ssh":
        require_program("sshd")
        options = ["--ssh"]
    with open_demo(*options) as demo, open_browser() as browser:
        processes = descendants(demo.process.pid)
        directory = directory_of(processes)
        for device in DEVICES:
            page = browser.new_context(**device).new_page()
            see_it_alive(page, demo.link)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.screenshot(path=tmp_path / f"{transport}-{device['color_scheme']}.png", full_page=True)
        errors = demo.end(signal.SIGINT)
        assert demo.process.returncode == 0
        assert errors == ""
        assert_nothing_left(processes, directory)


def test_without_the_link_there_is_no_page() -> None:
    with open_demo() as demo, open_browser() as browser:
        answer = browser.new_page().goto(demo.link.partition("/_conductor/")[0])
        assert answer is not None
        assert answer.status == 403


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_ends_everything(number: signal.Signals) -> None:
    with open_demo() as demo:
        processes = descendants(demo.process.pid)
        directory = directory_of(processes)
        assert demo.end(number) == ""
        assert demo.process.returncode == 0
        assert_nothing_left(processes, directory)


@pytest.mark.parametrize(
    ("victim", "told"),
    [
        ("conductor-trio-server", "The server ended, by SIGKILL"),
        (APPLICATION, "The application ended, by SIGKILL"),
    ],
)
def test_whoever_dies_is_named_and_the_rest_ends(victim: str, told: str) -> None:
    with open_demo() as demo:
        processes = descendants(demo.process.pid)
        directory = directory_of(processes)
        os.kill(program_among(processes, victim), signal.SIGKILL)
        _, errors = demo.process.communicate(timeout=END_TIMEOUT)
        assert demo.process.returncode == 1
        assert told in errors
        assert "Traceback" not in errors
        assert_nothing_left(processes, directory)
