"""The display: what is reported, for a person at a terminal instead of JSON lines for programs.

`progress` puts reports into words, `painter` renders these, `screen` composes them with the application's own
text. Here are the terminal, the clock and the log.
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
from conductor_trio.client.display.key_commands import KeyCommands, MakeLink
from conductor_trio.client.display.keyboard import Keyboard
from conductor_trio.client.display.link import draw_qr, find_browser, open_page, start_browser
from conductor_trio.client.display.log_capture import capturing_log, is_log_on
from conductor_trio.client.display.painter import Item, Link, Mark, Notice, Renderer, Status
from conductor_trio.client.display.progress import ProgressModel
from conductor_trio.client.display.screen import TerminalStream
from conductor_trio.client.host.batch_job import find_job, watch_job
from conductor_trio.client.output import events
from conductor_trio.client.output.reporter import LogReporter, Reporter
from conductor_trio.client.output.writer import Output
from conductor_trio.limits.client import ClientLimits

_DEFAULT_WIDTH = 80


@attrs.frozen(kw_only=True)
class DisplaySettings:
    """The user's wishes for the display, and its environment.

    `place` is the gateway as the user named it, None where its control socket is on this host. `keyboard` is the
    terminal's input where keys are to be taken from it, and `make_link` has a link for others made.
    """

    place: str | None
    keyboard: int | None = None
    make_link: MakeLink | None = None
    link_file: str | None = None  # where the link is to be instead of in what others may read
    show_qr: bool = False
    open_browser: bool = False
    verbose: bool = False
    environment: Mapping[str, str] = attrs.field(factory=lambda: dict(os.environ), repr=False)


class Display(Output):
    """The reporter that shows what happens; it never makes the application wait for long."""

    wants_lines = False  # a terminal shows a line as it grows

    def __init__(
        self, descriptor: int, limits: ClientLimits, settings: DisplaySettings, log: Reporter | None = None
    ) -> None:
        super().__init__(descriptor, limits, log)
        self._settings = settings
        self._terminal = detect_terminal(settings.environment)
        self._progress = ProgressModel(
            place=settings.place,
            now=trio.current_time(),
            time_of_day=lambda: time.strftime("%H:%M"),
            has_keys=settings.keyboard is not None,
            link_file=settings.link_file,
        )
        self._renderer = Renderer(self._terminal)
        self._stream = TerminalStream(has_cursor=self._terminal.has_cursor)
        self._status: tuple[Status | None, int] = (None, 0)  # what the status line tells, and its width
        self._texts: list[str] = []  # of the application, until ssh has asked
        self._items: list[Item] = []  # until the application's line is complete
        self._left_out = 0
        self._has_bug = False
        self._live = trio.Event()
        self._failure: list[Item] = []
        self._is_failure_told = self._is_failure_buried = False
        self._keys: KeyCommands | None = None
        if settings.keyboard is not None and settings.make_link is not None:
            self._keys = KeyCommands(
                Keyboard(settings.keyboard),
                self._progress,
                self._tell,
                self._open_browser,
                settings.make_link,
                limits.key_share_time,
            )
        self._print(self._progress.begin())

    def send(self, report: events.Report) -> None:
        """Show a report, or take note of it."""
        if self._log_reporter is not None:
            self._log_reporter.send(report)
        with self._containing_bugs():
            match report:
                case events.Data(text=text):
                    self._add_text(text)
                case events.SshLine(text=text) if self._settings.verbose:
                    self._mind_prompt()
                    self._items.append(Notice(mark=Mark.STEP, text=f"ssh: {text}"))
                case events.SshLine():
                    # Not held back: while ssh logs in, it may be what the user is to do.
                    self._print(self._progress.receive(report, trio.current_time()))
                case _:
                    self._mind_prompt()
                    news = self._progress.receive(report, trio.current_time())
                    self._items += news
                    if isinstance(report, events.Failed):
                        self._failure = news
                    if isinstance(report, events.Live):
                        self._live.set()
            self._flush()

    async def wait_room(self) -> None:
        """Wait a moment for the terminal where it has not taken what it got."""
        with trio.move_on_after(self._limits.terminal_timeout):
            await super().wait_room()

    def expect_end(self) -> None:
        """Show that the application is being ended; from now on a stuck terminal is given up after a while."""
        super().expect_end()
        with self._containing_bugs():
            self._mind_prompt()
            self._items += self._progress.expect_end(trio.current_time())
            self._flush()

    def close(self) -> None:
        """Have `run` return once everything is written; the terminal has no status line or style of ours then."""
        with self._containing_bugs():
            self._pass_on_held()
            self._print_items()
            if self._is_failure_buried:  # below what the application said when it was ended
                self._print(self._failure)
            if self._keys is not None:
                self._keys.keyboard.leave()
            self._progress.finish(trio.current_time())
            self._write_text(self._stream.set_status("") + self._stream.put(""))
        super().close()

    async def run(self) -> None:
        """Write until closed, and meanwhile follow the clock, the window's size and the batch job's time."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_clock, name="display: clock")
            nursery.start_soon(self._watch_terminal, name="display: size of the window")
            nursery.start_soon(self._watch_job, name="display: time left of the batch job")
            if self._settings.open_browser:
                nursery.start_soon(self._open_browser, name="display: browser")
            if self._keys is not None:
                nursery.start_soon(self._keys.run, name="display: keyboard")
            await super().run()
            nursery.cancel_scope.cancel()

    def receive_log(self, record: logging.LogRecord) -> None:
        """Show what is logged on the same terminal: warnings, and all else where the user wants to know more."""
        is_warning = record.levelno >= logging.WARNING
        if is_warning or self._settings.verbose:
            with self._containing_bugs():
                self._mind_prompt()
                mark = Mark.WARNING if is_warning else Mark.STEP
                self._items.append(Notice(mark=mark, text=record.getMessage()))
                self._flush()

    @contextlib.contextmanager
    def _containing_bugs(self) -> Iterator[None]:
        """Report a bug of the display once, which is not to cost the application its hours of work."""
        try:
            yield
        except Exception as error:
            if not self._has_bug:
                self._has_bug = True
                self.write(f"\nthis is a bug in the display, please report it: {error!r}\n".encode())

    def _add_text(self, text: str) -> None:
        if len(self._backlog) > self._limits.max_output_backlog:
            self._left_out += len(text)
        else:
            self._texts.append(text)

    def _flush(self) -> None:
        """Write what can be written now, and bring the status line up to date."""
        now = trio.current_time()
        is_asking = self._progress.is_ssh_asking(now)
        if not is_asking or sum(map(len, self._texts)) > self._limits.max_held_text:
            self._pass_on_held()
        if is_asking or self._stream.is_at_line_start:
            self._print_items()
        self._refresh(now)
        if self._keys is not None:
            self._keys.mind()

    def _print_items(self) -> None:
        items, self._items = self._items, []
        self._print(items)
        self._is_failure_told = bool(self._failure)

    def _pass_on_held(self) -> None:
        text, self._texts = "".join(self._texts), []
        if text:
            self._is_failure_buried = self._is_failure_told
            self._write_text(self._stream.pass_on(text))

    def _print(self, items: list[Item]) -> None:
        if not items:
            return
        self._mind_prompt()
        width = self._width()
        lines = ""
        for item in items:
            lines += self._renderer.paint(item, width)
            if isinstance(item, Link) and (item.has_code or self._settings.show_qr):
                terminal = self._terminal
                lines += draw_qr(
                    item.url,
                    width=width,
                    has_colours=terminal.has_colours,
                    has_unicode=terminal.has_unicode,
                )
        self._write_text(self._stream.put(lines))

    def _mind_prompt(self) -> None:
        """Have our lines begin below the prompt where ssh has the user type."""
        if self._progress.is_ssh_asking(trio.current_time()) and _is_typing_hidden(self._descriptor):
            self._stream.break_line()

    def _tick(self) -> None:
        now = trio.current_time()
        self._items += self._progress.tick(now, has_status=self._terminal.has_cursor)
        if self._left_out:
            text = f"The terminal was stuck: {self._left_out} characters of the application's were left out"
            self._items.append(Notice(mark=Mark.WARNING, text=text))
            self._left_out = 0
        self._print_items()  # even where the application's line is not complete by now
        self._flush()

    def _refresh(self, now: float) -> None:
        wanted = self._progress.status(now), self._width()
        if wanted != self._status:  # of which no two pictures are alike: rich numbers its links
            self._status = wanted
            status, width = wanted
            self._write_text(
                self._stream.set_status("" if status is None else self._renderer.paint_status(status, width))
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
            await trio.sleep(self._limits.display_interval)
            while self._backlog:  # the terminal is slow, and what it shows old anyway
                await self._changed.park()
            with self._containing_bugs():
                self._tick()

    async def _watch_terminal(self) -> None:
        """Draw the status line anew when the window has another size, or a shell has had it (Ctrl-Z, fg)."""
        with trio.open_signal_receiver(signal.SIGWINCH, signal.SIGCONT) as received:
            async for _ in received:
                with self._containing_bugs():
                    self._status = (None, 0)  # whatever is there now
                    self._refresh(trio.current_time())
                    if self._keys is not None:
                        self._keys.keyboard.take_again()

    async def _watch_job(self) -> None:
        if (job := find_job(self._settings.environment)) is None:
            return
        name = job.name

        def take_left(left: float) -> None:
            with self._containing_bugs():
                self._items += self._progress.set_job(name, left, trio.current_time())
                self._flush()

        await watch_job(job, take_left)

    def _tell(self, *items: Item) -> None:
        with self._containing_bugs():
            self._items += items
            self._flush()

    async def _open_browser(self) -> None:
        await self._live.wait()
        assert self._progress.url is not None
        browser = find_browser(self._settings.environment)
        if browser is None:
            text = "There is no display here to open the link; click it, or copy it to a browser"
            self._tell(Notice(mark=Mark.STEP, text=text))
            return
        try:
            with open_page(self._progress.url) as path:
                await start_browser(browser, path, self._limits.browser_timeout)
                await trio.sleep_forever()  # the browser may take its time
        except OSError as error:
            text = f"The link cannot be opened in a browser: {error.strerror}"
            self._tell(Notice(mark=Mark.WARNING, text=text))


def _is_typing_hidden(descriptor: int) -> bool:
    """Whether someone, who can only be ssh, has the user type a secret."""
    try:
        return not termios.tcgetattr(descriptor)[3] & termios.ECHO
    except termios.error:
        return False


@contextlib.asynccontextmanager
async def open_display(descriptor: int, limits: ClientLimits, settings: DisplaySettings) -> AsyncIterator[Display]:
    """Give the display; on leaving, everything is written, unless the terminal is stuck."""
    shares_terminal = is_log_on(descriptor)
    display = Display(descriptor, limits, settings, None if shares_terminal else LogReporter())
    with capturing_log(display.receive_log) if shares_terminal else contextlib.nullcontext():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(display.run, name="output: display")
            yield display
            display.close()
