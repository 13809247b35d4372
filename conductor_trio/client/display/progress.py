"""The progress of the client in words: news that stays on the terminal, and one status line. Sans-IO.

Times are seconds of any monotonic clock.
"""

from __future__ import annotations

import enum
import itertools
import math
import signal
from collections.abc import Callable
from typing import assert_never

from conductor_trio.access.login_link import format_login_link, format_session_page
from conductor_trio.client.display.painter import Item, Link, Mark, Notice, Status
from conductor_trio.client.display.words import format_advice, format_exactly, make_sentence, name_hop, step
from conductor_trio.client.output import events
from conductor_trio.commandline.quantities import format_duration

# What is left of the batch job when a warning is due: enough to save and hand in another, to save, to let go.
_JOB_WARNINGS = (1800.0, 600.0, 120.0)
# When a wait is told of again where no status line can count it; each of the last lasts as long as all before.
_STILL_WAITING = (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
# An application that takes longer to listen than most do: JupyterLab on a cold network file system takes half.
_LONG_START = 60.0

_BY_US = {-signal.SIGTERM, -signal.SIGKILL}
_POLITE = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}


class Phase(enum.Enum):
    """The phase of a run: most are named by what is waited for."""

    LOGIN = "logging in"
    CONTROL = "waiting for the gateway's server"
    SHELL = "waiting for your login shell at the gateway"
    APPLICATION = "waiting for the application to listen"
    LIVE = "live"
    ENDING = "ending the application"
    OVER = "over"


def format_exit(status: int) -> str:
    """Return what the application's end was, in words."""
    if status == 0:
        return "the application has ended"
    if status > 0:
        return f"the application has ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"the application was ended by {name}"


