"""The standard error of ssh: bounded, harmless for a terminal, and reported line by line."""

from __future__ import annotations

import os

import pytest
import trio

from conductor_trio.client.output import events
from conductor_trio.client.output.reporter import LogReporter
from conductor_trio.client.transport.ssh_log import SshLog
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.process import open_pipe


def test_a_log_is_bounded_and_tame(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with open_pipe() as (reading, writing), os.fdopen(writing, "wb", buffering=0) as pipe:
        log = SshLog(reading, LogReporter(), ClientLimits())
        pipe.write(b"one\r\n\x1b[2Jtw")
        assert log.read_available()
        pipe.write(b"o\xff\n" + b"x" * 50_000)
        assert log.read_available()
        pipe.write(b"\n" * 500 + b"last\n")
        pipe.close()
        assert not log.read_available()
    assert list(log.lines)[:2] == ["one", "[2Jtwo\ufffd"]
    assert len(log.lines[2]) <= 4096
    assert log.lines[-1] == "last"
    assert "\x1b" not in caplog.text


def test_a_log_says_once_what_it_says_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with open_pipe() as (reading, writing), os.fdopen(writing, "wb", buffering=0) as pipe:
        log = SshLog(reading, LogReporter(), ClientLimits())
        pipe.write(b"refused\n" * 3 + b"other\nrefused\n")
        log.read_available()
    assert [record.message for record in caplog.records] == ["ssh: refused", "ssh: other", "ssh: refused"]
    assert len(log.lines) == 5


class Reports(list[events.Report]):
    """Keeps what is reported."""

    def send(self, report: events.Report) -> None:
        self.append(report)


def test_a_line_of_sshs_own_log_that_explains_a_failure_is_marked() -> None:
    """The same words on standard error may be anybody's: a banner, a jump host."""
    reports = Reports()
    denied = "a@h: Permission denied (publickey)."
    with (
        open_pipe() as (reading, writing),
        open_pipe() as (own_reading, own_writing),
        os.fdopen(writing, "wb", buffering=0) as stderr,
        os.fdopen(own_writing, "wb", buffering=0) as own,
    ):
        log = SshLog(reading, reports, ClientLimits(), own_log=own_reading)
        stderr.write(f"Welcome\n \n{denied}\nnot whole".encode())
        assert log.read_available()
        own.write(f"{denied}\n".encode())
        assert log.read_available()
    assert reports == [
        events.SshLine(text="Welcome"),
        events.SshLine(text=denied),
        events.SshLine(text=denied, is_repeated=True, is_reason=True),
    ]
    assert list(log.lines) == ["Welcome", denied, denied]
    assert list(log.own_lines) == [denied]
    assert log.lines[-1] == denied
    log.forget()
    assert not log.lines
    assert not log.own_lines


async def test_it_is_read_as_it_comes_and_to_its_end() -> None:
    """More than a pipe holds: whoever writes never waits for long."""
    reports = Reports()
    with open_pipe() as (reading, writing):
        log = SshLog(reading, reports, ClientLimits())
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(log.run)

                async with trio.lowlevel.FdStream(writing) as pipe:
                    for number in range(1000):
                        await pipe.send_all(b"%d %b\n" % (number, b"x" * 200))
    assert len(reports) == 1000
    assert len(log.lines) == ClientLimits().max_ssh_lines
    assert log.lines[-1].startswith("999 ")
