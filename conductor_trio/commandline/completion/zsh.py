"""Completion for zsh."""

from __future__ import annotations

from typing import assert_never

from conductor_trio.commandline.table import Argument, Command, FirstWords, Kind, Option, Program, Values, Words

_TEMPLATE = """\
#compdef @NAME@
# Completion of @NAME@ for zsh, made by `@NAME@ completion zsh`. Keep it as _@NAME@ in a directory of $fpath.

@ID@-commands() {
    local -a commands
    commands=(
@COMMANDS@
    )
    _describe -t commands command commands
}

@ID@-first() {
    @FIRST@
}

@ID@-first-words() { # of the lines that a command prints, with what stands behind them
    local -a lines names
    local line
    lines=(${(f)"$("$@" 2>/dev/null)"})
    for line in $lines; do
        names+=("${line%% *}:${${line#* }##[ ]#}")
    done
    _describe -t values value names
}

@ID@() {
    local command= index
    for ((index = 2; index < CURRENT; index++)); do
        case $words[index] in
        @VALUE_FLAGS@) ((index++)) ;;
        --) break ;;
        -*) ;;
        *)
            command=$words[index]
            break
            ;;
        esac
    done
    case $command in
@CASES@
    esac
}

if [[ $funcstack[1] == _@NAME@ ]]; then # as a file of $fpath
    @ID@ "$@"
else # sourced
    compdef @ID@ @NAME@
fi
"""

_TAIL = """\
        local separator=${words[(i)--]}
        if ((separator < CURRENT)); then # the words of another program
            shift $separator words
            ((CURRENT -= separator))
            @ACTION@
            return
        fi
"""


def format_zsh(program: Program) -> str:
    """Return the completion as a file that zsh finds in its $fpath."""
    flags = [flag for flag, option in program.options_by_flag.items() if option.takes_value]
    commands = [
        f"        {_quote(f'{_escape(name)}:{_escape(command.summary)}')}"
        for name, command in program.commands_by_name.items()
    ]
    first = program.default.arguments[:1]
    text = _TEMPLATE
    parts = {
        "@COMMANDS@": "\n".join(commands),
        "@FIRST@": _format_first(first[0]) if first else "@ID@-commands",
        "@VALUE_FLAGS@": " | ".join(flags),
        # The default comes last, because its pattern is whatever is no command.
        "@CASES@": "\n".join(_format_case(command) for command in (*program.commands, program.default)),
        "@ID@": f"_{program.name}-words",
        "@NAME@": program.name,
    }
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


def _format_first(argument: Argument) -> str:
    values = f"{argument.metavar.lower()}s:{argument.metavar}:{_action(argument.values)}"
    return f"_alternative {_quote(values)} 'commands:command:@ID@-commands'"


def _format_case(command: Command) -> str:
    specs = [spec for option in command.all_options for spec in _format_option(option)]
    if command.name:
        specs.append("'1:command:'")
    for place, argument in enumerate(command.arguments, 2 if command.name else 1):
        is_first = not command.name and place == 1
        action = "@ID@-first" if is_first else _action(argument.values)
        specs.append(_quote(f"{place}:{argument.metavar}:{action}"))
    if not command.name and not command.arguments:
        specs.append("'1:command:@ID@-commands'")
    tail = ""
    if command.tail is not None:
        is_program = command.tail.values is Kind.PROGRAM
        action = "_normal" if is_program else _action(command.tail.values)
        specs.append(
            _quote(f"*:::{command.tail.metavar}:{action}" if is_program else f"*:{command.tail.metavar}:{action}")
        )
        tail = _TAIL.replace("@ACTION@", action)
    lines = " \\\n".join(f"            {spec}" for spec in specs)
    return f"    {command.name or '*'})\n{tail}        _arguments -s \\\n{lines}\n        ;;"


def _format_option(option: Option) -> list[str]:
    specs = []
    stops = option.field in ("help", "version")
    others = "- *" if stops else " ".join(option.all_flags)
    value = f":{_escape(option.metavar or '')}:{_action(option.values)}" if option.takes_value else ""
    for flag in option.flags:
        before = "*" if option.is_repeatable else f"({others})"
        equals = "=" if value and flag.startswith("--") else ""
        specs.append(_quote(f"{before}{flag}{equals}[{_escape(option.help)}]{value}"))
    if option.negation is not None:
        what = f"no {option.flags[-1]}, whatever the configuration says"
        specs.append(_quote(f"({others}){option.negation}[{_escape(what)}]"))
    return specs


def _action(values: Values) -> str:
    match values:
        case Kind.TEXT:
            return ""
        case Kind.FILE:
            return "_files"
        case Kind.DIRECTORY:
            return "_files -/"
        case Kind.HOST:
            return "_hosts"
        case Kind.PROGRAM:
            return "_command_names -e"
        case Kind.COMMAND:
            return "@ID@-commands"
        case Words(words):
            return f"({' '.join(words)})"
        case FirstWords(command):
            return f" @ID@-first-words {command}"  # the blank: without options of compadd among its arguments
        case _:
            assert_never(values)


def _escape(text: str) -> str:
    """Return a text without meaning in a specification."""
    for character in "\\[]:":
        text = text.replace(character, f"\\{character}")
    return text


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