class ProgressModel:
    """What the user has been told: takes reports in, in their order; gives news, and at any time the status.

    `place` is the gateway as the user named it, or None where its control socket is on this host. `link_file` is
    where the link is instead of here.
    """

    def __init__(
        self,
        *,
        place: str | None,
        now: float,
        time_of_day: Callable[[], str],
        link_file: str | None = None,
        has_keys: bool = False,
    ) -> None:
        self._place = place
        self._link_file = link_file
        self._has_keys = has_keys
        self._time_of_day = time_of_day
        self._first = Phase.CONTROL if place is None else Phase.LOGIN
        self._phase = self._first
        self._start = now
        self._since = now  # of the phase
        self._lost_at: float | None = None
        self._retry_at = -math.inf  # when the next attempt of an outage begins
        self._url: str | None = None
        self._host = ""
        self.key = ""  #: of the session, once visitors can use it
        self._has_failed = False
        self._is_exit_told = False
        self._is_asked = False
        self._ssh_reason = ""  # the last line of ssh's that tells why it fails
        self._job_end = math.inf
        self._job_name = ""
        self._told_left = math.inf
        self._idle_end = math.inf
        self._told_waits = 0

    @property
    def url(self) -> str | None:
        """The link, once visitors can use it."""
        return self._url

    def is_ssh_asking(self, now: float) -> bool:
        """Whether ssh may be asking the user for something, so that the cursor is not ours."""
        if self._place is None or self._phase is not Phase.LOGIN or self._has_failed:
            return False
        return self._lost_at is None or now >= self._retry_at

    @property
    def takes_keys(self) -> bool:
        """Whether keys mean something: visitors can use it, and ssh may not come to ask for anything."""
        return self._phase is Phase.LIVE and self._lost_at is None

    def begin(self) -> list[Item]:
        """Return the news before anything has happened."""
        if self._place is None:
            return []
        return [step(f"Logging in at {self._place} by SSH, which may ask you something here")]

    def receive(self, report: events.Report, now: float) -> list[Item]:
        """Take a report in and return the news that it is; the application's own text is none."""
        match report:
            case events.Execute(command=command, recipe=recipe):
                # The many options that a recipe adds, `recipes` shows.
                typed = itertools.takewhile(lambda word: not (recipe and word.startswith("-")), command)
                return [step("Starting " + " ".join(typed) + (f" (recipe {recipe})" if recipe else ""))]
            case events.Connect() | events.ControlConnect() | events.LoginShell():
                return self._log_in(now) if isinstance(report, events.Connect) else self._go_on(report, now)
            case events.Live(token=token, urls=urls, key=key):
                self.key = key or ""
                return self._go_live(urls[0], token, now) if urls else []
            case events.Dead() | events.Reconnecting():
                return (
                    self._lose(report, now) if isinstance(report, events.Dead) else self._wait_retry(report, now)
                )
            case events.SshLine():
                return self._pass_on_ssh(report)
            case events.Warned() | events.Notice():
                return [self._warn(report)]
            case events.IdleWarned() | events.IdleOver() | events.IdleVetoed():
                return self._note_idle(report, now)
            case events.Stopping() | events.Ending():
                return self._note_end_request(report, now)
            case events.Failed():
                return self._fail(report)
            case events.Exit(status=status):
                return self._end(status, now)
            case events.Data() | events.Starting():
                return []
            case _:
                assert_never(report)

    def _warn(self, report: events.Warned | events.Notice) -> Notice:
        match report:
            case events.Warned(text=text):
                return Notice(mark=Mark.WARNING, text=make_sentence(text))
            case events.Notice(text=text):
                said = f"{self._time_of_day()} The gateway's operator says: {text}"
                return Notice(mark=Mark.WARNING, text=said)
        assert_never(report)

    def _pass_on_ssh(self, line: events.SshLine) -> list[Item]:
        """Pass on what may be meant for the user while ssh logs in; reasons of a failure are told with it."""
        if line.is_reason:
            self._ssh_reason = line.text
            return []
        is_for_user = self._phase is Phase.LOGIN and self._lost_at is None and not line.is_repeated
        return [step(f"ssh: {line.text}")] if is_for_user else []

    def _note_end_request(self, report: events.Stopping | events.Ending, now: float) -> list[Item]:
        self._is_asked = True
        match report:
            case events.Stopping(why=why):
                text = f"Ending, because {why}"
            case events.Ending(signal="SIGINT"):
                text = "Ending … Ctrl-C again ends it at once"
            case events.Ending(signal=name):
                text = f"Ending … as {name} asks"
            case _:
                assert_never(report)
        return [*self.expect_end(now), step(text)]

    def expect_end(self, now: float) -> list[Item]:
        """Take in that the application is being ended, or has ended by itself."""
        if self._phase is not Phase.OVER:
            self._enter(Phase.ENDING, now)
        return []

    def finish(self, now: float) -> None:
        """Have no status line any more: the client ends."""
        self._enter(Phase.OVER, now)

    def set_job(self, name: str, left: float, now: float) -> list[Item]:
        """Take in that the batch job of that name has so many seconds left."""
        if left > self._told_left:  # the job was extended
            self._told_left = math.inf
        self._job_name, self._job_end = name, now + left
        return self.tick(now)

    def tick(self, now: float, *, has_status: bool = True) -> list[Item]:
        """Return the news that the time alone makes: a job that runs out, a wait that gets long."""
        items: list[Item] = []
        if (left := self._job_end - now) <= _next_warning(self._told_left) and self._phase is not Phase.OVER:
            self._told_left = left
            about = f"in {format_duration(left)}" if left >= 1 else "now"
            items.append(Notice(mark=Mark.WARNING, text=f"{self._job_name} ends {about}; save your work"))
        if not has_status and self._is_long_wait(now):
            self._told_waits += 1
            items.append(step(f"Still {self._phase.value}, for {format_duration(now - self._since)}"))
        return items

    def status(self, now: float) -> Status | None:
        """The status line; None while the cursor is not ours, and where there is nothing to tell."""
        if self._phase is Phase.OVER or self.is_ssh_asking(now):
            return None
        waited = format_duration(now - self._since)
        if self._phase is Phase.ENDING:
            return Status(mark=Mark.WAIT, parts=("ending the application", waited, "Ctrl-C ends it at once"))
        if self._lost_at is not None:
            lost = f"link lost for {format_duration(now - self._lost_at)}"
            in_ = max(0, math.ceil(self._retry_at - now))
            next_ = f"next attempt in {in_} s" if in_ else self._phase.value
            return Status(mark=Mark.WARNING, parts=(lost, next_, *self._end_parts(now)))
        if self._phase is Phase.LIVE:
            keys = ("? shows keys",) if self._has_keys else ()
            parts = (self._host, *self._end_parts(now), "Ctrl-C ends it", *keys)
            return Status(mark=Mark.LIVE, parts=parts, url=self._url)
        hint = () if now - self._since < _LONG_START else ("its own output may say why it takes long",)
        return Status(mark=Mark.WAIT, parts=(self._phase.value, waited, *hint))

    def _is_long_wait(self, now: float) -> bool:
        """Whether the wait has got so long that it is time to tell of it again."""
        if self._phase in (Phase.LIVE, Phase.ENDING, Phase.OVER) or self._lost_at is not None:
            return False
        untold = _STILL_WAITING[self._told_waits :]
        return bool(untold) and now - self._since >= untold[0] and not self.is_ssh_asking(now)

    def _end_parts(self, now: float) -> tuple[str, ...]:
        left, idle_left = self._job_end - now, self._idle_end - now
        job = (f"job ends in {format_duration(left)}",) if left < math.inf else ()
        return (*job, f"unused, ends in {format_duration(idle_left)}") if idle_left < math.inf else job

    def _enter(self, phase: Phase, now: float) -> None:
        if phase is not self._phase:
            self._phase, self._since, self._told_waits = phase, now, 0

    def _log_in(self, now: float) -> list[Item]:
        waited = now - self._since
        is_news = self._phase is Phase.LOGIN and self._lost_at is None
        self._ssh_reason = ""
        self._enter(Phase.CONTROL, now)
        return [Notice(mark=Mark.DONE, text=f"Logged in after {format_exactly(waited)}")] if is_news else []

    def _go_live(self, host: str, token: str, now: float) -> list[Item]:
        url = format_login_link(host, token)
        lost_at, known = self._lost_at, self._url
        self._host, self._url, self._lost_at = host, url, None
        self._enter(Phase.LIVE, now)
        link = [] if self._link_file else [Link(url=url)]
        if known is None:
            in_file = f"The link is in {self._link_file}" if self._link_file else ""
            where = in_file or "Whoever has this link has your application:"
            text = f"Ready after {format_exactly(now - self._start)}. {where}"
            page = f"The session's page: {format_session_page(host)}"
            return [Notice(mark=Mark.DONE, text=text), *link, step(page)]
        if lost_at is None and url == known:
            return []
        back = f"{self._time_of_day()} The link is back"
        if lost_at is not None:
            back += f" after {format_exactly(now - lost_at)}"
        if url != known:
            return [Notice(mark=Mark.WARNING, text=f"{back}, but the address is another:"), *link]
        return [Notice(mark=Mark.DONE, text=f"{back}; address and token are the same")]

    def _go_on(self, report: events.ControlConnect | events.LoginShell, now: float) -> list[Item]:
        is_shell = isinstance(report, events.LoginShell) and report.is_running
        self._enter(Phase.SHELL if is_shell else Phase.APPLICATION, now)
        return []

    def _wait_retry(self, event: events.Reconnecting, now: float) -> list[Item]:
        self._enter(self._first, now)
        self._retry_at = now + event.seconds
        return []

    def _lose(self, event: events.Dead, now: float) -> list[Item]:
        self._lost_at, self._retry_at = now, now
        self._enter(self._first, now)
        going_on = f"{'The application goes on' if self._url else 'It is tried again'}; Ctrl-C ends it"
        text = f"{self._time_of_day()} {'Link lost' if self._url else 'No link yet'}: {event.what}"
        return [Notice(mark=Mark.WARNING, text=text, beneath=(*format_advice(event.advice), going_on))]

    def _note_idle(self, event: events.IdleWarned | events.IdleOver | events.IdleVetoed, now: float) -> list[Item]:
        match event:
            case events.IdleWarned(idle=idle, left=left):
                self._idle_end = now + left
                unused = f"Nobody has used it for {format_duration(idle)}"
                text = f"{self._time_of_day()} {unused}; it ends in {format_duration(left)} unless somebody does"
                return [Notice(mark=Mark.WARNING, text=text)]
            case events.IdleOver():
                why = "Somebody uses it again"
            case events.IdleVetoed():
                why = "It is busy, and goes on"
            case _:
                assert_never(event)
        self._idle_end = math.inf
        return [step(f"{self._time_of_day()} {why}")]

    def _fail(self, event: events.Failed) -> list[Item]:
        ssh_says = (f"ssh says: {self._ssh_reason}",) if self._ssh_reason else ()
        self._has_failed = True
        self._is_exit_told = event.tells_exit
        what, more = make_sentence(event.what), (*format_advice(event.advice), *ssh_says)
        title = name_hop(event.hop, self._place)
        if title is None:
            return [Notice(mark=Mark.FAILED, text=what, beneath=more)]
        return [Notice(mark=Mark.FAILED, text=title, beneath=(what, *more))]

    def _end(self, status: int, now: float) -> list[Item]:
        is_by_us = self._is_asked or self._has_failed
        self._enter(Phase.OVER, now)
        if is_by_us and (status == 0 or status in _BY_US):
            return [step("The application has ended")]
        if self._is_exit_told:
            return []
        text = make_sentence(format_exit(status))
        if status == 0 or status in _POLITE:
            return [Notice(mark=Mark.DONE if status == 0 else Mark.STEP, text=text)]
        hints: tuple[str, ...] = ()
        if status == -signal.SIGKILL:
            hints = ("By the system or the batch system, perhaps, for the memory that it used",)
        return [Notice(mark=Mark.FAILED, text=text, beneath=hints)]


def _next_warning(told: float) -> float:
    """Return how little must be left for the next warning, given how much was left at the last one."""
    return max((limit for limit in _JOB_WARNINGS if limit < told), default=-math.inf)
