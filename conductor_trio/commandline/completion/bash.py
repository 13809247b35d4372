"""Completion for bash."""

from __future__ import annotations

from typing import assert_never

from conductor_trio.commandline.table import Command, FirstWords, Kind, Program, Values, Words

_TEMPLATE = """\
# Completion of @NAME@ for bash, made by `@NAME@ completion bash`. Source it from ~/.bashrc, or keep it as
# ~/.local/share/bash-completion/completions/@NAME@

@ID@_offer() {
    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen "$@" -- "$cur")
}

@ID@_offer_hosts() {
    if declare -F _known_hosts_real >/dev/null; then # of bash-completion
        _known_hosts_real -- "$cur"
    else
        @ID@_offer -A hostname
    fi
}

@ID@_offer_first_words() { # of the lines that a command prints; where all are listed, with what stands behind them
    local line
    while read -r line; do
        if [[ $line == "$cur"* ]]; then
            case ${COMP_TYPE-} in 33 | 63 | 64) ;; *) line=${line%% *} ;; esac
            COMPREPLY+=("$line")
        fi
    done < <("$@" 2>/dev/null)
    if ((${#COMPREPLY[@]} == 1)); then
        COMPREPLY=("${COMPREPLY[0]%% *}")
    fi
}

@ID@_offer_command() { # the completion of the command that begins at this word
    if declare -F _command_offset >/dev/null; then # of bash-completion
        _command_offset "$1"
    else
        @ID@_offer -c -f
    fi
}

@ID@() {
    local cur=${COMP_WORDS[COMP_CWORD]} word option= command= places=0 index tail=
    COMPREPLY=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        case $word in
@WALK@
        *) ((++places)) ;;
        esac
@TAIL_BEGINS@    done
@TAIL@    case $option in
    '') ;;
@VALUES@
    esac
    if [[ $cur == -* ]]; then
        case $command in
@FLAGS@
        esac
        return
    fi
    case $command:$places in
@PLACES@
    esac
}

complete -F @ID@ @NAME@
"""

_TAIL_BEGINS = """\
        case $command:$places in
        @ENDS@)
            tail=$((index + 1))
            if [[ ${COMP_WORDS[tail]} == -- ]] && ((tail < COMP_CWORD)); then
                ((++tail))
            fi
            break
            ;;
        esac
"""

_TAIL = """\
    if [[ -n $tail ]]; then
        case $command in
@TAILS@
        esac
        return
    fi
"""


def format_bash(program: Program) -> str:
    """Return the completion as a file that bash sources."""
    with_tail = [command for command in program.everything if command.tail is not None]
    ends = " | ".join(f"{command.name}:{len(command.arguments)}" for command in with_tail)
    tails = [f"        {_pattern(command.name)}) {_offer_tail(command, program)} ;;" for command in with_tail]
    text = _TEMPLATE
    parts = {
        "@TAIL_BEGINS@": _TAIL_BEGINS.replace("@ENDS@", ends) if with_tail else "",
        "@TAIL@": _TAIL.replace("@TAILS@", "\n".join(tails)) if with_tail else "",
        "@WALK@": "\n".join(_walk(program, with_tail)),
        "@VALUES@": "\n".join(_offer_values(program)),
        "@FLAGS@": "\n".join(
            f"        {_pattern(command.name)}) @ID@_offer -W '{' '.join(command.all_flags)}' ;;"
            for command in program.everything
        ),
        "@PLACES@": "\n".join(_offer_places(program)),
        "@ID@": _identifier(program),
        "@NAME@": program.name,
    }
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


def _identifier(program: Program) -> str:
    return "_" + program.name.replace("-", "_")


def _pattern(name: str) -> str:
    return name or "''"


def _walk(program: Program, with_tail: list[Command]) -> list[str]:
    """Return the cases of a word before the cursor."""
    lines = []
    if with_tail:
        lines += [
            "        --)",
            f"            case $command in {' | '.join(_pattern(command.name) for command in with_tail)})",
            "                tail=$((index + 1))",
            "                break",
            "                ;;",
            "            esac",
            "            ;;",
        ]
    flags = [flag for flag, option in program.options_by_flag.items() if option.takes_value]
    lines += [
        f"        {' | '.join(flags)})",
        "            if ((++index == COMP_CWORD)); then",
        "                option=$word",
        "            fi",
        "            ;;",
        "        -*) ;;",
        f"        {' | '.join(program.commands_by_name)})",
        "            if [[ -z $command ]] && ((places == 0)); then",
        "                command=$word",
        "            else",
        "                ((++places))",
        "            fi",
        "            ;;",
    ]
    return lines


def _offer_values(program: Program) -> list[str]:
    """Return the cases of an option whose value the cursor stands at."""
    flags_by_action: dict[str, list[str]] = {}
    for flag, option in program.options_by_flag.items():
        if option.takes_value:
            flags_by_action.setdefault(_offer(option.values, program), []).append(flag)
    lines = []
    for action, flags in flags_by_action.items():
        lines += [
            f"    {' | '.join(flags)})",
            *([f"        {action}"] if action else []),
            "        return",
            "        ;;",
        ]
    return lines


def _offer_places(program: Program) -> list[str]:
    """Return the cases of a word by its command and place."""
    lines = []
    for command in program.everything:
        actions = [_offer(argument.values, program) for argument in command.arguments] or [""]
        if not command.name:
            commands = _offer(Kind.COMMAND, program)
            actions[0] = f"{actions[0]}; {commands}" if actions[0] else commands
        for place, action in enumerate(actions):
            if action:
                lines.append(f"    {command.name}:{place}) {action} ;;")
    return lines


def _offer_tail(command: Command, program: Program) -> str:
    assert command.tail is not None
    if command.tail.values is Kind.PROGRAM:
        return '@ID@_offer_command "$tail"'
    return _offer(command.tail.values, program)


def _offer(values: Values, program: Program) -> str:
    match values:
        case Kind.TEXT:
            return ""
        case Kind.FILE:
            return "@ID@_offer -f"
        case Kind.DIRECTORY:
            return "@ID@_offer -d"
        case Kind.HOST:
            return "@ID@_offer_hosts"
        case Kind.PROGRAM:
            return "@ID@_offer -c"
        case Kind.COMMAND:
            return f"@ID@_offer -W '{' '.join(program.commands_by_name)}'"
        case Words(words):
            return f"@ID@_offer -W '{' '.join(words)}'"
        case FirstWords(command):
            return f"@ID@_offer_first_words {command}"
        case _:
            assert_never(values)
