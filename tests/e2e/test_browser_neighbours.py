"""Neighbours in a real browser: what their pages, and an application's own scripts, can do to a session."""

from __future__ import annotations

import contextlib
import re
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
CLOSED = (*ISOLATED, ("Cross-Origin-Embedder-Policy", "require-corp"))
FORM = "<form method=post action='{}/save'><input name=a value=1><button>Save</button></form>"

# A service worker that wants to know what is asked of our pages, by all means that there are, and its answer.
WORKER = """
const seen = [];
const note = event => { if (event.request.url.includes("_conductor")) seen.push(event.request.url); };
Event.prototype.stopImmediatePropagation = () => {};
String.prototype.startsWith = () => false;
Reflect.apply = () => false;
URL = function () { throw new Error("none"); };
addEventListener("install", event => {
  skipWaiting();
  if (event.addRoutes) event.addRoutes({condition: {urlPattern: "/_conductor/*"}, source: "cache"});
});
addEventListener("activate", event => event.waitUntil((async () => {
  await registration.navigationPreload.enable();
  await clients.claim();
})()));
addEventListener("fetch", note, {capture: true});
onfetch = note;
addEventListener("message", async event => {
  const pages = await clients.matchAll({includeUncontrolled: true});
  event.source.postMessage([...seen, ...pages.map(page => page.url).filter(url => url.includes("_conductor"))]);
});
"""
WHAT_IS_SEEN = """() => new Promise(resolve => {
  navigator.serviceWorker.onmessage = event => resolve(event.data);
  navigator.serviceWorker.controller.postMessage("");
})"""
# What a neighbour's page plants for all of the domain: how many cookies, how large, and what else is said of them.
# That they can be read again tells that they have arrived.
PLANT = """([count, size, attributes]) => {
  for (let number = 0; number < count; number += 1)
    document.cookie = `b${number}=${"x".repeat(size)}; domain=DOMAIN; secure; ${attributes}`;
  return document.cookie;
}""".replace("DOMAIN", DOMAIN)
PREFETCH = """<script type=speculationrules>
{"prefetch": [{"urls": ["%s/change"], "eagerness": "immediate"}]}
</script>"""

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
            "/closed": Content("<title>The lab</title><h1>The lab, closed</h1>", fields=CLOSED),
            "/form": Content(FORM.format(""), fields=(("Referrer-Policy", "no-referrer"),)),
            "/save": Content("<h1>Saved</h1>"),
            "/secret.js": Content("window.secret = 'of the lab'", "text/javascript"),
            "/passing.js": Content(PASSING, "text/javascript"),
            "/worker.js": Content(WORKER, "text/javascript"),
            "/deep/worker.js": Content(WORKER, "text/javascript", fields=(("Service-Worker-Allowed", "/"),)),
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


@pytest.mark.parametrize("path", ["/worker.js", "/deep/worker.js"])
def test_a_service_worker_sees_no_login_link(street: Street, path: str) -> None:
    with street.visit() as page:
        page.goto(street.lab.url + "/")
        page.evaluate("path => navigator.serviceWorker.register(path, {scope: '/'})", path)
        page.wait_for_function("() => navigator.serviceWorker.controller")
        other = page.context.new_page()
        other.goto(street.lab.link)
        expect(other.locator("h1")).to_have_text("The lab")
        other.goto(street.lab.link + "-wrong")
        expect(other.locator("h1")).to_have_text("This link does not open the application")
        session = page.context.new_page()
        session.goto(street.lab.url + "/_conductor/")
        expect(session.locator("#state")).to_have_text("Running")
        assert page.evaluate(WHAT_IS_SEEN) == []


def test_the_history_of_a_tab_holds_no_login_link(street: Street) -> None:
    with street.visit() as page:
        page.goto(street.lab.link + "-wrong")
        page.goto(street.lab.link)
        assert page.evaluate("navigation.entries().map(entry => entry.url)")[-1] == street.lab.url + "/"
        assert "_conductor" not in str(page.evaluate("navigation.entries().map(entry => entry.url)"))


