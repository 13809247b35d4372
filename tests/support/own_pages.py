"""The server's own pages in a browser, each with the fields that it comes with, and no server."""

from __future__ import annotations

import json
import time

from playwright.sync_api import BrowserContext, Page, Route, WebSocketRoute

from conductor_trio.access.reasons import (
    ApplicationStarting,
    BadRequest,
    IdentityNeeded,
    LinkLost,
    Reason,
    Redirect,
    SessionEnded,
    TooManyGuesses,
    UpstreamFailed,
)
from conductor_trio.errors import UpstreamFault
from conductor_trio.pages.answers import Reply, answer_for
from conductor_trio.pages.documents import Document, logo_document, session_document
from conductor_trio.pages.house import LOGO_PATH, House
from conductor_trio.pages.rendering import About, Setting, format_answer
from conductor_trio.pages.session_page import SessionView, SignOn
from conductor_trio.pages.words.languages import LANGUAGES
from tests.support.answers import REASONS, read_answer
from tests.support.heads import parse_request_head

ADDRESS = "http://lab-alice.localhost:9/"
# Have no page load itself again while it is looked at, which may take longer than it waits.
STAY = """
const later = setTimeout;
window.setTimeout = (what, after, ...more) => after >= 1000 ? 0 : later(what, after, ...more);
"""
NOW = time.time()
OUTPUT = (
    "[I 2026-11-28 14:03:22.101 ServerApp] Package jupyterlab took 0.4117s to import",
    "[I 2026-11-28 14:03:22.833 ServerApp] jupyter_lsp | extension was successfully linked.",
    "[W 2026-11-28 14:03:23.012 ServerApp] <notebook_dir> is deprecated",
    "[I 2026-11-28 14:03:23.377 LabApp] JupyterLab application directory is /opt/conda/share/jupyter/lab",
)
SESSION = {
    "key": "lab",
    "state": "live",
    "since": NOW - 7500,
    "node": "node-17",
    "until": NOW + 3600 * 3,
    "application": "JupyterLab",
    "command": "jupyter lab notes/2026",
    "visitors": 5,
    "ownVisitors": 3,
    "requests": 1432,
    "bytesIn": 1_200_000,
    "bytesOut": 84_300_000,
    "you": "owner",
    "now": NOW,
    "announcement": "",
    "shares": [
        {"id": "abc", "label": "Jane, reviewer two", "visitors": 1, "once": False, "expires": NOW + 3600 * 7},
        {"id": "def", "label": "Seminar", "visitors": 1, "once": False, "expires": None},
        {"id": "ghi", "label": "", "visitors": 0, "once": True, "used": False, "expires": NOW + 60000},
        {"id": "jkl", "label": "reads", "with": "@staff", "visitors": 1, "once": False, "expires": None},
    ],
    "people": [
        {"by": "owner", "identity": "alice", "address": "192.0.2.1", "since": NOW - 7000, "connections": 2},
        {"by": "jkl", "identity": "zoe", "address": "2001:db8::1", "since": NOW - 500, "connections": 1},
        {"by": "abc", "identity": None, "address": None, "since": NOW - 60, "connections": 0},
    ],
    "log": [
        {"text": "The application is starting", "at": NOW - 7520, "count": 1},
        {"text": "The application is running", "at": NOW - 7500, "count": 1},
        {"text": "Shared: Seminar", "at": NOW - 4000, "count": 1},
        {"text": "A wrong token was shown", "at": NOW - 300, "count": 3},
    ],
}


def all_reasons() -> dict[str, Reason]:
    """Return a reason for each page that there is, by its topic."""
    reasons: list[Reason] = [
        *REASONS,
        ApplicationStarting(since=NOW - 75, is_for_owner=True),
        LinkLost(since=NOW - 30),
        SessionEnded(since=NOW - 3600),
        UpstreamFailed(status=502, fault=UpstreamFault.RELAY_SOCKET, what="connection refused", since=NOW - 9),
        UpstreamFailed(status=502, fault=UpstreamFault.BAD_ANSWER, what="no response", since=NOW - 99_999),
        TooManyGuesses(wait=40),
        IdentityNeeded(user=None),
        IdentityNeeded(user="bob"),
        BadRequest(status=426),
    ]
    return {answer_for(reason).topic: reason for reason in reasons if not isinstance(reason, Redirect)}


class Shown:
    """Shows pages in a browser's context, of a house and in a language."""

    def __init__(self, context: BrowserContext, language: str = "en", house: House | None = None) -> None:
        self.page: Page = context.new_page()
        self.page.add_init_script(STAY)
        self.problems: list[str] = []
        self._language = language
        self._house = House() if house is None else house
        self._body, self._status = b"", 200
        self._fields: dict[str, str] = {}
        self._told: dict[str, object] = {}
        self.asked: list[str] = []  #: for what the pages asked
        self.page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.route("**/*", self._answer)
        self.page.route_web_socket("**/_conductor/live", self._tell)

    def show(self, reason: Reason, **more: object) -> None:
        """Show the page that somebody gets for a reason."""
        output = OUTPUT if isinstance(reason, ApplicationStarting) else None
        about = About(key="lab", application="JupyterLab", output=output)
        self._told = {"session": {"state": "starting" if output else "lost"}}
        self._load(answer_for(reason), about, **more)

    def show_session(
        self, told: dict[str, object] | None = None, proof: str = "proof", sign_on: SignOn = SignOn.NONE
    ) -> None:
        """Show the session's page, which is told that."""
        view = SessionView(
            key="lab", user="alice", node="node-17", application="JupyterLab", proof=proof, sign_on=sign_on
        )
        self._told = {"session": SESSION if told is None else told}
        self._load(session_document(view, LANGUAGES[self._language], self._house), About())

    def _load(self, answer: Reply | Document, about: About, **more: object) -> None:
        head = f"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nAccept-Language: {self._language}\r\n\r\n"
        request = parse_request_head(head.encode(), max_fields=9)
        setting = Setting(house=self._house, now=NOW, **more)  # type: ignore[arg-type]
        data = format_answer(answer, request, keep_alive=True, date=b"D", setting=setting, about=about)
        response, self._body = read_answer(data, method=b"GET")
        self._fields = {name.decode(): value.decode() for name, value in response.headers}
        self._status = response.status_code
        self.page.goto(ADDRESS)

    def _answer(self, route: Route) -> None:
        self.asked.append(route.request.url)
        logo = self._house.logo
        if logo is not None and LOGO_PATH in route.request.url:
            document = logo_document(logo)
            fields = {name.decode(): value.decode() for name, value in document.fields}
            route.fulfill(status=200, headers={**fields, "content-type": logo.type}, body=logo.data)
            return
        fields = {name: value for name, value in self._fields.items() if name != "content-length"}
        route.fulfill(status=self._status, headers=fields, body=self._body)

    def _tell(self, socket: WebSocketRoute) -> None:
        def hear(message: str | bytes) -> None:
            told = json.loads(message)
            match told["do"]:
                case "prove":
                    socket.send(json.dumps({"proof": "next"}))
                case "share" if told.get("with"):
                    socket.send(json.dumps({"named": told["with"]}))
                case "share":
                    socket.send(json.dumps({"link": "/_conductor/auth/" + "k3J9" * 11}))

        socket.on_message(hear)
        socket.send(json.dumps(self._told))
