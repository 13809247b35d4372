"""Every page of the server's own by axe-core in a real browser, in each scheme, and with its policy in force."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from conductor_trio.pages.colors import parse_color
from conductor_trio.pages.house import House, read_logo
from conductor_trio.pages.session_page import SignOn
from tests.support.axe import find_violations, read_axe
from tests.support.demo import Demo, see_application
from tests.support.own_pages import SESSION, Shown, all_reasons

pytestmark = pytest.mark.e2e

REASONS = all_reasons()
#: One page of each tone, and each form: what has colours.
COLOURED = ("starting", "no_token", "crowded_out", "relay_socket", "session_ended", "planted_cookies")
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
HOUSE = House(
    name="HPC centre of the University of Example",
    logo=read_logo(DRAWING),
    help_url="https://hpc.test/help",
    announcement="Maintenance on Monday, 8 to 10.",
    color=parse_color("#ffee00"),
)
SCHEMES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 768, "height": 800}},
    "contrast": {"contrast": "more", "viewport": {"width": 360, "height": 740}},
    "dark contrast": {"color_scheme": "dark", "contrast": "more", "viewport": {"width": 360, "height": 740}},
    "forced": {"forced_colors": "active", "reduced_motion": "reduce", "viewport": {"width": 360, "height": 740}},
}


@pytest.fixture(scope="module")
def axe() -> str:
    return read_axe()


def check(shown: Shown, axe: str) -> None:
    """Check the page that is shown."""
    assert find_violations(shown.page, axe) == []
    assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # What is not there at first is told as an error, too.
    assert [problem for problem in shown.problems if "the server responded with a status" not in problem] == []


@pytest.mark.parametrize(
    ("scheme", "house"), [*((scheme, None) for scheme in SCHEMES), ("light", HOUSE), ("dark contrast", HOUSE)]
)
def test_everybody_can_use_the_pages(browser: Browser, axe: str, scheme: str, house: House | None) -> None:
    is_every = scheme == "light" and house is None
    with browser.new_context(**SCHEMES[scheme]) as context:
        shown = Shown(context, "de" if scheme == "dark" else "en", house)
        for topic in REASONS if is_every else COLOURED:
            shown.show(REASONS[topic], is_exposed=True, announcement="Down at noon.")
            check(shown, axe)
        starting = {**SESSION, "state": "starting", "output": ["loading"], "announcement": "Noon.", "people": []}
        for told, sign_on in ((SESSION, SignOn.OFFERED), (starting, SignOn.NONE)):
            shown.show_session(told, sign_on=sign_on)
            shown.page.wait_for_selector("#owner:not([hidden])")
            shown.page.click("#share button[type=submit]")
            shown.page.wait_for_selector("#linkrow:not([hidden])")
            check(shown, axe)
        shown.show_session(sign_on=SignOn.NEEDED)
        shown.page.wait_for_selector("#owner:not([hidden])")
        shown.page.fill("#with", "bob")
        shown.page.click("#share button[type=submit]")
        shown.page.wait_for_selector("#named:not(:empty)")
        check(shown, axe)
        if is_every:
            guest = {name: told for name, told in SESSION.items() if name != "ownVisitors"}
            shown.show_session({**guest, "you": "abc"}, proof="")
            shown.page.wait_for_selector("#shares li")
            check(shown, axe)


def test_what_cannot_be_read_would_be_found(browser: Browser, axe: str) -> None:
    with browser.new_context() as context:
        shown = Shown(context)
        shown.show(REASONS["no_token"])
        shown.page.evaluate("document.querySelector('h1').style.color = '#999'")
        [violation] = find_violations(shown.page, axe)
        assert violation.startswith("color-contrast: <h1")


def test_the_pages_ask_for_nothing_but_the_logo(browser: Browser) -> None:
    with browser.new_context() as context:
        for house in (None, HOUSE):
            shown = Shown(context, house=house)
            shown.show(REASONS["no_token"])
            shown.show_session()
            shown.page.wait_for_selector("#shares li")
            others = {url for url in shown.asked if url != shown.page.url}
            assert others == ({shown.page.url + HOUSE.logo.address[1:]} if house and HOUSE.logo else set())


def test_the_demonstration_is_of_the_same_make(browser: Browser, demo: Demo, axe: str) -> None:
    for scheme in ("light", "dark"):
        with browser.new_context(**SCHEMES[scheme]) as context:
            page = context.new_page()
            page.goto(demo.link)
            see_application(page)
            assert find_violations(page, axe) == []
            accents = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--accent')")
            page.goto(demo.link.partition("/_conductor/")[0] + "/_conductor/")
            assert accents == page.evaluate(
                "getComputedStyle(document.documentElement).getPropertyValue('--accent')"
            )
