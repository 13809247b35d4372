"""People are let in by their names in a real browser: by the owner, on the session's page; and are seen there."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_browser
from tests.support.neighbours import Content, Gateway, Neighbour, open_gateway

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGES = {"/": Content("<!doctype html><title>lab</title><h1>The notebook</h1>")}
SIGN_ON = ("--trusted-proxy", "127.0.0.1", "--sso-user-header", "X-User", "--sso-groups-header", "X-Groups")


@pytest.fixture
def gateway(short_tmp: Path) -> Iterator[Gateway]:
    """Give a gateway that takes everybody here for a front proxy."""
    with open_gateway(short_tmp, *SIGN_ON) as gateway:
        yield gateway


def visit(browser: Browser, lab: Neighbour, user: str, groups: str = "") -> tuple[Page, int]:
    """Return a page of somebody whom the front proxy knows, at the application, and the answer's status."""
    context = browser.new_context(
        extra_http_headers={"X-User": user, "X-Groups": groups, "X-Forwarded-For": "192.0.2.7"}
    )
    page = context.new_page()
    answer = page.goto(lab.url)
    assert answer is not None
    return page, answer.status


def test_the_owner_names_people_sees_who_is_there_and_puts_them_out(gateway: Gateway, tmp_path: Path) -> None:
    with (
        gateway.open_neighbour("lab", PAGES) as lab,
        open_browser(*gateway.browser_options) as browser,
    ):
        assert visit(browser, lab, "bob")[1] == 403
        context = browser.new_context()
        owner = context.new_page()
        problems: list[str] = []
        owner.on("pageerror", lambda error: problems.append(str(error)))
        owner.goto(f"{lab.link}?next=/_conductor/")
        expect(owner.locator("#state")).to_have_text("Running")
        for name in ("bob", "@staff"):
            owner.get_by_label("User or @group").fill(name)
            owner.get_by_role("button", name="Share", exact=True).click()
            expect(owner.locator("#named")).to_contain_text(f"{name} gets in by the single sign-on")
            expect(owner.locator("#shares")).to_contain_text(name)
        owner.get_by_label("User or @group").fill(getpass.getuser())
        owner.get_by_role("button", name="Share", exact=True).click()
        expect(owner.locator("#news")).to_contain_text("that is you")

        bob, status = visit(browser, lab, "bob")
        assert status == 200
        expect(bob.locator("h1")).to_have_text("The notebook")
        assert visit(browser, lab, "zoe", "dev, staff")[1] == 200
        assert visit(browser, lab, "eve", "dev")[1] == 403
        expect(owner.locator("#people")).to_contain_text("bob, from 192.0.2.7, since")
        expect(owner.locator("#people")).to_contain_text("zoe (@staff), from 192.0.2.7, since")
        owner.set_viewport_size({"width": 360, "height": 800})
        assert owner.evaluate("document.documentElement.scrollWidth <= innerWidth")
        owner.screenshot(path=tmp_path / "people.png", full_page=True)

        owner.locator("#shares li", has_text="bob").get_by_role("button", name="Revoke").click()
        expect(owner.locator("#shares")).not_to_contain_text("bob")
        answer = bob.reload()
        assert answer is not None and answer.status == 403
        assert problems == []
