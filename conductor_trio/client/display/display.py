"""The client's events for a person at a terminal, instead of JSON lines.

`display_story` knows what they mean, `display_paint` how that looks, `display_screen` how it goes together with
the application's own text. Here are the terminal, the clock and the log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import termios
import time
from collections.abc import AsyncIterator, Iterator, Mapping

import attrs
import trio

from conductor_trio.client.display.capabilities import detect_terminal
from conductor_trio.client.display.link import (
    draw_qr,
    find_browser,
    open_page,
    start_browser,
)
from conductor_trio.client.display.log_capture import taking_over_log
from conductor_trio.client.display.painter import (
    Item,
    Link,
    Mark,
    Notice,
    Renderer,
    Status,
)
from conductor_trio.client.display.progress import ProgressModel
from conductor_trio.client.display.screen import TerminalStream
from conductor_trio.client.host.batch_job import find_job, watch_job
from conductor_trio.client.output.events import Event
from conductor_trio.client.output.writer import Output
from conductor_trio.limits import KIB, ClientLimits

# Calm, and often enough for seconds that are counted.
_TICK = 1.0
# For room in the backlog; then what the application writes is left out, lest it waits for a terminal that is stuck
# and nobody's request is answered. A pipe holds 64 KiB, so that up to as much a second costs it nothing.
_ROOM_TIMEOUT = 1.0
# Of the application's text that is held back while ssh may be asking.
_MAX_HELD = 256 * KIB
_DEFAULT_WIDTH = 80

_SSH_LOGGER = "conductor_trio.client.transport.ssh_log"


@attrs.frozen(kw_only=True)
class DisplaySettings:
    """What the display shows, and where it is.

    `place` is the gateway as the user named it, None where its control socket is on this host.
    """

    place: str | None
    show_qr: bool = False
    open_browser: bool = False
    verbose: bool = False
    environment: Mapping[str, str] = attrs.field(factory=lambda: dict(os.environ), repr=False)


class Display(Output):
    """An output whose events are shown; it never makes the application wait for long."""

    def __init__(self, descriptor: int, limits: ClientLimits, settings: DisplaySettings) -> None:
        super().__init__(descriptor, limits)
        self._settings = settings
        self._terminal = detect_terminal(settings.environment)
        self._story = ProgressModel(
            place=settings.place, now=trio.current_time(), time_of_day=lambda: time.strftime("%H:%M")
        )
        self._painter = Renderer(self._terminal)
        self._screen = TerminalStream(has_cursor=self._terminal.has_cursor)
        self._status: tuple[Status | None, int] = (None, 0)  # what the status line tells, and its width
        self._texts: list[str] = []  # of the application, until ssh has asked
        self._items: list[Item] = []  # until the application's line is complete
        self._logged: list[Notice] = []  # until it is clear that no event tells the same
        self._was_logged = trio.Event()
        self._left_out = 0
        self._has_bug = False
        self._live = trio.Event()
        self._print(self._story.begin())

    def send(self, event: Event) -> None:
        """Show an event, or take note of it."""
        with self._containing_bugs():
            match event:
                case {"state": "data", "data": str(text)}:
                    self._add_text(text)
                case _:
                    self._mind_prompt()
                    self._drop_logged(event.get("reason"))
                    self._items += self._story.receive(event, trio.current_time())
                    if self._story.url is not None:
                        self._live.set()
            self._flush()

    async def wait_room(self) -> None:
        """Wait a moment for the terminal where it has not taken what it got."""
        with trio.move_on_after(_ROOM_TIMEOUT):
            await super().wait_room()

    def expect_end(self) -> None:
        """The application is being ended; a terminal that is stuck is given up after a while."""
        super().expect_end()
        with self._containing_bugs():
            self._mind_prompt()
            self._items += self._story.expect_end(trio.current_time())
            self._flush()

    def close(self) -> None:
        """Have `run` return once everything is written; the terminal is as anybody would like to find it."""
        with self._containing_bugs():
            self._pass_on_held()
            self._print([*self._logged, *self._items])
            self._logged, self._items = [], []
            self._story.finish(trio.current_time())
            self._write_text(self._screen.set_status("") + self._screen.put(""))
        super().close()

    async def run(self) -> None:
        """Write until closed; meanwhile time passes, windows change their size, and jobs run out."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_clock)
            nursery.start_soon(self._run_log)
            nursery.start_soon(self._watch_terminal)
            nursery.start_soon(self._watch_job)
            if self._settings.open_browser:
                nursery.start_soon(self._open_browser)
            await super().run()
            nursery.cancel_scope.cancel()

    def hear(self, record: logging.LogRecord) -> None:
        """Show what is logged, as far as it is for the user and no event says the same."""
        text = record.getMessage()
        if record.name == _SSH_LOGGER and not self._settings.verbose:
            with self._containing_bugs():
                self._print(self._story.hear_ssh(text.removeprefix("ssh: ")))
        elif record.levelno >= logging.WARNING or self._settings.verbose:
            mark = Mark.WARNING if record.levelno >= logging.WARNING else Mark.STEP
            self._logged.append(Notice(mark=mark, text=text))
            self._was_logged.set()

    @contextlib.contextmanager
    def _containing_bugs(self) -> Iterator[None]:
        """A bug in here is not to cost the application its hours of work."""
        try:
            yield
        except Exception as error:
            if not self._has_bug:
                self._has_bug = True
                self.write(f"\nthis is a bug in the display, please report it: {error!r}\n".encode())

    def _drop_logged(self, reason: object) -> None:
        if isinstance(reason, str):
            self._logged = [notice for notice in self._logged if reason not in notice.text]

    def _add_text(self, text: str) -> None:
        if len(self._backlog) > self._limits.max_output_backlog:
            self._left_out += len(text)
        else:
            self._texts.append(text)

    def _flush(self) -> None:
        """Write what can be written now, and have the status line as it should be."""
        now = trio.current_time()
        is_asking = self._story.is_ssh_asking(now)
        if not is_asking or sum(map(len, self._texts)) > _MAX_HELD:
            self._pass_on_held()
        if is_asking or self._screen.is_at_line_start:
            self._print_items()
        self._refresh(now)

    def _print_items(self) -> None:
        items, self._items = self._items, []
        self._print(items)

    def _pass_on_held(self) -> None:
        text, self._texts = "".join(self._texts), []
        if text:
            self._write_text(self._screen.pass_on(text))

    def _print(self, items: list[Item]) -> None:
        if not items:
            return
        self._mind_prompt()
        width = self._width()
        lines = ""
        for item in items:
            lines += self._painter.paint(item, width)
            if isinstance(item, Link) and self._settings.show_qr:
                terminal = self._terminal
                lines += draw_qr(
                    item.url,
                    width=width,
                    has_colours=terminal.has_colours,
                    has_unicode=terminal.has_unicode,
                )
        self._write_text(self._screen.put(lines))

    def _mind_prompt(self) -> None:
        """Lines of ours begin below where ssh has the user type."""
        if self._story.is_ssh_asking(trio.current_time()) and _is_typing_hidden(self._descriptor):
            self._screen.break_line()

    def _tick(self) -> None:
        now = trio.current_time()
        self._items += self._story.tick(now, has_status=self._terminal.has_cursor)
        if self._left_out:
            text = f"The terminal was stuck: {self._left_out} characters of the application's were left out"
            self._items.append(Notice(mark=Mark.WARNING, text=text))
            self._left_out = 0
        self._print_items()  # even where the application's line is not complete by now
        self._flush()

    def _refresh(self, now: float) -> None:
        wanted = self._story.status(now), self._width()
        if wanted != self._status:  # of which no two pictures are alike: rich numbers its links
            self._status = wanted
            status, width = wanted
            self._write_text(
                self._screen.set_status("" if status is None else self._painter.paint_status(status, width))
            )

    def _write_text(self, text: str) -> None:
        if text:
            self.write(text.encode("utf-8", "replace"))

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._descriptor).columns or _DEFAULT_WIDTH
        except OSError:  # it has gone
            return _DEFAULT_WIDTH

    async def _run_clock(self) -> None:
        while True:
            await trio.sleep(_TICK)
            while self._backlog:  # the terminal is slow, and what it shows old anyway
                await self._changed.park()
            with self._containing_bugs():
                self._tick()

    async def _run_log(self) -> None:
        """Show what was logged once whoever did so has come to wait, and has sent its event, too."""
        while True:
            await self._was_logged.wait()
            self._was_logged = trio.Event()
            with self._containing_bugs():
                self._items += self._logged
                self._logged = []
                self._flush()

    async def _watch_terminal(self) -> None:
        """A window may change its size, and a shell have it for a while (Ctrl-Z, fg)."""
        with trio.open_signal_receiver(signal.SIGWINCH, signal.SIGCONT) as received:
            async for _ in received:
                with self._containing_bugs():
                    self._status = (None, 0)  # whatever is there now
                    self._refresh(trio.current_time())

    async def _watch_job(self) -> None:
        if (job := find_job(self._settings.environment)) is None:
            return
        name = job.name

        def tell(left: float) -> None:
            with self._containing_bugs():
                self._items += self._story.set_job(name, left, trio.current_time())
                self._flush()

        await watch_job(job, tell)

    async def _open_browser(self) -> None:
        await self._live.wait()
        assert self._story.url is not None
        browser = find_browser(self._settings.environment)
        if browser is None:
            text = "There is no display here to open the link; click it, or copy it to a browser"
            self._items.append(Notice(mark=Mark.STEP, text=text))
            self._flush()
            return
        with open_page(self._story.url) as path:
            await start_browser(browser, path)
            await trio.sleep_forever()  # the browser may take its time


def _is_typing_hidden(descriptor: int) -> bool:
    """Whether someone, who can only be ssh, has the user type a secret."""
    try:
        return not termios.tcgetattr(descriptor)[3] & termios.ECHO
    except termios.error:
        return False


@contextlib.asynccontextmanager
async def open_display(descriptor: int, limits: ClientLimits, settings: DisplaySettings) -> AsyncIterator[Display]:
    """Give the display; on leaving, everything is written, unless the terminal is stuck."""
    display = Display(descriptor, limits, settings)
    with taking_over_log(display.hear, descriptor):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(display.run)
            yield display
            display.close()
