"""What can be done on the own pages in a real browser, by keyboard, too; and how they fit their window."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from conductor_trio.pages.session_page import SignOn
from tests.support.own_pages import NOW, SESSION, Shown, all_reasons

pytestmark = pytest.mark.e2e

REASONS = all_reasons()
_BOX = "place => place.getBoundingClientRect().toJSON()"


def test_a_new_link_is_seen_whole_and_copied_by_keyboard(browser: Browser) -> None:
    with browser.new_context(viewport={"width": 360, "height": 740}) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        shown = Shown(context)
        shown.show_session()
        page = shown.page
        page.get_by_label("For whom").focus()
        page.keyboard.type("Jane")
        page.keyboard.press("Enter")
        link = page.get_by_label("The link, shown only now")
        expect(link).to_be_focused()
        assert link.input_value().endswith("/_conductor/auth/" + "k3J9" * 11)
        assert link.evaluate("place => place.scrollHeight <= place.clientHeight + 1")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Copy")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#copied")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == link.input_value()


def test_no_word_breaks_inside_a_button(browser: Browser) -> None:
    for language in ("en", "de"):
        with browser.new_context(viewport={"width": 320, "height": 740}) as context:
            shown = Shown(context, language)
            shown.show_session()
            shown.page.wait_for_selector("#owner:not([hidden])")
            for button in shown.page.locator("button:visible").all():
                assert button.evaluate("place => place.getClientRects().length") == 1
                height = button.evaluate("place => place.getBoundingClientRect().height")
                assert height < 50 or "\n" not in button.inner_text()
            assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_fields_stand_in_line(browser: Browser) -> None:
    with browser.new_context(viewport={"width": 768, "height": 740}) as context:
        shown = Shown(context)
        shown.show_session()
        shown.page.wait_for_selector("#owner:not([hidden])")
        boxes = [shown.page.locator(place).evaluate(_BOX) for place in ("#label", "#hours")]
        assert abs(boxes[0]["top"] - boxes[1]["top"]) < 1 and abs(boxes[0]["height"] - boxes[1]["height"]) < 3


@pytest.mark.parametrize(("locale", "zone"), [("de-DE", "Europe/Berlin"), ("en-GB", "Pacific/Auckland")])
def test_times_are_the_readers_own(browser: Browser, locale: str, zone: str) -> None:
    with browser.new_context(locale=locale, timezone_id=zone) as context:
        shown = Shown(context, locale[:2])
        shown.show(REASONS["session_ended"])
        time = shown.page.locator("time")
        expected = shown.page.evaluate(
            "([at, locale]) => new Date(at * 1000).toLocaleTimeString(locale)", [NOW - 3600, locale]
        )
        expect(time).to_contain_text(expected)
        assert re.fullmatch(r"\d\d:\d\d:\d\d UTC .+", time.get_attribute("title") or "")
        shown.show_session()
        since = shown.page.evaluate(
            "([at, locale]) => new Date(at * 1000)"
            ".toLocaleString(locale, {dateStyle: 'medium', timeStyle: 'short'})",
            [SESSION["since"], locale],
        )
        expect(shown.page.locator("#since")).to_have_text(since)


def test_without_scripts_a_page_says_the_same_and_asks_again(browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        shown = Shown(context)
        shown.show(REASONS["starting"])
        expect(shown.page.locator("h1")).to_have_text("JupyterLab is starting")
        expect(shown.page.locator("#passed")).to_have_text("1 min 15 s")
        expect(shown.page.locator("#output")).to_contain_text("Package jupyterlab took")
        with shown.page.expect_navigation():
            pass


def test_what_is_broken_is_not_of_the_color_of_what_waits(browser: Browser) -> None:
    with browser.new_context() as context:
        shown = Shown(context)
        colors = set()
        for topic in ("no_token", "starting", "relay_socket", "session_ended"):
            shown.show(REASONS[topic])
            colors.add(shown.page.locator(".hop").evaluate("place => getComputedStyle(place).color"))
        assert len(colors) == 4


def test_the_end_of_a_session_leaves_nothing_to_be_done(browser: Browser) -> None:
    with browser.new_context() as context:
        shown = Shown(context, "de")
        shown.show_session({**SESSION, "state": "ended"})
        expect(shown.page.locator("#state")).to_have_text("Beendet")
        expect(shown.page.locator("#log")).to_contain_text("Ein falsches Token wurde vorgezeigt (3 mal)")
        expect(shown.page.locator("#log")).to_contain_text("Geteilt: Seminar")
        expect(shown.page.get_by_role("button", name="Anwendung beenden")).to_be_hidden()


def test_people_are_named_and_seen_in_the_readers_language(browser: Browser) -> None:
    with browser.new_context(locale="de-DE") as context:
        shown = Shown(context, "de")
        shown.show_session(sign_on=SignOn.OFFERED)
        page = shown.page
        expect(page.locator("#people li")).to_have_count(3)
        expect(page.locator("#people li").nth(0)).to_contain_text("alice (Besitzer), von 192.0.2.1, seit")
        expect(page.locator("#people li").nth(1)).to_contain_text("zoe (@staff), von 2001:db8::1, seit")
        expect(page.locator("#people li").nth(2)).to_contain_text("Jane, reviewer two, seit")
        expect(page.locator("#shares li", has_text="@staff")).to_contain_text("reads, 1 Verbindung jetzt")
        expect(page.get_by_role("button", name="Freigabe für @staff zurückziehen")).to_be_visible()
        page.get_by_label("Benutzer oder @Gruppe").fill("bob")
        page.get_by_role("button", name="Teilen").click()
        expect(page.locator("#named")).to_contain_text("bob kommt von jetzt an durch den Single-Sign-on herein")
        expect(page.get_by_label("Benutzer oder @Gruppe")).to_have_value("")


def test_a_guest_is_told_of_no_owner_and_nobody_there_is_told_as_such(browser: Browser) -> None:
    with browser.new_context() as context:
        shown = Shown(context)
        guest = {name: told for name, told in SESSION.items() if name not in ("ownVisitors", "people")}
        shown.show_session({**guest, "you": "jkl", "people": []}, proof="")
        expect(shown.page.locator("#shares li")).to_have_count(4)
        expect(shown.page.locator("#shares")).not_to_contain_text("Owner")
        expect(shown.page.locator("#people")).to_have_text("Nobody at this moment.")
        expect(shown.page.get_by_label("User or @group")).to_be_hidden()
