"""The pictures of the README, taken of the real thing: ``make pictures``.

A gateway, a client on a terminal with JupyterLab behind it, and a browser: what the terminal shows becomes an SVG,
JupyterLab at its address and the session's page become PNGs, all in ``docs/images``. The links in them are of a
session that has ended. Run it as an ordinary user, whose name they show.
"""

from __future__ import annotations

import contextlib
import getpass
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
from playwright.sync_api import Page, expect
from rich.console import Console
from rich.style import Style
from rich.text import Text

from scripts.apps.__main__ import CACHE
from scripts.apps.application import Application, install
from scripts.apps.chain import DOMAIN, Gateway, open_gateway
from scripts.apps.drivers import APPLICATIONS
from scripts.apps.drivers.notebooks import make_notebook
from scripts.bench.machine import LOOPBACK, REPOSITORY
from scripts.bench.peers import own_program
from tests.doubles.terminal import Terminal, open_terminal
from tests.support.browser import open_browser

IMAGES = REPOSITORY / "docs" / "images"
_COLUMNS, _LINES = 96, 24
_PATIENCE = 120.0  # s; a first start from a cold disk
_PAGE_PATIENCE = 60_000.0  # ms
_LINK = re.compile(r"https://\S+/_conductor/auth/\S+")
_CELL = """\
import math
from IPython.display import SVG

print("the answer is", 6 * 7)

def wave(phase):
    points = " ".join(f"{x},{110 - 90 * math.sin(x / 45 + phase) * math.exp(-x / 400)}" for x in range(0, 760, 4))
    return f'<polyline points="{points}" fill="none" stroke="hsl({200 + 60 * phase} 70% 45%)" stroke-width="3"/>'

SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="220">{"".join(map(wave, (0, 0.5, 1)))}</svg>')"""
#: What stands in the terminal's first line, where a shell would have shown it.
_TYPED = "$ conductor-trio -k lab gw.example.org -- jupyter lab"


def write_home(home: Path) -> None:
    """Make the home directory of whoever starts JupyterLab: a notebook, and a JupyterLab that says little."""
    (home / ".jupyter").mkdir(parents=True)
    quiet = "".join(f"c.{app}.log_level = 40\n" for app in ("LabApp", "ServerApp", "ExtensionApp"))
    for name in ("jupyter_lab_config.py", "jupyter_server_config.py"):
        (home / ".jupyter" / name).write_text(quiet)
    (home / "cell.ipynb").write_text(make_notebook(_CELL))


@contextlib.contextmanager
def open_client(gateway: Gateway, home: Path, path: list[Path], terminal: Terminal) -> Iterator[None]:
    """Run the client on the terminal, with JupyterLab behind it; on leaving, both have ended."""
    environment = {
        "PATH": os.pathsep.join([*map(str, path), os.environ.get("PATH", os.defpath)]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "FORCE_HYPERLINK": "0",
        "USER": getpass.getuser(),
    }
    words = ["-k", "lab", gateway.address, "--", "jupyter", "lab"]
    words += ["--allow-root"] if os.geteuid() == 0 else []
    terminal.write(f"{_TYPED}\r\n")
    process = subprocess.Popen(
        [own_program("conductor-trio"), *words],
        stdin=terminal.descriptor,
        stdout=terminal.descriptor,
        stderr=terminal.descriptor,
        env=environment,
        cwd=home,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for_link(terminal: Terminal) -> str:
    """Return the link that the terminal shows, once the application is ready."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        terminal.read_all()
        if found := _LINK.search("".join(terminal.screen.display)):
            return found[0]
        time.sleep(0.1)
    raise SystemExit(f"scripts.pictures: no link in\n{terminal.text}")


def render_terminal(screen: pyte.Screen) -> str:
    """Return what the terminal shows as an SVG."""
    console = Console(record=True, width=screen.columns, file=io.StringIO(), force_terminal=True)
    lines = [line.rstrip() for line in screen.display]
    last = max(number for number, line in enumerate(lines) if line)
    for number in range(last + 1):
        text = Text(end="\n", no_wrap=True)
        for column in range(screen.columns):
            cell = screen.buffer[number][column]
            text.append(cell.data, Style(color=_color(cell.fg), bold=cell.bold, underline=cell.underscore))
        text.rstrip()
        console.print(text)
    return console.export_svg(title="node17")


def _color(name: str) -> str | None:
    if name == "default":
        return None
    return f"#{name}" if re.fullmatch("[0-9a-f]{6}", name) else name.replace("brown", "yellow")


def take_notebook(lab: Application, page: Page, link: str, home: Path) -> None:
    """Run a cell in JupyterLab, and take it."""
    page.goto(f"{link}?next={lab.start}")
    page.get_by_role("button", name="No", exact=True).click()  # it asks whether there is to be news
    lab.use(page, home)
    expect(page.locator(".jp-RenderedSVG")).to_be_visible()
    page.wait_for_timeout(1500)  # until the kernel's state is drawn: for the eye only
    page.screenshot(path=IMAGES / "jupyterlab.png")


def take_session_page(page: Page, link: str) -> None:
    """Take the session's page, with what JupyterLab has just asked for."""
    page.goto(f"{link}?next=/_conductor/")
    page.wait_for_timeout(2500)  # it tells traffic as it goes
    page.screenshot(path=IMAGES / "session-page.png")


def main() -> int:
    """Take all pictures anew."""
    IMAGES.mkdir(exist_ok=True)
    lab = next(application for application in APPLICATIONS if application.name == "jupyterlab")
    installed = install(lab, CACHE)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ct-", dir="/tmp")))
        home = directory / "home"
        write_home(home)
        gateway = stack.enter_context(open_gateway(directory, None, shows_port=False))
        terminal = stack.enter_context(open_terminal(_COLUMNS, _LINES))
        rules = f"--host-resolver-rules=MAP *.{DOMAIN} {LOOPBACK}:{gateway.port}"
        browser = stack.enter_context(open_browser(rules, "--ignore-certificate-errors"))
        stack.enter_context(open_client(gateway, home, installed.path, terminal))
        link = wait_for_link(terminal)
        (IMAGES / "terminal.svg").write_text(render_terminal(terminal.screen))
        context = browser.new_context(viewport={"width": 1200, "height": 720})
        context.set_default_timeout(_PAGE_PATIENCE)
        take_notebook(lab, context.new_page(), link, home)
        take_session_page(context.new_page(), link)
    print(f"Written: {IMAGES.relative_to(REPOSITORY)}/terminal.svg, jupyterlab.png, session-page.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
