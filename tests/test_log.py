"""The log: one JSON object a line for programs, readable for people, and nothing in it that a peer could abuse."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import textwrap

PROGRAM = """
    import sys
    from conductor_trio import log

    log.configure(verbose="-v" in sys.argv)
    logger = log.get_logger(session="alice-1")
    logger.debug("detail")
    sent = {"key": "\\ud800", "text": "a\\nb\\u2028", "title": "\\x1b]0;owned\\x07"}
    logger.info("session opened", user="alice", **sent)
    try:
        raise ValueError("broken\\nin two \\x1b]0;owned\\x07")
    except ValueError:
        logger.exception("internal error")
"""


def run(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def run_on_terminal(*arguments: str) -> str:
    """Return what the program writes to a terminal as its standard error."""
    controller, terminal = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            check=True,
        )
        return os.read(controller, 65536).decode()
    finally:
        os.close(controller)
        os.close(terminal)


def test_a_program_reads_one_object_a_line() -> None:
    entries = [json.loads(line) for line in run()]
    assert [entry["event"] for entry in entries] == ["session opened", "internal error"]
    opened, failed = entries
    assert opened["level"] == "info" and opened["session"] == "alice-1" and opened["user"] == "alice"
    assert opened["text"] == "a\nb\u2028" and opened["key"] == "\ud800"
    assert opened["timestamp"].endswith("Z")
    assert "ValueError: broken\nin two" in failed["exception"]


def test_what_a_peer_sent_breaks_no_line() -> None:
    assert all(line.isascii() and line.isprintable() for line in run())


def test_verbose_says_more() -> None:
    assert json.loads(run("-v")[0])["event"] == "detail"


def test_people_get_columns() -> None:
    shown = run_on_terminal()
    assert "session opened" in shown and "alice" in shown and "detail" not in shown
    assert not shown.startswith("{")


def test_verbose_is_for_programs_on_a_terminal_too() -> None:
    assert json.loads(run_on_terminal("-v").splitlines()[0])["event"] == "detail"


def test_what_a_peer_sent_does_not_command_the_terminal() -> None:
    (line,) = [line for line in run_on_terminal().split("\r\n") if "session opened" in line]
    assert "title" in line and "text" in line  # a newline would have cut it off
    assert "\x1b]" not in line and "\x07" not in line and "\u2028" not in line


def test_a_log_that_nobody_reads_any_more_ends_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM) + 'print("still here", flush=True)'],
            stdout=subprocess.PIPE,
            stderr=writer,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stdout == "still here\n"


FLOOD = """
    import sys
    from conductor_trio import log

    log.configure(verbose=False)
    logger = log.get_logger()
    for number in range(400):
        logger.info("refused", uid=1000, reason=str(number))
        logger.info("refused", uid=1001 + number)
    print("done", flush=True)
"""


def test_what_one_account_causes_again_and_again_is_told_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FLOOD)], capture_output=True, text=True, check=True
    )
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    own = [entry for entry in entries if entry.get("uid") == 1000]
    assert [entry["event"] for entry in own] == ["refused"] * 60 + ["more_like_it"]
    assert (own[-1]["kind"], own[-1]["count"]) == ("refused", 340)
    assert own[-1]["text"] == "... and 340 more like it in the last minute"
    assert len(entries) == 61 + 400


def test_a_reader_that_sleeps_keeps_nobody_waiting() -> None:
    reader, writer = os.pipe()
    try:
        endless = textwrap.dedent(FLOOD).replace("refused", "refused{number}").replace('"refused{', 'f"refused{')
        done = subprocess.run(
            [sys.executable, "-c", endless.replace("400", "4000")],
            stdout=subprocess.PIPE,
            stderr=writer,
            text=True,
            check=True,
            timeout=50,
        )
    finally:
        os.close(reader)
        os.close(writer)
    assert done.stdout == "done\n"


def test_a_closed_standard_error_ends_nothing() -> None:
    command = 'exec "$0" -c "$1" 2>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, textwrap.dedent(PROGRAM) + 'print("still here", flush=True)'],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stdout == "still here\n"


def test_a_tracebacks_words_do_not_command_the_terminal() -> None:
    shown = run_on_terminal()
    assert "ValueError: broken" in shown and "\x1b]" not in shown
