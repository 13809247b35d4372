"""What the client's events mean to the person who waits: news that stays, and one status line. Sans-IO.

Times are seconds of any clock that only goes on.
"""

from __future__ import annotations

import enum
import math
import re
import signal
from collections.abc import Callable, Mapping

from conductor_trio.access.login_link import format_login_link
from conductor_trio.client.config.durations import format_duration
from conductor_trio.client.display.painter import (
    Item,
    Link,
    Mark,
    Notice,
    Status,
)
from conductor_trio.client.transport.ssh_errors import explain

# What is left of the batch job when a warning is due: enough to save and hand in another, to save, to let go.
_JOB_WARNINGS = (1800.0, 600.0, 120.0)
# When a wait is told of again where no status line can count it; each of the last lasts as long as all before.
_STILL_WAITING = (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
# An application that takes longer to listen than most do: JupyterLab on a cold network file system takes half.
_LONG_START = 60.0

_ADVICE = re.compile(r"; (?=(?:ask|check|choose|end|give|install|log in|make|remove|say|start|try|use) )")
# How reasons begin that have nothing to do with the gateway: the application's, the local socket's, this host's.
_TROUBLE_HERE = re.compile(r"the application |cannot |someone|process \d|the directory |/|there is no ssh |this ")
_BY_US = {-signal.SIGTERM, -signal.SIGKILL}
_POLITE = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}


class Phase(enum.Enum):
    """What is being waited for."""

    LOGIN = "logging in"
    CONTROL = "waiting for the gateway's server"
    APPLICATION = "waiting for the application to listen"
    LIVE = "live"
    ENDING = "ending the application"
    OVER = "over"


