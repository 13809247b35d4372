"""The gateway's pages in a real browser: the token form, a session's page, links that end, two people at once."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.demo import DEVICES, Demo, see_application, see_that_one_browser_gets_in

pytestmark = pytest.mark.e2e


def origin_of(demo: Demo) -> str:
    """Return where the application is, without its token."""
    parts = urlsplit(demo.link)
    return f"{parts.scheme}://{parts.netloc}"


def token_of(demo: Demo) -> str:
    """Return the owner's token."""
    return urlsplit(demo.link).path.rpartition("/")[2]


def open_session_page(browser: Browser, demo: Demo) -> Page:
    """Return the session's page as its owner sees it."""
    page = browser.new_context().new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{demo.link}?next=/_conductor/")
    assert page.url == origin_of(demo) + "/_conductor/"
    expect(page.locator("#state")).to_have_text("Running")
    assert problems == []
    return page


def make_link(owner: Page, label: str, *, is_once: bool = False) -> str:
    """Have the owner make a link."""
    former = owner.locator("#link").input_value()
    owner.fill("#label", label)
    owner.set_checked("#once", is_once)
    owner.click("#share button")
    expect(owner.locator("#link")).not_to_have_value(former)
    expect(owner.locator("#shares")).to_contain_text(label)
    return owner.locator("#link").input_value()


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: str(device["color_scheme"]))
def test_the_token_can_be_typed(browser: Browser, demo: Demo, device: dict[str, object], tmp_path: Path) -> None:
    page = browser.new_context(**device).new_page()  # type: ignore[arg-type]
    answer = page.goto(origin_of(demo) + "/?from=here")
    assert answer is not None and answer.status == 403
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=tmp_path / "token.png", full_page=True)
    page.get_by_label("Token").fill("not-the-token")
    page.get_by_role("button").click()
    expect(page.locator("h1")).to_have_text("This token does not open the application")
    page.goto(origin_of(demo) + "/?from=here")
    page.get_by_label("Token").fill(token_of(demo))
    page.keyboard.press("Enter")
    see_application(page)
    assert page.url == origin_of(demo) + "/?from=here"


def test_a_link_is_shared_and_revoked_while_it_is_used(browser: Browser, demo: Demo, tmp_path: Path) -> None:
    owner = open_session_page(browser, demo)
    link = make_link(owner, "Jane")
    friend = browser.new_context().new_page()
    friend.goto(link)
    see_application(friend)
    owner.screenshot(path=tmp_path / "session.png", full_page=True)
    jane = owner.locator("#shares li", has_text="Jane")
    expect(jane).to_contain_text(re.compile("[1-9][0-9]* connections now"))
    with friend.expect_websocket():  # which the application's page opens anew when the first has closed
        jane.get_by_role("button", name="Revoke").click()
    expect(owner.locator("#shares")).not_to_contain_text("Jane")
    answer = friend.reload()
    assert answer is not None and answer.status == 403
    # Another's view of the session: no button, and it ends with the link.
    other = browser.new_context().new_page()
    other.goto(make_link(owner, "John") + "?next=/_conductor/")
    expect(other.locator("#state")).to_have_text("Running")
    expect(other.locator("#owner")).to_be_hidden()
    expect(other.get_by_role("button", name="Revoke")).to_have_count(0)


def test_a_one_time_link_opens_one_browser(browser: Browser, demo: Demo) -> None:
    link = make_link(open_session_page(browser, demo), "Reviewer", is_once=True)
    see_that_one_browser_gets_in(browser, link)


def test_the_page_still_shares_after_its_connection_was_lost(browser: Browser, demo: Demo) -> None:
    owner = open_session_page(browser, demo)
    make_link(owner, "Jane")
    for label in ("John", "Jill"):
        with owner.expect_websocket():  # which the page opens anew
            owner.evaluate("socket.close()")
        expect(owner.locator("#news")).to_have_text("")  # once it is told something again
        make_link(owner, label)
    expect(owner.locator("#stale")).to_be_hidden()


def test_its_address_may_lack_the_last_slash(browser: Browser, demo: Demo) -> None:
    owner = open_session_page(browser, demo)
    owner.goto(origin_of(demo) + "/_conductor")
    expect(owner.locator("#state")).to_have_text("Running")


def test_the_owner_stops_the_application(browser: Browser, demo: Demo) -> None:
    owner = open_session_page(browser, demo)
    owner.on("dialog", lambda dialog: dialog.accept())
    owner.get_by_role("button", name="Stop the application").click()
    demo.process.wait(timeout=20)
