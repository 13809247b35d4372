"""`make demo` as a process, and what its page shows in a browser."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"http://demo-\S+\.localhost:\d+/_conductor/auth/\S+")
DEVICES: list[dict[str, Any]] = [
    {"color_scheme": "light", "viewport": {"width": 1100, "height": 800}},
    {"color_scheme": "dark", "viewport": {"width": 375, "height": 812}},
]
START_TIMEOUT = 30
END_TIMEOUT = 15
expect.set_options(timeout=20_000)  # ms; the machine may be busy


@attrs.frozen(kw_only=True)
class Demo:
    """The demonstration, running."""

    process: subprocess.Popen[str]
    said: str
    link: str

    def end(self, number: signal.Signals) -> str:
        """Send the signal; returns what it said on standard error until it had ended."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=END_TIMEOUT)
        return errors


@contextlib.contextmanager
def open_demo(*options: str) -> Iterator[Demo]:
    """Run the demonstration until it has printed its link; killed on leaving if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "scripts.demo", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            said = read_until_link(process)
            [link] = LINK.findall(said)
            yield Demo(process=process, said=said, link=link)
        finally:
            if process.poll() is None:
                process.terminate()  # rather than killed: its children are its own to end
                process.communicate(timeout=END_TIMEOUT)


def read_until_link(process: subprocess.Popen[str]) -> str:
    """Return the demonstration's first paragraphs: the one with the link, and the one after it."""
    assert process.stdout is not None
    watchdog = threading.Timer(START_TIMEOUT, process.terminate)
    watchdog.start()
    said = ""
    try:
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                return said
    finally:
        watchdog.cancel()
        watchdog.join()
    assert process.stderr is not None
    pytest.fail(f"no link: {said}{process.stderr.read()}")


def see_that_one_browser_gets_in(browser: Browser, link: str) -> None:
    """Check that a one-time link opens the first of two browsers, which stays in, and not the second."""
    first, second = (browser.new_context().new_page() for _ in range(2))
    for page in (second, first):  # who only looks does not use it up
        page.goto(link)
        expect(page.locator("h1")).to_have_text("A link for one browser")
    first.get_by_role("button").click()
    see_application(first)
    second.get_by_role("button").click()
    expect(second.locator("h1")).to_have_text("This link has been used")
    first.reload()
    see_application(first)


def see_application(page: Page) -> None:
    """Check that the application is there, and its WebSocket."""
    expect(page.locator("h1")).to_have_text("It is alive")
    page.wait_for_function("+document.querySelector('#ws-tick').textContent >= 1")
