"""Completion in a real zsh, which completes on a terminal only: another zsh has one for it."""

from __future__ import annotations

from pathlib import Path

from tests.support.completions import TWO_SESSIONS, ask_shell, by_offer, make_sessions, write_completion
from tests.support.needs import require_program

# Arguments: what the inner zsh has to source, and the line that is completed there. Prints what is offered.
_OUTER = """
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner "source $1"
zpty -r -m inner line '*READY*'
zpty -n -w inner "$2"$'\\t'
zpty -r -m inner line $'*\\x01*\\x02*'
print -rn -- ${${line#*$'\\x01'}%$'\\x02'*}
zpty -d inner
"""

# Whatever is offered goes through compadd; a call with -O, -A or -D only asks.
_INNER = """
PROMPT=
fpath=(DIRECTORY $fpath)
autoload -Uz compinit
compinit -u -D
bindkey '^I' complete-word
zstyle ':completion:*' insert-tab false
mark_begin() { print -rn -- $'\\x01' }
mark_end() { print -rn -- $'\\x02' }
compprefuncs=(mark_begin)
comppostfuncs=(mark_end)
compadd() {
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
        local -a hits
        builtin compadd -A hits "$@"
        (($#hits)) && print -rl -- $hits
    fi
    builtin compadd "$@"
}
print READY
"""


def ask_zsh(directory: Path, *words: str, programs: Path | None = None) -> set[str]:
    zsh = require_program("zsh")
    write_completion(words[0], "zsh", directory / f"_{words[0]}")
    init = directory / "init"
    init.write_text(_INNER.replace("DIRECTORY", str(directory)))
    lines = ask_shell(zsh, "-fc", _OUTER, "zsh", str(init), " ".join(words), programs=programs)
    return {line.rstrip("\r").removesuffix("=") for line in lines}


@by_offer
def test_zsh_completes(words: list[str], offered: list[str], tmp_path: Path) -> None:
    # Of a path it offers what is behind the last slash, of a long option what may follow it.
    assert sorted(ask_zsh(tmp_path, *words)) == sorted(
        {Path(word).name if "/" in word else word for word in offered}
    )


def test_sessions_are_told_apart(tmp_path: Path) -> None:
    programs = make_sessions(tmp_path / "bin")
    found = ask_zsh(tmp_path, "conductor-trio", "stop", "la", programs=programs)
    assert set(TWO_SESSIONS) <= found
    assert {line.partition(" -- ")[2] for line in found - set(TWO_SESSIONS)} <= {"", *TWO_SESSIONS.values()}