def test_a_neighbours_prefetch_does_nothing(street: Street) -> None:
    with street.visit() as page:
        street.evil.pages["/prefetch"] = Content(PREFETCH % street.lab.url)
        # Chromium drops what is no success: the request then counts as failed, or as finished.
        with page.expect_response("**/change") as refused:
            page.goto(street.evil.url + "/prefetch")
        assert refused.value.status == 403
        assert street.lab.seen == []
        # The application's own is asked for.
        street.lab.pages["/prefetch"] = Content(PREFETCH % street.lab.url)
        with page.expect_response("**/change"):
            page.goto(street.lab.url + "/prefetch")
        assert ("GET", "/change", None) in street.lab.seen


@pytest.mark.parametrize(
    ("count", "size", "attributes", "path"),
    [
        (40, 3900, "path=/", "/"),
        (170, 400, "path=/", "/"),
        (40, 3900, "path=/form", "/form"),
        (40, 3900, "path=/_conductor", "/_conductor/"),
    ],
)
def test_a_page_that_planted_cookies_block_comes_back(
    street: Street, count: int, size: int, attributes: str, path: str
) -> None:
    with street.visit() as page:
        page.goto(street.evil.url + "/link")
        page.evaluate(PLANT, [count, size, attributes])
        answer = page.goto(street.lab.url + path)
        assert answer is not None and answer.status == 431
        expect(page.locator("h1")).to_have_text("Too many cookies")
        expect(page.locator("h1, button").last).to_have_text(re.compile("^(The lab|Save|Stop the application)$"))
        # The largest are gone, and nobody has to log in again.
        page.goto(street.lab.url + "/")
        expect(page.locator("h1")).to_have_text("The lab")


def test_who_holds_the_window_of_the_sessions_page_can_do_nothing_in_it(street: Street) -> None:
    with street.visit() as page:
        page.goto(street.lab.url + "/closed")
        with page.expect_popup() as opening:
            page.evaluate("() => { window.opened = window.open('/_conductor/', 'popup'); }")
        popup = opening.value
        expect(popup.locator("#state")).to_have_text("Running")
        assert page.evaluate("window.opened.document.querySelector('meta[name=proof]').content") == ""
        expect(popup.locator("#stale")).to_be_visible()
        expect(popup.locator("#owner")).to_be_hidden()
        # By a person's own doing it is the owner's page again.
        popup.goto(street.lab.url + "/_conductor/")
        expect(popup.locator("#stale")).to_be_hidden()
        popup.click("#share button")
        expect(popup.locator("#link")).to_be_visible()


@pytest.mark.parametrize("priority", ["", "priority=high"])
def test_cookies_that_crowd_out_others_leave_one_of_ours(street: Street, priority: str) -> None:
    with street.visit() as page:
        page.goto(street.evil.url + "/link")
        page.evaluate(PLANT, [400, 1, f"path=/; {priority}"])
        page.goto(street.lab.url + "/")
        expect(page.locator("h1")).to_have_text("The lab")


def test_who_was_crowded_out_is_told_so_and_gets_rid_of_it(street: Street) -> None:
    with street.visit() as page:
        page.goto(street.evil.url + "/link")
        for priority in ("high", "medium"):
            page.evaluate(PLANT.replace("b$", f"{priority}$"), [400, 1, f"path=/; priority={priority}"])
        page.goto(street.lab.url + "/form")
        expect(page.locator("h1")).to_have_text("Your browser may have forgotten the token")
        page.get_by_role("button", name="Forget").click()
        expect(page.locator("h1")).to_have_text("This application is private")
        assert page.url == street.lab.url + "/form"
        assert page.context.cookies(street.lab.url) == []
        page.goto(street.lab.link)
        expect(page.locator("h1")).to_have_text("The lab")


def test_a_cookie_for_the_domain_stays_with_the_application_that_sets_it(street: Street) -> None:
    cookie = ("Set-Cookie", f"session=secret; Domain={DOMAIN}; Path=/; Secure; HttpOnly")
    street.lab.pages["/login"] = Content("logged in", fields=(cookie,))
    with street.visit() as page:
        page.goto(street.lab.url + "/login")
        [kept] = [one for one in page.context.cookies() if one["name"] == "session"]
        assert kept["domain"] == street.lab.host


def test_a_browser_stays_with_https(street: Street) -> None:
    with street.visit() as page:
        answer = page.goto(street.lab.url + "/")
        assert answer is not None and "max-age=" in answer.headers["strict-transport-security"]
