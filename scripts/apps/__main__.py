"""The command line: which applications, over which transport; a table of what works."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs
from playwright.sync_api import Browser, Error, expect

from conductor_trio.client.config.files import shipped_recipes
from conductor_trio.client.config.recipes import launch_command
from scripts.apps.application import AppError, Application, install
from scripts.apps.chain import BROWSER_OPTIONS, Gateway, open_gateway, open_link, tell
from scripts.apps.drivers import APPLICATIONS
from scripts.bench.machine import REPOSITORY, BenchError
from scripts.private_sshd import SshdError, open_private_sshd
from tests.support.browser import open_browser

CACHE = REPOSITORY / ".apps"
_RESULTS = REPOSITORY / "bench-results"
_PAGE_PATIENCE = 60_000.0  # ms; pages of megabytes, on a busy machine


@attrs.frozen(kw_only=True)
class Result:
    """What became of one application."""

    application: Application
    version: str = ""
    failure: str = ""  # in one line; empty where all went well

    def format_row(self) -> str:
        """Return its row of the table."""
        way = "WebSocket" if self.application.websocket else "HTTP"
        cells = [self.application.title, self.version, listens_on(self.application), way]
        return f"| {' | '.join([*cells, self.failure or self.application.tried])} |"


def listens_on(application: Application) -> str:
    """Return where the recipe has the application listen, for people."""
    recipes = shipped_recipes()
    command = application.command
    listen = recipes[command[0]].listen if application.run_recipe else launch_command(command, recipes).listen
    return {"unix": "UNIX socket", "tcp": "TCP, in a namespace of its own"}[listen]


def use(application: Application, browser: Browser, link: str, directory: Path) -> None:
    """A visitor has done with the application what there is to do; raises `AppError` where it does not work."""
    picture = directory / "page.png"
    heard: list[str] = []  # the addresses of the WebSockets over which something came
    with contextlib.closing(browser.new_context(viewport={"width": 1200, "height": 900})) as context:
        page = context.new_page()
        page.set_default_timeout(_PAGE_PATIENCE)
        page.on("websocket", lambda socket: socket.on("framereceived", lambda _: heard.append(socket.url)))
        try:
            page.goto(link)
            application.use(page, directory / "home")
        except (Error, AssertionError, AppError) as error:
            page.screenshot(path=picture)
            raise AppError(f"{str(error).strip().splitlines()[0]} (see {picture})") from error
    if application.websocket and not heard:
        raise AppError("nothing came over a WebSocket")


def try_application(application: Application, browser: Browser, gateway: Gateway, directory: Path) -> Result:
    """Return what became of the application; its files are in `directory`."""
    version = ""
    expect.set_options(timeout=_PAGE_PATIENCE)
    try:
        installed = install(application, CACHE)
        version = installed.version
        with open_link(application, installed, gateway, directory) as link:
            use(application, browser, link, directory)
    except (AppError, BenchError) as error:
        sys.stderr.write(tell(directory / "client.log") + "\n")
        return Result(application=application, version=version, failure=f"fails: {error}")
    return Result(application=application, version=version)


def main(argv: Sequence[str] | None = None) -> int:
    """Try the applications, print the table as it grows, and return 0 where all work."""
    names = [application.name for application in APPLICATIONS]
    parser = argparse.ArgumentParser(
        prog="scripts.apps", description="Try real applications through the whole chain."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all if none is given")
    parser.add_argument("--ssh", action="store_true", help="over a private SSH server, not from this host")
    parser.add_argument("--keep", action="store_true", help="leave logs and pictures where the failures are told")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chosen = [application for application in APPLICATIONS if not args.names or application.name in args.names]
    try:
        with contextlib.ExitStack() as stack:
            directory = Path(tempfile.mkdtemp(prefix="apps-"))
            if not args.keep:
                stack.callback(shutil.rmtree, directory)
            sshd = stack.enter_context(open_private_sshd()) if args.ssh else None
            gateway = stack.enter_context(open_gateway(directory, sshd))
            browser = stack.enter_context(open_browser(*BROWSER_OPTIONS))
            return _try_all(chosen, browser, gateway, directory)
    except (BenchError, SshdError) as error:
        sys.stderr.write(f"scripts.apps: {error}\n")
        return 1


def _try_all(chosen: Sequence[Application], browser: Browser, gateway: Gateway, directory: Path) -> int:
    today = datetime.datetime.now(datetime.UTC).date()
    rows = ["| application | version | listens on | its page uses | tried |", "|---|---|---|---|---|"]
    print(f"Tried on {today}:\n\n" + "\n".join(rows), flush=True)
    failed = 0
    for application in chosen:
        place = directory / application.name
        place.mkdir(parents=True)
        result = try_application(application, browser, gateway, place)
        failed += bool(result.failure)
        rows.append(result.format_row())
        print(rows[-1], flush=True)
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / "apps.md").write_text(f"Tried on {today}:\n\n" + "\n".join(rows) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
