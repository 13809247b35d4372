"""A headless Chromium for end-to-end tests: the system's own, driven by Playwright."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from playwright.sync_api import Browser, sync_playwright

from tests.support.needs import require_program

_OPTIONS = [
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # containers give 64 MiB
    "--no-first-run",
    "--no-proxy-server",
    # It is to talk to nobody but us.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def open_browser(*options: str) -> Iterator[Browser]:
    """Run a browser; on leaving, it and its profile are gone. Not to be used inside a Trio run: it blocks.

    `options` are further ones of Chromium.
    """
    chromium = require_program("chromium", "chromium-browser", "google-chrome")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to run as root with it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*_OPTIONS, *sandbox, *options])
        try:
            yield browser
        finally:
            browser.close()
