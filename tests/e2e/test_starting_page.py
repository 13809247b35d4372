"""An application that takes its time, in a real browser: what its owner and a guest see until it is there."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.programs import OWN_PYTHON

pytestmark = pytest.mark.e2e

PATIENCE = 30
#: Says what it loads, waits for a file, and listens.
APPLICATION = """
import http.server, os, socketserver, sys, time
print("loading \\x1b[1mmodel\\x1b[0m <1 of 2>", flush=True)
print("loading model 2 of 2", flush=True)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"<!doctype html><title>There</title><h1>It is there</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
    def address_string(self):
        return "-"
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
Server(sys.argv[1], Handler).serve_forever()
"""


@attrs.frozen(kw_only=True)
class Stage:
    """A gateway, and a session whose application is starting."""

    server: subprocess.Popen[str]
    client: subprocess.Popen[str]
    control: Path
    go: Path  #: made, it has the application listen
    origin: str
    token: str

    @property
    def link(self) -> str:
        """The owner's."""
        return f"{self.origin}/_conductor/auth/{self.token}"

    def share(self) -> str:
        """Return a guest's link."""
        words = [str(OWN_PYTHON.with_name("conductor-trio")), "share", "lab", str(self.control), "--json"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
        return str(json.loads(said)["link"])


def free_port() -> int:
    with contextlib.closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def stage(short_tmp: Path) -> Iterator[Stage]:
    runtime, port, go = short_tmp / "run", free_port(), short_tmp / "go"
    program = short_tmp / "slow-app"
    program.write_text(f"#!{sys.executable}\n{APPLICATION}")
    program.chmod(0o755)
    options = ["-p", str(port), "-r", str(runtime), "-d", f"{{key}}-{{user}}.localhost:{port}"]
    with contextlib.ExitStack() as stack:

        def start(*words: object) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            stack.callback(process.communicate, timeout=PATIENCE)
            stack.callback(process.terminate)
            return process

        server = start(OWN_PYTHON.with_name("conductor-trio-server"), *options)
        assert server.stderr is not None
        assert any('"start"' in line or "listen" in line for line in server.stderr)
        client = start(
            *(OWN_PYTHON.with_name("conductor-trio"), "-k", "lab", "--json", runtime / "client", "--"),
            *(program, "{socket}", go),
        )
        assert client.stdout is not None
        told = next(event for line in client.stdout if (event := json.loads(line))["state"] == "starting")
        [host] = told["config"]["urls"]
        yield Stage(
            server=server,
            client=client,
            control=runtime / "client",
            go=go,
            origin=f"http://{host}",
            token=told["config"]["auth"],
        )


def open_page(browser: Browser, link: str, **options: str) -> Page:
    page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
    page.goto(link)
    return page


def test_it_is_seen_to_start_and_then_it_is_there(browser: Browser, stage: Stage) -> None:
    link = stage.share()
    owner = open_page(browser, stage.link)
    guest = open_page(browser, link, locale="de-DE")
    stranger = open_page(browser, stage.origin)
    expect(owner.locator("h1")).to_have_text("slow-app is starting")
    expect(guest.locator("h1")).to_have_text("slow-app startet")
    assert guest.evaluate("document.documentElement.lang") == "de"
    expect(stranger.locator("h1")).to_have_text("This application is private")
    # Its owner alone sees what it says.
    expect(owner.locator("#output")).to_have_text("loading model <1 of 2>\nloading model 2 of 2")
    for page in (guest, stranger):
        assert "loading" not in page.content()
    assert "503" not in owner.inner_text("body")
    # Time passes without the page being asked for anew.
    owner.evaluate("window.isTheSame = true")
    before = owner.inner_text("#passed")
    expect(owner.locator("#passed")).not_to_have_text(before)
    stage.go.touch()
    for page in (owner, guest):
        expect(page.locator("h1")).to_have_text("It is there")
    assert owner.evaluate("window.isTheSame") is None


def test_the_page_of_a_session_that_ends_says_so(browser: Browser, stage: Stage) -> None:
    owner = open_page(browser, f"{stage.link}?next=/%23part")
    expect(owner.locator("h1")).to_have_text("slow-app is starting")
    stage.client.terminate()
    expect(owner.locator("h1")).to_have_text("slow-app has ended")
    expect(owner.locator("aside")).to_contain_text("conductor-trio -k lab SERVER -- COMMAND")


def test_the_session_page_names_the_session(browser: Browser, stage: Stage) -> None:
    owner = open_page(browser, f"{stage.link}?next=/_conductor/")
    expect(owner.locator("#state")).to_have_text("Starting")
    expect(owner.locator("h1")).to_have_text("slow-app")
    assert owner.title() == "slow-app – lab · conductor-trio"
    expect(owner.locator("#command")).to_contain_text("slow-app")
    expect(owner.locator("#output")).to_contain_text("loading model 2 of 2")
    guest = open_page(browser, stage.share() + "?next=/_conductor/")
    expect(guest.locator("#state")).to_have_text("Starting")
    expect(guest.locator("#command")).to_be_hidden()
    expect(guest.locator("#output")).to_be_hidden()
    assert "loading" not in guest.content()
