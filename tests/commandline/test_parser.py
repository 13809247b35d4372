"""A command line read by a table: the command, its options wherever they stand, the words of another program."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio import __version__
from conductor_trio.commandline.parser import format_help, parse, suggest_command
from conductor_trio.commandline.table import Argument, Command, Option, Program


def parse_even(text: str) -> int:
    if int(text) % 2:
        raise argparse.ArgumentTypeError(f"{text} is odd")
    return int(text)


LOUD = Option(flags=("-l", "--loud"), field="loud", help="be 100 % loud")
EVEN = Option(flags=("-e", "--even"), field="even", metavar="N", parse=parse_even, help="a number")
COLOUR = Option(flags=("--colour",), field="colour", help="in colour", is_negatable=True)
TIME = Option(flags=("--time",), field="time", metavar="T", help="for how long", is_negatable=True)
NAME = Option(flags=("-n", "--name"), field="names", metavar="NAME", help="a name", is_repeatable=True)
PLACE = Argument(field="place", metavar="PLACE", help="a place")

START = Command(
    name="",
    summary="start",
    forms=("[PLACE] -- COMMAND",),
    options=(LOUD, EVEN, COLOUR, TIME, NAME),
    arguments=(PLACE, Argument(field="second", metavar="SECOND", help="a second place")),
    tail=Argument(field="command", metavar="COMMAND", help="is started"),
)
LIST = Command(
    name="list",
    summary="list places",
    forms=("[PLACE]",),
    options=(LOUD, Option(flags=("-s", "--size"), field="size", metavar="N", help="how many")),
    arguments=(PLACE,),
)
DROP = Command(
    name="drop",
    summary="drop a place",
    forms=("PLACE",),
    arguments=(Argument(field="place", metavar="PLACE", help="a place", is_required=True),),
)
QUIET = Command(name="", summary="do nothing", forms=("",))
WITH_TAIL = Program(
    name="prog", description="A program.", notes="That is all.", default=START, commands=(LIST, DROP)
)
BARE = Program(name="bare", description="Another.", default=QUIET, commands=(LIST, DROP))


def read(line: str, program: Program = WITH_TAIL) -> tuple[str, dict[str, Any], str]:
    """Return the command, what is given, and the tail."""
    invocation = parse(program, line.split())
    said = {name: value for name, value in vars(invocation.given).items() if value not in (None, False, [])}
    return invocation.command.name, said, " ".join(invocation.tail)


@pytest.mark.parametrize(
    ("line", "command", "said", "tail"),
    [
        ("", "", {}, ""),
        ("-l", "", {"loud": True}, ""),
        ("here", "", {"place": "here"}, ""),
        ("here -- list -l", "", {"place": "here"}, "list -l"),
        ("-- list", "", {}, "list"),
        ("here there x -l", "", {"place": "here", "second": "there"}, "x -l"),
        ("here there -- x -- y", "", {"place": "here", "second": "there"}, "x -- y"),
        ("here there -l x", "", {"place": "here", "second": "there"}, "-l x"),
        ("here -l there x", "", {"place": "here", "second": "there", "loud": True}, "x"),
        ("here -le2 there x", "", {"place": "here", "second": "there", "loud": True, "even": 2}, "x"),
        ("-le 2 here", "", {"place": "here", "loud": True, "even": 2}, ""),
        ("--even=2 here", "", {"place": "here", "even": 2}, ""),
        ("-e2l", "error", {}, "invalid"),
        ("-e -2 here", "", {"place": "here", "even": -2}, ""),
        ("-n a --name b", "", {"names": ["a", "b"]}, ""),
        ("--colour --no-colour", "", {}, ""),
        ("--no-colour --colour", "", {"colour": True}, ""),
        ("--time 2 --no-time", "", {}, ""),
        ("--no-time --time 2", "", {"time": "2"}, ""),
        ("list", "list", {}, ""),
        ("list here", "list", {"place": "here"}, ""),
        ("list -l here", "list", {"place": "here", "loud": True}, ""),
        ("-l list here", "list", {"place": "here", "loud": True}, ""),
        ("-s list list here", "list", {"place": "here", "size": "list"}, ""),
        ("--size list list -l", "list", {"size": "list", "loud": True}, ""),
        ("list list", "list", {"place": "list"}, ""),
        ("list -- here", "list", {"place": "here"}, ""),
        ("list -", "list", {"place": "-"}, ""),
    ],
)
def test_what_is_said(line: str, command: str, said: dict[str, Any], tail: str) -> None:
    if command == "error":
        with pytest.raises(SystemExit):
            read(line)
    else:
        assert read(line) == (command, said, tail)


def test_an_opposite_is_told_from_nothing() -> None:
    assert parse(WITH_TAIL, ["--no-colour", "--no-time"]).given.colour is False
    assert parse(WITH_TAIL, ["--no-colour", "--no-time"]).given.time is False
    assert parse(WITH_TAIL, []).given.colour is None


@pytest.mark.parametrize(
    ("line", "program", "says"),
    [
        ("--lodu", WITH_TAIL, "prog: unrecognized option --lodu; did you mean --loud?"),
        ("--zzz", WITH_TAIL, "prog: unrecognized option --zzz\n"),
        ("--loudest=2", WITH_TAIL, "unrecognized option --loudest; did you mean --loud?"),
        ("-lx", WITH_TAIL, "unrecognized option -x"),
        ("--size 2 here", WITH_TAIL, "prog: unrecognized option --size, which is for `prog list`"),
        ("list -e 2", WITH_TAIL, "prog: unrecognized option -e, which is for `prog`"),
        ("-e 2 list", WITH_TAIL, "prog: unrecognized option -e, which is for `prog`"),
        ("-e 1", WITH_TAIL, "prog: -e/--even: 1 is odd"),
        ("-e", WITH_TAIL, "prog: -e/--even: expected one argument"),
        ("-e -- x", WITH_TAIL, "prog: -e/--even: expected one argument"),
        ("--loud=2", WITH_TAIL, "prog: -l/--loud: ignored explicit argument '2'"),
        ("drop", WITH_TAIL, "prog: the following arguments are required: PLACE"),
        ("list a b", WITH_TAIL, "unrecognized arguments: b"),
        ("lsit", BARE, "bare: there is no command 'lsit'; did you mean list?"),
        ("what", BARE, "bare: there is no command 'what'; there is: drop, list"),
    ],
)
def test_wrong_usage_is_said_with_what_was_meant(
    line: str, program: Program, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read(line, program)
    assert caught.value.code == 2
    said = capsys.readouterr()
    assert said.err.startswith("usage: ") and said.out == ""
    assert says in said.err


@pytest.mark.parametrize("line", ["-h", "list -h", "-h drop", "drop -lh --no-such", "here -hl", "drop --help"])
def test_help_needs_nothing_else(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read(line)
    is_wrong = "--no-such" in line  # a mistake is told first
    assert caught.value.code == (2 if is_wrong else 0)
    assert is_wrong or capsys.readouterr().out.startswith("usage: prog")


def test_the_version_is_the_programs(capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("-V", "drop --version"):
        with pytest.raises(SystemExit):
            read(line)
        assert capsys.readouterr().out == f"prog {__version__}\n"


def test_behind_the_tail_nothing_is_ours() -> None:
    assert read("here there -h")[2] == "-h"
    assert read("-- -h --lodu")[2] == "-h --lodu"


def test_help_lists_commands_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = format_help(WITH_TAIL, START)
    assert text.startswith(
        "usage: prog [PLACE] -- COMMAND\n       prog list|drop ...\n\nA program.\n\ncommands:\n"
    )
    assert "  list  list places\n  drop  drop a place\n" in text
    assert "be 100 % loud" in text
    assert "--no-time" in text and "--colour, --no-colour" in text
    assert text.endswith("That is all.\n")
    assert format_help(WITH_TAIL, DROP).startswith("usage: prog drop PLACE\n\nDrop a place.\n")


def test_what_may_be_meant_for_a_command() -> None:
    assert suggest_command(WITH_TAIL, "lst") == "there is no command 'lst'; did you mean list?"
    assert suggest_command(WITH_TAIL, "gw.example.org") is None


words = st.sampled_from(
    ["-l", "--loud", "-e", "2", "--even=4", "--colour", "--no-time", "-s", "here", "list", "drop"]
)


@given(st.lists(words, max_size=4), st.lists(st.text(max_size=3), max_size=3))
def test_what_follows_two_dashes_is_never_looked_at(head: list[str], tail: list[str]) -> None:
    try:
        before = parse(WITH_TAIL, [*head, "--"])
    except SystemExit:
        return
    if before.command is START and not before.tail and before.given.second is None:
        after = parse(WITH_TAIL, [*head, "--", *tail])
        assert (after.command, after.given, after.tail) == (START, before.given, tuple(tail))


@given(st.lists(words, max_size=3), st.lists(st.sampled_from(["-l", "--loud", "-s2", "--size=3"]), max_size=3))
def test_options_before_a_command_are_those_behind_it(rest: list[str], options: list[str]) -> None:
    def attempt(words: list[str]) -> object:
        try:
            invocation = parse(WITH_TAIL, words)
        except SystemExit as error:
            return error.code
        return invocation.command, invocation.given

    assert attempt([*options, "list", *rest]) == attempt(["list", *options, *rest])
