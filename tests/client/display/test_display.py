"""The display on a pseudo-terminal: what its user sees, and that nothing waits for them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from conductor_trio.client.display.display import Display, DisplaySettings, open_display
from conductor_trio.client.display.progress import ProgressModel
from conductor_trio.client.output import events
from conductor_trio.limits.client import ClientLimits
from tests.doubles.terminal import Terminal, open_terminal

ENVIRONMENT = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "HOME": "/", "PATH": os.environ["PATH"]}
LIMITS = ClientLimits(max_output_backlog=10_000)
URL = "https://lab-alice.apps.example.org/_conductor/auth/t0ken"

CONNECT = events.Connect(user=None, host="gw", port=None)
CONTROL = events.ControlConnect(path="/run/client", banner={})
LIVE = events.Live(token="t0ken", key="lab", urls=("lab-alice.apps.example.org",))


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with open_terminal() as terminal:
        yield terminal


@asynccontextmanager
async def showing(
    terminal: Terminal,
    *reports: events.Report,
    place: str | None = "gw",
    environment: dict[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Display]:
    settings = DisplaySettings(place=place, environment={**ENVIRONMENT, **(environment or {})}, **options)
    async with open_display(terminal.descriptor, LIMITS, settings) as display:
        for report in reports:
            display.send(report)
        yield display
    terminal.read_all()


def write(display: Display, text: str) -> None:
    display.send(events.Data(kind="stdout", text=text))


async def test_from_start_to_end(terminal: Terminal, mock_clock: trio.testing.MockClock) -> None:
    async with showing(terminal, events.Execute(command=("jupyter", "lab"), pid=7)) as display:
        await terminal.wait_for("Starting jupyter lab")
        display.send(CONNECT)
        display.send(CONTROL)
        await terminal.wait_for("… waiting for the application to listen · 0 s")
        write(display, "one\ntwo\n")
        display.send(LIVE)
        await terminal.wait_for("● lab-alice.apps.example.org · Ctrl-C ends it")
        display.expect_end()
        display.send(events.Exit(status=0))
    assert terminal.lines == [
        "· Logging in at gw by SSH, which may ask you something here",
        "· Starting jupyter lab",
        "✓ Logged in after 0.0 s",
        "one",
        "two",
        "✓ Ready after 0.0 s. Whoever has this link has your application:",
        "",
        URL,
        "",
        "✓ The application has ended",
    ]
    assert (terminal.screen.cursor.x, terminal.screen.cursor.y) == (0, 10)


async def test_time_passes_at_one_step_a_second(terminal: Terminal, mock_clock: trio.testing.MockClock) -> None:
    async with showing(terminal, CONNECT, CONTROL):
        await terminal.wait_for("listen · 0 s")
        await trio.testing.wait_all_tasks_blocked()
        before = len(terminal.received)
        mock_clock.jump(0.9)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(0.2)
        await terminal.wait_for("listen · 1 s")
        assert terminal.received[before:].count(b"waiting") == 1


async def test_what_does_not_change_is_not_drawn_again(
    terminal: Terminal, mock_clock: trio.testing.MockClock
) -> None:
    async with showing(terminal, CONNECT, CONTROL, LIVE):
        await terminal.wait_for("Ctrl-C ends it")
        before = len(terminal.received)
        for _ in range(10):
            mock_clock.jump(1)
            await trio.testing.wait_all_tasks_blocked(0.001)
        terminal.read_all()
        assert len(terminal.received) == before


async def test_the_countdown_and_the_link_that_is_back(
    terminal: Terminal, mock_clock: trio.testing.MockClock
) -> None:
    async with showing(terminal, CONNECT, CONTROL, LIVE) as display:
        display.send(events.Dead(what="ssh ended"))
        display.send(events.Reconnecting(seconds=3.0, what="ssh ended", attempt=1))
        await terminal.wait_for("next attempt in 3 s")
        mock_clock.jump(1)
        await terminal.wait_for("! link lost for 1 s · next attempt in 2 s")
        mock_clock.jump(2)
        await terminal.wait_gone("link lost for")  # ssh may ask now
        display.send(CONNECT)
        display.send(LIVE)
        await terminal.wait_for("The link is back after 3.0 s; address and token are the same")


async def test_while_ssh_may_ask_the_application_is_held_back(
    terminal: Terminal, mock_clock: trio.testing.MockClock
) -> None:
    async with showing(terminal) as display:
        await terminal.wait_for("Logging in")
        terminal.write("alice@gw's password: ")
        write(display, "application starting\n")
        await terminal.wait_for("password:")
        await trio.testing.wait_all_tasks_blocked(0.01)
        terminal.read_all()
        assert "application" not in terminal.text.replace("Logging", "")
        terminal.write("\n")
        display.send(CONNECT)
        await terminal.wait_for("application starting")
        assert terminal.lines[1:4] == ["alice@gw's password:", "application starting", "✓ Logged in after 0.0 s"]


async def test_what_must_be_said_while_a_password_is_typed_begins_below(terminal: Terminal) -> None:
    async with showing(terminal) as display:
        await terminal.wait_for("Logging in")
        terminal.hide_typing()
        terminal.write("alice@gw's password: ")
        display.send(events.Warned(text="time is up"))
        await terminal.wait_for("time is up".replace("t", "T", 1))
        assert terminal.lines[1:3] == ["alice@gw's password:", "! Time is up"]


async def test_an_incomplete_line_is_broken_only_after_a_while(
    terminal: Terminal, mock_clock: trio.testing.MockClock
) -> None:
    async with showing(terminal, CONNECT, CONTROL) as display:
        write(display, "progress 1")
        display.send(LIVE)
        await terminal.wait_for("progress 1")
        await trio.testing.wait_all_tasks_blocked(0.01)
        terminal.read_all()
        assert "Ready" not in terminal.text
        mock_clock.jump(1.1)
        await terminal.wait_for(URL)
        write(display, "\rprogress 2\n")
        await terminal.wait_for("progress 2")
        await terminal.wait_for("Ctrl-C ends it")
    assert "progress 1\n✓ Ready" in terminal.text


async def test_a_link_waits_for_the_end_of_the_line(terminal: Terminal) -> None:
    async with showing(terminal, CONNECT, CONTROL) as display:
        write(display, "half a")
        display.send(LIVE)
        write(display, " line\n")
        await terminal.wait_for(URL)
    assert "half a line\n✓ Ready" in terminal.text


async def test_a_narrow_terminal_and_one_that_gets_narrower(terminal: Terminal) -> None:
    async with showing(terminal, CONNECT, CONTROL, LIVE, environment={"SLURM_JOB_ID": "7"}) as display:
        await terminal.wait_for("Ctrl-C ends it")
        terminal.resize(30, 24)
        await terminal.wait_gone("Ctrl-C ends it")
        await terminal.wait_for("● lab-alice.apps.example.org")
        write(display, "line\n")
        await terminal.wait_for("line\n●")


async def test_after_a_shell_had_the_terminal_the_status_is_there_again(terminal: Terminal) -> None:
    async with showing(terminal, CONNECT, CONTROL, LIVE):
        await terminal.wait_for("Ctrl-C ends it")
        terminal.write("[1]+  Stopped\x1b[K\n$ fg\nconductor-trio\n")
        await terminal.wait_gone("Ctrl-C ends it")
        os.kill(os.getpid(), signal.SIGCONT)
        await terminal.wait_for("conductor-trio\n● lab-alice.apps.example.org")


async def test_a_terminal_without_a_cursor_gets_text_only(terminal: Terminal) -> None:
    async with showing(terminal, CONNECT, CONTROL, LIVE, environment={"TERM": "dumb"}) as display:
        write(display, "\x1b[31mred")  # its own affair
        display.send(events.Dead(what="ssh ended"))
    text = terminal.received.replace(b"\x1b[31mred", b"")
    assert b"\x1b" not in text
    assert f"\r\n{URL}\r\n".encode() in text
    assert "ended" in terminal.text


async def test_the_qr_code_is_drawn_with_the_link() -> None:
    with open_terminal(lines=40) as terminal:
        async with showing(terminal, CONNECT, CONTROL, LIVE, show_qr=True):
            await terminal.wait_for("█▀▀▀▀▀█")


async def test_a_stuck_terminal_stalls_nobody(terminal: Terminal, autojump_clock: trio.testing.MockClock) -> None:
    async with showing(terminal, CONNECT, CONTROL, LIVE) as display:
        await terminal.wait_for("Ctrl-C ends it")
        with trio.fail_after(101):
            for _ in range(100):
                await display.wait_room()
                write(display, "x" * 999 + "\n")
        display.send(events.Dead(what="ssh ended"))
        await terminal.wait_for("Link lost: ssh ended")
        await terminal.wait_for("were left out")


async def test_at_the_end_a_stuck_terminal_is_given_up(
    terminal: Terminal, autojump_clock: trio.testing.MockClock
) -> None:
    async with showing(terminal, CONNECT) as display:
        for _ in range(100):
            write(display, "x" * 999 + "\n")
        started = trio.current_time()
        display.expect_end()
    assert trio.current_time() - started <= 2 * LIMITS.output_stall_timeout
    terminal.read_all()
    # The thread that was abandoned writes what it has, and ends.
    limiter = trio.to_thread.current_default_thread_limiter()
    while limiter.borrowed_tokens:  # noqa: ASYNC110
        terminal.read_all()
        await trio.sleep(0.01)


async def test_what_is_logged_goes_where_the_display_can_see_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("conductor_trio.client.session.keeper")
    log.setLevel(logging.INFO)
    saved = os.dup(2)
    os.dup2(terminal.descriptor, 2)
    handlers = logging.getLogger().handlers
    try:
        async with showing(terminal) as display:
            display.send(events.SshLine(text="Use your token"))
            await terminal.wait_for("· ssh: Use your token")
            log.warning("something odd")
            await terminal.wait_for("! something odd")
            await trio.to_thread.run_sync(log.warning, "odd in a thread")
            await terminal.wait_for("! odd in a thread")
            display.send(events.Dead(what="ssh ended"))
            display.send(events.Reconnecting(seconds=3, what="ssh ended", attempt=1))
            log.info("of no interest")
            await terminal.wait_for("No link yet: ssh ended")
        assert logging.getLogger().handlers is handlers
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    assert "not connected" not in terminal.text
    assert "no interest" not in terminal.text


async def test_a_log_that_goes_elsewhere_stays_there(terminal: Terminal, caplog: pytest.LogCaptureFixture) -> None:
    async with showing(terminal):
        logging.getLogger("conductor_trio.client.session.keeper").warning("something odd")
    assert "something odd" in caplog.text
    assert "something odd" not in terminal.text


async def test_what_is_shown_is_in_a_log_that_goes_elsewhere_too(
    terminal: Terminal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with showing(terminal, events.SshLine(text="Use your token")) as display:
        display.send(events.Failed(what="no way", advice="wait", hop="here"))
        await terminal.wait_for("No way")
    assert [record.message for record in caplog.records] == ["ssh: Use your token", "no way; wait"]
    assert "· ssh: Use your token" in terminal.text
    assert terminal.text.count("ssh: Use your token") == 1


async def test_a_job_that_ends_soon(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho 9:30\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    async with showing(terminal, CONNECT, CONTROL, LIVE, environment={"SLURM_JOB_ID": "7"}):
        await terminal.wait_for("! Slurm job 7 ends in 9 min; save your work")
        await terminal.wait_for("● lab-alice.apps.example.org · job ends in 9 min · Ctrl-C ends it")


async def test_the_link_is_opened_where_there_is_a_display(terminal: Terminal, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    os.mkfifo(opened)
    browser.write_text(f'#!/bin/sh\nsed "s/.*url=//; s/\\".*//" "${{1#file://}}" >{opened}\n')
    browser.chmod(0o755)
    async with showing(
        terminal, CONNECT, CONTROL, LIVE, open_browser=True, environment={"DISPLAY": ":0", "BROWSER": str(browser)}
    ):
        assert await trio.to_thread.run_sync(opened.read_text) == f"{URL}\n"


async def test_a_link_that_cannot_be_opened_costs_nothing(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "browser").write_text("#!/bin/sh\n")
    (tmp_path / "browser").chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no"))
    environment = {"DISPLAY": ":0", "BROWSER": str(tmp_path / "browser")}
    async with showing(terminal, CONNECT, CONTROL, LIVE, open_browser=True, environment=environment) as display:
        await terminal.wait_for("The link cannot be opened in a browser: No such file or directory")
        write(display, "text\n")
        await terminal.wait_for("text")


async def test_no_display_no_browser(terminal: Terminal) -> None:
    async with showing(terminal, CONNECT, CONTROL, LIVE, open_browser=True):
        await terminal.wait_for("There is no display here to open the link")


async def test_a_terminal_that_has_gone_costs_nothing(terminal: Terminal) -> None:
    async with showing(terminal, CONNECT) as display:
        await terminal.wait_for("Logged in")
        replacement = os.open(os.devnull, os.O_RDONLY)  # not writable, as a terminal that hung up
        os.dup2(replacement, terminal.descriptor)
        os.close(replacement)
        display.send(CONTROL)
        write(display, "text\n")
        with trio.fail_after(10):
            await display.wait_room()


async def test_a_bug_in_here_does_not_end_the_application(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with showing(terminal, CONNECT) as display:
        monkeypatch.setattr(ProgressModel, "receive", lambda *_: 1 / 0)
        display.send(CONTROL)
        display.send(LIVE)
        await terminal.wait_for("this is a bug in the display, please report it: ZeroDivisionError")
        write(display, "still here\n")
        await terminal.wait_for("still here")
    assert terminal.text.count("bug") == 1


def test_the_terminal_is_left_as_it_was(terminal: Terminal) -> None:
    before = termios.tcgetattr(terminal.descriptor)

    async def run() -> None:
        async with showing(terminal, CONNECT, CONTROL, LIVE) as display:
            await terminal.wait_for(URL)
            write(display, "half")

    trio.run(run)
    assert termios.tcgetattr(terminal.descriptor) == before
    assert terminal.lines[-1] == "half"
    assert terminal.screen.cursor.x == 0


def test_only_a_display_imports_what_is_slow() -> None:
    code = "import sys, conductor_trio.client.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"rich", "segno"} & set(done.stdout.split())
