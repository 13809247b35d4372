"""What a server and the successor that it starts itself tell each other besides the hand-over.

The successor finds in its environment which settings cannot become others without a restart, with the values in
force, and a pipe. In that go lines of JSON: what it has left as it was, and why it does not start::

    {"note": "<text>"}
    {"failed": "<text>", "status": 2}

One that knows nothing of it, being of another version, says nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, MutableMapping

import attrs

from conductor_trio.limits.constants import MAX_REPORT
from conductor_trio.strict_json import parse_json

_VARIABLE = "CONDUCTOR_TRIO_SUCCESSION"
#: The setting that is among those in force where the service manager has given visitors' sockets.
SOCKET = "socket"


@attrs.frozen(kw_only=True)
class Report:
    """What a successor has said; `failure` is why it does not start, and `status` its exit status then."""

    notes: tuple[str, ...] = ()
    failure: str | None = None
    status: int | None = None


def succession_environment(descriptor: int, in_force: Mapping[str, object]) -> dict[str, str]:
    """Return what is to be added to a successor's environment; the descriptor is a pipe's writing end."""
    return {_VARIABLE: json.dumps({"report": descriptor, "in_force": in_force})}


def parse_report(lines: Iterable[bytes]) -> Report:
    """Return what a successor has said; what is no line of its is left out."""
    report = Report()
    for line in lines:
        with contextlib.suppress(ValueError):
            match parse_json(line):
                case {"note": str() as note}:
                    report = attrs.evolve(report, notes=(*report.notes, note))
                case {"failed": str() as failure, "status": int() as status}:
                    report = attrs.evolve(report, failure=failure, status=status)
    return report


@attrs.frozen(kw_only=True)
class ReportPipe:
    """The pipe by which a successor tells of itself."""

    reading: int
    writing: int

    def read(self) -> Report:
        """Return what it has said so far."""
        try:
            said = os.read(self.reading, MAX_REPORT)
        except BlockingIOError:
            said = b""
        return parse_report(said.splitlines())


@contextlib.contextmanager
def open_report() -> Iterator[ReportPipe]:
    """Make such a pipe, whose ends are closed on leaving."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield ReportPipe(reading=reading, writing=writing)
    finally:
        os.close(reading)
        os.close(writing)


class Succession:
    """The successor's side; one that nobody has started so tells nobody anything."""

    def __init__(self, report: int | None = None, in_force: Mapping[str, object] | None = None) -> None:
        self._report = report
        self.in_force = in_force or {}  #: what stays as it is until a restart, by the settings' fields
        self.notes: list[str] = []

    @property
    def inherits(self) -> bool:
        """Whether visitors' sockets are the service manager's."""
        return SOCKET in self.in_force

    @classmethod
    def find(cls, environment: Mapping[str, str]) -> Succession:
        """Return what the environment tells, which stays as it is until `begin`."""
        with contextlib.suppress(ValueError, OSError):
            match parse_json(environment.get(_VARIABLE, "").encode()):
                case {"report": int() as report, "in_force": dict() as in_force} if report > 2:
                    if stat.S_ISFIFO(os.fstat(report).st_mode):
                        return cls(report, in_force)
        return cls()

    def begin(self, environment: MutableMapping[str, str]) -> None:
        """Keep it from whatever is started from now on."""
        environment.pop(_VARIABLE, None)
        if self._report is not None:
            os.set_inheritable(self._report, False)

    def note(self, text: str) -> None:
        """Tell what stays as it is."""
        self.notes.append(text)
        self._say(note=text)

    def fail(self, text: str, status: int) -> None:
        """Tell why we do not start."""
        self._say(failed=text, status=status)

    def end(self) -> None:
        """Say no more."""
        if self._report is not None:
            os.close(self._report)
            self._report = None

    def _say(self, **message: object) -> None:
        if self._report is not None:
            with contextlib.suppress(OSError):  # nobody waits for it any more
                os.write(self._report, json.dumps(message).encode() + b"\n")
