"""Completion for fish."""

from __future__ import annotations

from typing import assert_never

from conductor_trio.commandline.table import Command, FirstWords, Kind, Option, Program, Values, Words

_TEMPLATE = """\
# Completion of @NAME@ for fish, made by `@NAME@ completion fish`. Keep it as
# ~/.config/fish/completions/@NAME@.fish

function @ID@_where
    # Print the command and how many words stand behind it, as in `run:1`; instead of the number `tail`, where the
    # words of another program have begun, which are then in $@ID@_tail.
    set -l words (commandline -opc)
    set -e words[1]
    set -l name
    set -l places 0
    while set -q words[1]
        switch $words[1]
@TAIL_DASHES@            case @VALUE_FLAGS@
                set -e words[1]
            case '-*'
            case @COMMANDS@
                if test -z "$name" -a $places -eq 0
                    set name $words[1]
                else
                    set places (math $places + 1)
                end
            case '*'
                set places (math $places + 1)
        end
        set -e words[1]
@TAIL_BEGINS@    end
    echo "$name:$places"
end

function @ID@_at
    # Whether the cursor stands at one of these places.
    contains -- (@ID@_where) $argv
end

function @ID@_in
    # Whether these are the options of one of these commands.
    set -l where (string split : -- (@ID@_where))
    test "$where[2]" != tail; and contains -- "$where[1]" $argv
end

function @ID@_complete_tail
    # What the other program's completion offers.
    complete -C (string join ' ' -- (string escape -- $@ID@_tail) (commandline -ct))
end

complete -c @NAME@ -f
@LINES@
"""

_TAIL_DASHES = """\
            case --
                if contains -- "$name" @NAMES@
                    set -g @ID@_tail $words[2..]
                    echo "$name:tail"
                    return
                end
"""

_TAIL_BEGINS = """\
        if contains -- "$name:$places" @ENDS@
            test "$words[1]" = --; and set -e words[1]
            set -g @ID@_tail $words
            echo "$name:tail"
            return
        end
"""


def format_fish(program: Program) -> str:
    """Return the completion as a file that fish sources."""
    with_tail = [command for command in program.everything if command.tail is not None]
    names = " ".join(command.name or "''" for command in with_tail)
    ends = " ".join(f"{command.name}:{len(command.arguments)}" for command in with_tail)
    flags = [flag for flag, option in program.options_by_flag.items() if option.takes_value]
    text = _TEMPLATE
    parts = {
        "@TAIL_DASHES@": _TAIL_DASHES.replace("@NAMES@", names) if with_tail else "",
        "@TAIL_BEGINS@": _TAIL_BEGINS.replace("@ENDS@", ends) if with_tail else "",
        "@VALUE_FLAGS@": " ".join(flags),
        "@COMMANDS@": " ".join(program.commands_by_name),
        "@LINES@": "\n".join([*_complete_places(program), *_complete_options(program)]),
        "@ID@": "__" + program.name.replace("-", "_"),
        "@NAME@": program.name,
    }
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


def _complete_places(program: Program) -> list[str]:
    """Return the lines for the words that are no options."""
    lines = [
        f"complete -c @NAME@ -n '@ID@_at :0' -a {name} -d {_quote(command.summary)}"
        for name, command in program.commands_by_name.items()
    ]
    places_by_offer: dict[str, list[str]] = {}
    for command in program.everything:
        for place, argument in enumerate(command.arguments):
            places_by_offer.setdefault(_offer(argument.values, program), []).append(f"{command.name}:{place}")
        if command.tail is not None:
            is_program = command.tail.values is Kind.PROGRAM
            offer = " -a '(@ID@_complete_tail)'" if is_program else _offer(command.tail.values, program)
            places_by_offer.setdefault(offer, []).append(f"{command.name}:tail")
    lines += [
        f"complete -c @NAME@ -n '@ID@_at {' '.join(places)}'{offer}"
        for offer, places in places_by_offer.items()
        if offer
    ]
    return lines


def _complete_options(program: Program) -> list[str]:
    """Return a line for each option, and the commands that have it."""
    commands_of: dict[Option, list[Command]] = {}
    for command in program.everything:
        for option in command.all_options:
            commands_of.setdefault(option, []).append(command)
    lines = []
    for option, commands in commands_of.items():
        names = " ".join(command.name or '""' for command in commands)
        head = f"complete -c @NAME@ -n '@ID@_in {names}'"
        flags = "".join(f" -{'l' if flag.startswith('--') else 's'} {flag.lstrip('-')}" for flag in option.flags)
        value = ""
        if option.takes_value:
            value = (" -r" if option.values is Kind.FILE else " -x") + _offer(option.values, program)
        lines.append(f"{head}{flags}{value} -d {_quote(option.help)}")
        if option.negation is not None:
            what = f"no {option.flags[-1]}, whatever the configuration says"
            lines.append(f"{head} -l {option.negation.removeprefix('--')} -d {_quote(what)}")
    return lines


def _offer(values: Values, program: Program) -> str:
    match values:
        case Kind.TEXT:
            return ""
        case Kind.FILE:
            return " -F"
        case Kind.DIRECTORY:
            return " -a '(__fish_complete_directories)'"
        case Kind.HOST:
            return " -a '(__fish_print_hostnames)'"
        case Kind.PROGRAM:
            return " -a '(__fish_complete_command)'"
        case Kind.COMMAND:
            return f" -a '{' '.join(program.commands_by_name)}'"
        case Words(words):
            return f" -a '{' '.join(words)}'"
        case FirstWords(command):
            return f" -a '({command} 2>/dev/null | string replace -r \" +\" \\t)'"
        case _:
            assert_never(values)


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
