"""Neighbours in a real browser: what their pages, and an application's own scripts, can do to a session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_browser
from tests.support.neighbours import DOMAIN, Content, Gateway, Neighbour, open_gateway

pytestmark = pytest.mark.e2e

PORTAL = f"https://portal-root.{DOMAIN}"
ISOLATED = (("Cross-Origin-Opener-Policy", "same-origin"),)
FORM = "<form method=post action='{}/save'><input name=a value=1><button>Save</button></form>"

# What a service worker of the application can do with a navigation: ask itself, or take what was asked ahead.
WORKER = """
addEventListener("install", () => skipWaiting());
addEventListener("activate", event => event.waitUntil((async () => {
  await registration.navigationPreload.enable();
  await clients.claim();
})()));
addEventListener("fetch", event => {
  if (!event.request.url.includes("/_conductor/")) return;
  event.respondWith((async () => {
    const found = [];
    for (const answer of [await event.preloadResponse, await fetch(event.request)])
      if (answer) found.push(answer.status + (await answer.clone().text()).includes("name=\\"proof\\""));
    return new Response("found " + found.join(" "), {headers: {"Content-Type": "text/html"}});
  })());
});
"""

# What a script tries at the session page's WebSocket; gives the first answer that is not an update.
SHARE = """() => new Promise(resolve => {
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/_conductor/live");
  socket.onopen = () => socket.send(JSON.stringify({do: "share", label: "", for: null, once: false}));
  socket.onmessage = event => { const told = JSON.parse(event.data); if (!told.session) resolve(told); };
  socket.onclose = () => resolve("closed");
})"""
PASSING = """
addEventListener("install", () => skipWaiting());
addEventListener("activate", event => event.waitUntil(clients.claim()));
addEventListener("fetch", event => event.respondWith(fetch(event.request)));
"""
REGISTER = "path => navigator.serviceWorker.register(path).then(() => navigator.serviceWorker.ready)"
HOLDS = "() => { try { return window.opened.document.title } catch { return null } }"
READ = """path => fetch(path, {credentials: "include"}).then(
  async answer => [answer.status, await answer.text()], error => "refused"
)"""
PUT = """url => fetch(url, {
  method: "PUT", credentials: "include", headers: {"Content-Type": "application/json"}, body: "{}"
}).then(answer => answer.text(), error => "refused")"""


@attrs.frozen(kw_only=True)
class Street:
    """Who lives at the gateway, and a browser; `lab` is whose session is at stake."""

    browser: Browser
    lab: Neighbour
    evil: Neighbour
    portal: Neighbour

    @contextlib.contextmanager
    def visit(self) -> Iterator[Page]:
        """Give a tab of somebody who is logged in everywhere."""
        context = self.browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        for neighbour in (self.lab, self.evil, self.portal):
            page.goto(neighbour.link, wait_until="load")
        for neighbour in (self.lab, self.evil, self.portal):
            neighbour.seen.clear()
        yield page
        context.close()


@contextlib.contextmanager
def open_street(gateway: Gateway) -> Iterator[Street]:
    with contextlib.ExitStack() as stack:
        lab, evil, portal = (
            stack.enter_context(gateway.open_neighbour(key, {})) for key in ("lab", "evil", "portal")
        )
        lab.pages |= {
            "/": Content("<title>The lab</title><h1>The lab</h1>"),
            "/isolated": Content("<title>The lab</title><h1>The lab, isolated</h1>", fields=ISOLATED),
            "/form": Content(FORM.format(""), fields=(("Referrer-Policy", "no-referrer"),)),
            "/save": Content("<h1>Saved</h1>"),
            "/secret.js": Content("window.secret = 'of the lab'", "text/javascript"),
            "/passing.js": Content(PASSING, "text/javascript"),
            "/worker.js": Content(WORKER, "text/javascript"),
        }
        evil.pages |= {
            "/": Content(
                f"<title>evil</title><script src='{lab.url}/secret.js'></script><img src='{lab.url}/change'>"
                f"<iframe src='{lab.url}/'></iframe><iframe src='{lab.url}/_conductor/'></iframe>"
                f"<a href='{lab.url}/'>A link</a>"
            ),
            "/clear": Content("cleared", fields=(("Clear-Site-Data", '"cookies", "*"'),)),
            "/link": Content(f"<a href='{lab.url}/'>A link</a>"),
            "/frame": Content(f"<iframe src='{lab.url}/'></iframe>"),
            "/form": Content(FORM.format(lab.url), fields=(("Referrer-Policy", "no-referrer"),)),
        }
        portal.pages["/"] = Content(f"<title>portal</title><iframe src='{lab.url}/'></iframe>")
        with open_browser(*gateway.browser_options) as browser:
            yield Street(browser=browser, lab=lab, evil=evil, portal=portal)


@pytest.fixture
def street(short_tmp: Path) -> Iterator[Street]:
    with open_gateway(short_tmp, "--allow-origin", PORTAL) as gateway, open_street(gateway) as street:
        yield street


def test_a_neighbours_page_gets_at_nothing_but_leads_here(street: Street) -> None:
    with street.visit() as page:
        page.goto(street.evil.url + "/", wait_until="load")
        assert page.evaluate("window.secret") is None
        assert street.lab.seen == []
        assert page.evaluate(PUT, street.lab.url + "/api") == "refused"
        assert street.lab.seen == []
        page.get_by_role("link").click()
        expect(page.locator("h1")).to_have_text("The lab")


def test_a_neighbour_that_clears_cookies_logs_nobody_out(street: Street) -> None:
    with street.visit() as page:
        page.goto(street.evil.url + "/clear", wait_until="load")
        page.goto(street.lab.url + "/")
        expect(page.locator("h1")).to_have_text("The lab")


def test_a_form_without_a_referrer_is_the_own_pages_and_nobody_elses(street: Street) -> None:
    with street.visit() as page:
        page.goto(street.lab.url + "/form")
        page.get_by_role("button").click()
        expect(page.locator("h1")).to_have_text("Saved")
        assert ("POST", "/save", "null") in street.lab.seen
        street.lab.seen.clear()
        page.goto(street.evil.url + "/form")
        page.get_by_role("button").click()
        expect(page.locator("h1")).to_have_text("Cross-site request refused")
        assert street.lab.seen == []


def test_the_portal_sends_what_it_wants_reads_the_answer_and_frames_the_application(street: Street) -> None:
    with street.visit() as page:
        page.goto(street.portal.url + "/")
        expect(page.frame_locator("iframe").locator("h1")).to_have_text("The lab")
        street.lab.pages["/api"] = Content("changed", "text/plain")
        assert page.evaluate(PUT, street.lab.url + "/api") == "changed"
        assert ("PUT", "/api", PORTAL) in street.lab.seen
        # Our own pages are not the portal's.
        assert page.evaluate(READ, street.lab.url + "/_conductor/") == "refused"


def test_an_applications_script_is_not_the_sessions_page(street: Street) -> None:
    with street.visit() as page:
        page.goto(street.lab.url + "/")
        told = page.evaluate(SHARE)
        assert "link" not in told and "own page" in told["error"]
        status, text = page.evaluate(READ, "/_conductor/")
        assert status == 403 and 'name="proof"' not in text


@pytest.mark.parametrize("opener", ["/", "/isolated"])
def test_a_window_of_the_applications_does_not_hold_the_sessions_page(street: Street, opener: str) -> None:
    with street.visit() as page:
        page.goto(street.lab.url + opener)
        with page.expect_popup() as opening:
            page.evaluate("() => { window.opened = window.open(location.pathname, 'popup'); }")
        popup = opening.value
        expect(popup.locator("h1")).to_contain_text("The lab")
        assert page.evaluate(HOLDS) == "The lab"
        page.evaluate("() => { window.opened.location = '/_conductor/'; }")
        expect(popup.locator("#state")).to_have_text("Running")
        assert page.evaluate(HOLDS) is None


def test_a_link_leads_to_an_application_whose_service_worker_hides_that_it_is_one(street: Street) -> None:
    with street.visit() as page:
        page.goto(street.lab.url + "/")
        page.evaluate(REGISTER, "/passing.js")
        page.wait_for_function("() => navigator.serviceWorker.controller")
        page.goto(street.evil.url + "/link")
        page.get_by_role("link").click()
        expect(page.locator("h1")).to_have_text("The lab")
        # In a frame the browser does not even show the page of ours, which would go on by itself.
        page.goto(street.evil.url + "/frame", wait_until="load")
        assert page.frames[1].url.startswith("chrome-error:")


def test_a_service_worker_finds_no_proof(street: Street) -> None:
    with street.visit() as page:
        page.goto(street.lab.url + "/")
        page.evaluate(REGISTER, "/worker.js")
        page.wait_for_function("() => navigator.serviceWorker.controller")
        page.goto(street.lab.url + "/_conductor/")
        expect(page.locator("body")).to_contain_text("found")
        assert "true" not in page.locator("body").inner_text()
