"""The operator's dashboard in a real browser, beside hostile neighbours on the same domain."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import attrs
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_browser
from tests.support.neighbours import DOMAIN, Content, Gateway, Neighbour, open_gateway
from tests.support.programs import OWN_PYTHON, PATIENCE

pytestmark = pytest.mark.e2e

ADMIN = f"https://admin.{DOMAIN}"
EVIL = "<img src=x onerror=alert(1)>"

# What a neighbour's page, on the same site, tries with the operator's browser; each gives what it got.
ATTEMPTS = {
    "read": f"fetch('{ADMIN}/', {{credentials: 'include'}}).then(a => a.text(), () => 'refused')",
    "leave": f"fetch('{ADMIN}/_conductor/leave', {{method: 'POST', credentials: 'include', mode: 'no-cors'}})"
    ".then(() => 'sent', () => 'refused')",
    "socket": f"""new Promise(resolve => {{
      const socket = new WebSocket('{ADMIN.replace("https", "wss")}/_conductor/live');
      socket.onopen = () => resolve('open');
      socket.onerror = () => resolve('refused');
    }})""",
    "frame": f"""new Promise(resolve => {{
      const frame = document.createElement('iframe');
      frame.src = '{ADMIN}/';
      frame.onload = () => resolve(frame.contentDocument ? 'read' : 'refused');
      document.body.append(frame);
    }})""",
    "window": f"""new Promise(resolve => {{
      const opened = window.open('{ADMIN}/');
      const look = () => {{ try {{ return opened.document.title || 'refused' }} catch {{ return 'refused' }} }};
      setTimeout(() => resolve(look()), 1500);
    }})""",
}


def command(gateway: Gateway, *words: str) -> str:
    """Give an operator's command on the gateway's host, and return what it says."""
    program = str(OWN_PYTHON.with_name("conductor-trio-server"))
    where = ["-r", str(gateway.control_socket.parent)]
    done = subprocess.run([program, *words, *where], capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout


@attrs.frozen(eq=False)
class Office:
    """A gateway with a dashboard, two sessions, and a browser."""

    gateway: Gateway
    browser: Browser
    lab: Neighbour
    evil: Neighbour
    audit: Path

    def open_tab(self) -> Page:
        """Give a tab of a browser of its own, in which nothing may go wrong."""
        page = self.browser.new_context(ignore_https_errors=True).new_page()
        page.on("dialog", lambda dialog: pytest.fail(f"a script of somebody's runs: {dialog.message}"))
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        return page

    def enter(self) -> Page:
        """Give a tab that shows the dashboard."""
        page = self.open_tab()
        page.goto(command(self.gateway, "links").strip())
        page.get_by_role("button", name="Open the dashboard").click()
        expect(page.locator("#link")).to_have_text("Live")
        expect(page.locator("#rows tr").first).to_be_visible()
        return page

    def wait_event(self, name: str) -> dict[str, object]:
        """Return what the audit log tells of that name, which a thread writes."""
        give_up_at = time.monotonic() + PATIENCE
        while time.monotonic() < give_up_at:
            for line in self.audit.read_text().splitlines():
                told: dict[str, object] = json.loads(line)
                if told["event"] == name:
                    return told
            time.sleep(0.01)
        raise AssertionError(f"no {name} in the audit log")


@pytest.fixture
def office(short_tmp: Path) -> Iterator[Office]:
    audit = short_tmp / "audit.log"
    options = ["--admin-host", ADMIN.removeprefix("https://"), "--audit-log", str(audit)]
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(open_gateway(short_tmp, *options))
        lab = stack.enter_context(gateway.open_neighbour("lab", {}))
        evil = stack.enter_context(gateway.open_neighbour("evil", {"/": Content("<body>evil</body>")}))
        browser = stack.enter_context(open_browser(*gateway.browser_options))
        yield Office(gateway, browser, lab, evil, audit)


def test_neighbours_get_nothing_from_it_and_the_link_is_spent_once(office: Office) -> None:
    page, thief = office.open_tab(), office.open_tab()
    link = command(office.gateway, "links").strip()
    for _ in range(2):  # what previews and scanners do
        thief.goto(link)
        assert thief.context.cookies() == []
    page.goto(link)
    page.get_by_role("button", name="Open the dashboard").click()
    expect(page.locator("#link")).to_have_text("Live")
    [cookie] = [one for one in page.context.cookies() if one["name"] == "__Host-conductor-admin"]
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    thief.get_by_role("button", name="Open the dashboard").click()
    expect(thief.locator("h1")).to_have_text("This link has been used")
    # The same browser visits a neighbour, on the same site, whose pages may send what they like.
    neighbour = page.context.new_page()
    neighbour.goto(office.evil.link)
    for name, attempt in ATTEMPTS.items():
        got = neighbour.evaluate(f"() => {attempt}")
        assert got in ("refused", "sent"), name
    # A form of theirs.
    neighbour.evaluate(
        f"() => {{ document.body.innerHTML = '<form method=post action={ADMIN}/_conductor/leave><button>x';"
        "document.querySelector('button').click() }"
    )
    expect(neighbour.locator("h1")).to_have_text("Cross-site request refused")
    neighbour.go_back()
    # A link of theirs leads here, and the browser gets in by itself.
    neighbour.evaluate(f"() => {{ location = '{ADMIN}/' }}")
    expect(neighbour.locator("#link")).to_have_text("Live")
    page.reload()
    expect(page.locator("#link")).to_have_text("Live")
    assert not any("conductor-admin" in one for _, one, _ in office.evil.seen)


def test_what_is_revoked_is_closed(office: Office) -> None:
    page, other = office.enter(), office.enter()
    other.get_by_role("button", name="Sign out").click()
    expect(other.locator("h1")).to_have_text("For operators")
    assert "link, in a browser" in command(office.gateway, "links", "--list")
    assert command(office.gateway, "links", "--revoke").startswith("Revoked: 0 links, 1 browser ")
    expect(page.locator("h1")).to_have_text("For operators")
    fresh = command(office.gateway, "links").strip()
    command(office.gateway, "links", "--revoke")
    page.goto(fresh)
    expect(page.locator("h1")).to_have_text("This link does not open the dashboard")


def test_it_fits_and_says_what_is_what(office: Office, tmp_path: Path) -> None:
    page = office.enter()
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]
    for scheme, width in itertools.product(schemes, (360, 768, 1280)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=tmp_path / f"dashboard-{width}-{scheme}.png", full_page=True)
        for name in page.get_by_role("button").all():
            assert name.inner_text().strip() or name.get_attribute("aria-label")
        expect(page.get_by_role("searchbox", name=re.compile("Search for a host name"))).to_be_visible()
        expect(page.get_by_role("region", name="Sessions")).to_be_visible()


def test_without_scripts_it_says_so(office: Office) -> None:
    context = office.browser.new_context(ignore_https_errors=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(command(office.gateway, "links").strip())
    page.get_by_role("button", name="Open the dashboard").click()
    expect(page.locator("noscript")).to_be_visible()
    assert "conductor-trio-server ls" in page.locator("body").inner_text()


def test_an_operator_sees_and_acts(office: Office) -> None:
    page = office.enter()
    expect(page.locator("#rows tr")).to_have_count(2)
    # Search, from the keyboard.
    page.keyboard.press("/")
    page.keyboard.type("EVIL")
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#range")).to_contain_text("1 to 1 of 1 found among 2")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    expect(page.locator("#rows tr")).to_have_count(2)
    # Sort.
    for order in (["evil", "lab"], ["lab", "evil"]):
        page.locator("#heads").get_by_role("button", name="Host").click()
        order = order[::-1]
        expect(page.locator("#rows tr td:first-child")).to_have_text([re.compile(f"^{key}-") for key in order])
    # Announce, block, unblock, drain.
    page.get_by_role("button", name="Announce…").click()
    page.get_by_label("Text").fill(EVIL)
    page.get_by_role("button", name="Announce", exact=True).click()
    expect(page.locator("#banners")).to_have_text(f"Announced: {EVIL}")
    assert EVIL in command(office.gateway, "announce")
    page.get_by_role("button", name="Block…").click()
    page.get_by_label("User, address or network").fill("no-such-user-here")
    page.get_by_role("button", name="Block", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("neither a user of this host nor a network")
    page.get_by_label("User, address or network").fill("198.51.100.0/24")
    page.get_by_label("Reason").fill(EVIL)
    page.get_by_label("How long").select_option("1 hour")
    page.keyboard.press("Enter")
    expect(page.locator("#blocks")).to_contain_text(f": {EVIL}")
    assert "198.51.100.0/24" in command(office.gateway, "block")
    page.get_by_role("button", name="Unblock 198.51.100.0/24").click()
    expect(page.locator("#blocks")).to_have_text("Nobody.")
    page.get_by_role("button", name="Drain…").click()
    page.get_by_role("button", name="Take no new sessions").click()
    expect(page.locator("#draining")).to_have_text("are not taken")
    page.get_by_role("button", name="Take them again").click()
    expect(page.locator("#draining")).to_have_text("are taken")
    # End.
    page.locator("#rows").get_by_role("button", name=re.compile("^evil-")).click()
    expect(page.get_by_role("dialog")).to_contain_text("running since")
    page.get_by_role("dialog").get_by_role("button", name="End…").click()
    page.get_by_label("Reason").fill(EVIL)
    page.get_by_role("button", name="End the session").click()
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#events")).to_contain_text("operator end")
    ended = office.wait_event("operator_end")
    assert (ended["by"], ended["through"], ended["reason"]) == ("root", "dashboard", EVIL)
    assert ended["address"] == "127.0.0.1"
    # Whatever anybody has written is text.
    expect(page.locator("#events")).to_contain_text(EVIL)
    assert page.locator("img").count() == 0
