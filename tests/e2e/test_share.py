"""Links that the command makes, in two profiles of a real browser: shared, used once, revoked; and a stop."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from scripts.private_sshd import descendants
from tests.support.demo import Demo, see_application, see_that_one_browser_gets_in
from tests.support.programs import OWN_PYTHON

pytestmark = pytest.mark.e2e


def command(demo: Demo, *words: str) -> str:
    """Give a command at the demonstration's gateway, and return what it says on standard output."""
    for pid in descendants(demo.process.pid):
        server = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if "-r" in server:
            gateway = Path(server[server.index("-r") + 1]) / "client"
            break
    else:
        raise AssertionError("the demonstration's server is not there")
    done = subprocess.run(
        [str(OWN_PYTHON.with_name("conductor-trio")), *words, str(gateway)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_share_and_its_revocation(browser: Browser, demo: Demo) -> None:
    link = command(demo, "share", "demo", "--for", "8h", "--label", "Jane").strip()
    friend, stranger = (browser.new_context().new_page() for _ in range(2))
    friend.goto(link)
    see_application(friend)
    # The friend's link opens nothing to those who have none.
    answer = stranger.goto(friend.url)
    assert answer is not None and answer.status == 403
    [share] = (json.loads(line) for line in command(demo, "share", "demo", "--list", "--json").splitlines())
    assert share["label"] == "Jane" and share["visitors"] >= 1
    with friend.expect_websocket():  # which the application's page opens anew when the first has closed
        command(demo, "share", "demo", "--revoke", share["id"])
    answer = friend.reload()
    assert answer is not None and answer.status == 403


def test_a_one_time_link_is_the_first_browsers(browser: Browser, demo: Demo) -> None:
    link = command(demo, "share", "demo", "--once").strip()
    see_that_one_browser_gets_in(browser, link)
    assert "once, used" in command(demo, "ls")


def test_a_stop_is_seen_by_who_looks(browser: Browser, demo: Demo) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{demo.link}?next=/_conductor/")
    expect(page.locator("#state")).to_have_text("Running")
    assert command(demo, "stop", "demo") == "demo has ended.\n"
    demo.process.wait(timeout=20)