# Which hop it is that fails while something is waited for, where no event says so.
_HOPS = {Phase.LOGIN: "ssh", Phase.CONTROL: "server", Phase.APPLICATION: "gateway"}


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
    """Takes events in, in their order; gives news, and at any time the status.

    `place` is the gateway as the user named it, or None where its control socket is on this host.
    """

    def __init__(self, *, place: str | None, now: float, time_of_day: Callable[[], str]) -> None:
        self._place = place
        self._time_of_day = time_of_day
        self._first = Phase.CONTROL if place is None else Phase.LOGIN
        self._phase = self._first
        self._start = now
        self._since = now  # of the phase
        self._lost_at: float | None = None
        self._retry_at = -math.inf  # when the next attempt of an outage begins
        self._url: str | None = None
        self._host = ""
        self._has_failed = False
        self._is_end_told = False
        self._is_asked = False
        self._ssh_said = ""
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
    def _where(self) -> str:
        return "on this host" if self._place is None else f"at {self._place}"

    def begin(self) -> list[Item]:
        """What is said before anything has happened."""
        if self._place is None:
            return []
        return [_step(f"Logging in at {self._place} by SSH, which may ask you something here")]

    def receive(self, event: Mapping[str, object], now: float) -> list[Item]:
        """Take an event in; those that are not known say nothing."""
        match event:
            case {"state": "execute", "command": [*words], **further}:
                known = f" (recipe {further['recipe']})" if "recipe" in further else ""
                return [_step("Starting " + " ".join(map(str, words)) + known)]
            case {"state": "connect"}:
                return self._log_in(now)
            case {"state": "controlConnect"}:
                self._enter(Phase.APPLICATION, now)
            case {"state": "live", "config": {"auth": str(token), "urls": [str(host), *_], **further}}:
                scheme = further.get("scheme")
                return self._go_live(host, token, scheme if isinstance(scheme, str) else None, now)
            case {"state": "dead"}:
                return self._lose(event, now)
            case {"state": "reconnecting", "in": int() | float() as seconds}:
                self._enter(self._first, now)
                self._retry_at = now + seconds
            case {"state": "warning", "reason": str(reason)}:
                return [Notice(mark=Mark.WARNING, text=_sentence(reason))]
            case {"state": "idle"}:
                return self._note_idle(event, now)
            case {"state": "stopping", "reason": str(reason)}:
                self._is_asked = True
                return [*self.expect_end(now), _step(f"Ending, because {reason}")]
            case {"state": "ending"}:
                self._is_asked = True
                name = event.get("signal", "SIGINT")
                how = "Ctrl-C again ends it at once" if name == "SIGINT" else f"as {name} asks"
                return [*self.expect_end(now), _step(f"Ending … {how}")]
            case {"state": "failed"}:
                return self._fail(event)
            case {"state": "exit", "status": int(status)}:
                return self._end(status, now)
        return []

    def expect_end(self, now: float) -> list[Item]:
        """The application is being ended, or has ended by itself."""
        if self._phase is not Phase.OVER:
            self._enter(Phase.ENDING, now)
        return []

    def finish(self, now: float) -> None:
        """There is nothing more to tell."""
        self._enter(Phase.OVER, now)

    def hear_ssh(self, line: str) -> list[Item]:
        """Take in what ssh says; while it logs in, that may be meant for the user."""
        if explain([line], place="") is not None:  # it will be told in our words, with these beneath
            self._ssh_said = line
            return []
        return [_step(f"ssh: {line}")] if self._phase is Phase.LOGIN and self._lost_at is None else []

    def set_job(self, name: str, left: float, now: float) -> list[Item]:
        """Take in that the batch job of that name has so many seconds left."""
        if left > self._told_left:  # the job was extended
            self._told_left = math.inf
        self._job_name, self._job_end = name, now + left
        return self.tick(now)

    def tick(self, now: float, *, has_status: bool = True) -> list[Item]:
        """What is to be said because of the time alone."""
        items: list[Item] = []
        if (left := self._job_end - now) <= _next_warning(self._told_left) and self._phase is not Phase.OVER:
            self._told_left = left
            about = f"in {format_duration(left)}" if left >= 1 else "now"
            items.append(Notice(mark=Mark.WARNING, text=f"{self._job_name} ends {about}; save your work"))
        if not has_status and self._is_long_wait(now):
            self._told_waits += 1
            items.append(_step(f"Still {self._phase.value}, for {format_duration(now - self._since)}"))
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
            parts = (self._host, *self._end_parts(now), "Ctrl-C ends it")
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
        self._ssh_said = ""
        self._enter(Phase.CONTROL, now)
        return [Notice(mark=Mark.DONE, text=f"Logged in after {_exactly(waited)}")] if is_news else []

    def _go_live(self, host: str, token: str, scheme: str | None, now: float) -> list[Item]:
        url = format_login_link(host, token, scheme)
        lost_at, known = self._lost_at, self._url
        self._host, self._url, self._lost_at = host, url, None
        self._enter(Phase.LIVE, now)
        link = [Link(url=url)]
        if known is None:
            text = f"Ready after {_exactly(now - self._start)}. Whoever has this link has your application:"
            return [Notice(mark=Mark.DONE, text=text), *link]
        if lost_at is None and url == known:
            return []
        back = f"{self._time_of_day()} The link is back"
        if lost_at is not None:
            back += f" after {_exactly(now - lost_at)}"
        if url != known:
            return [Notice(mark=Mark.WARNING, text=f"{back}, but the address is another:"), *link]
        return [Notice(mark=Mark.DONE, text=f"{back}; address and token are the same")]

    def _lose(self, event: Mapping[str, object], now: float) -> list[Item]:
        self._lost_at, self._retry_at = now, now
        self._enter(self._first, now)
        what, advice = _split(event)
        going_on = f"{'The application goes on' if self._url else 'It is tried again'}; Ctrl-C ends it"
        text = f"{self._time_of_day()} {'Link lost' if self._url else 'No link yet'}: {what}"
        return [Notice(mark=Mark.WARNING, text=text, beneath=(*advice, going_on))]

    def _note_idle(self, event: Mapping[str, object], now: float) -> list[Item]:
        match event:
            case {"for": int() | float() as idle, "in": int() | float() as left}:
                self._idle_end = now + left
                unused = f"Nobody has used it for {format_duration(idle)}"
                text = f"{self._time_of_day()} {unused}; it ends in {format_duration(left)} unless somebody does"
                return [Notice(mark=Mark.WARNING, text=text)]
        self._idle_end = math.inf
        why = "It is busy, and goes on" if event.get("busy") is True else "Somebody uses it again"
        return [_step(f"{self._time_of_day()} {why}")]

    def _fail(self, event: Mapping[str, object]) -> list[Item]:
        what, advice = _split(event)
        said = (f"ssh says: {self._ssh_said}",) if self._ssh_said else ()
        detail = event.get("detail")
        if isinstance(detail, str) and detail:
            said = (detail,)
        title = self._name_hop(event, what)
        self._has_failed = True
        self._is_end_told = what.startswith("the application ended ")
        beneath = (_sentence(what), *advice, *said) if title else (*advice, *said)
        return [Notice(mark=Mark.FAILED, text=title or _sentence(what), beneath=beneath)]

    def _name_hop(self, event: Mapping[str, object], what: str) -> str:
        """Return which hop failed, or nothing where the reason says it already."""
        hop = event.get("hop")
        if not isinstance(hop, str):
            hop = "here" if _TROUBLE_HERE.match(what) else _HOPS.get(self._phase, "gateway")
        match hop:
            case "ssh":
                return f"This node does not get to the gateway {self._place} by SSH"
            case "server":
                return f"The server {self._where} cannot be used"
            case "gateway":
                return f"The server {self._where} does not take the application"
        return ""

    def _end(self, status: int, now: float) -> list[Item]:
        is_by_us = self._is_asked or self._has_failed
        self._enter(Phase.OVER, now)
        if is_by_us and (status == 0 or status in _BY_US):
            return [_step("The application has ended")]
        if self._is_end_told:
            return []
        text = _sentence(format_exit(status))
        if status == 0 or status in _POLITE:
            return [Notice(mark=Mark.DONE if status == 0 else Mark.STEP, text=text)]
        hints: tuple[str, ...] = ()
        if status == -signal.SIGKILL:
            hints = ("By the system or the batch system, perhaps, for the memory that it used",)
        return [Notice(mark=Mark.FAILED, text=text, beneath=hints)]


def _step(text: str) -> Notice:
    return Notice(mark=Mark.STEP, text=text)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _exactly(seconds: float) -> str:
    return f"{max(0.0, seconds):.1f} s" if seconds < 10 else format_duration(seconds)


def _next_warning(told: float) -> float:
    """Return how little must be left for the next warning, given how much was left at the last one."""
    return max((limit for limit in _JOB_WARNINGS if limit < told), default=-math.inf)


def _split(event: Mapping[str, object]) -> tuple[str, tuple[str, ...]]:
    """Return what went wrong and what to do, which may be nothing."""
    what, advice = event.get("reason"), event.get("advice")
    what = what if isinstance(what, str) and what else "the connection ended"
    if not isinstance(advice, str):
        # ssh's own words may hold anything.
        what, *rest = [what] if what.startswith("ssh to ") else _ADVICE.split(what, maxsplit=1)
        advice = rest[0] if rest else ""
    return what, ((f"What to do: {advice}",) if advice else ())
