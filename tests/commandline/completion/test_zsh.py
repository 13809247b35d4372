"""Completion in a real zsh, which completes on a terminal only: another zsh has one for it."""

from __future__ import annotations

from pathlib import Path

from tests.support.completions import ask_shell, by_offer, write_completion
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


@by_offer
def test_zsh_completes(words: list[str], offered: list[str], tmp_path: Path) -> None:
    zsh = require_program("zsh")
    write_completion(words[0], "zsh", tmp_path / f"_{words[0]}")
    init = tmp_path / "init"
    init.write_text(_INNER.replace("DIRECTORY", str(tmp_path)))
    lines = ask_shell(zsh, "-fc", _OUTER, "zsh", str(init), " ".join(words))
    # Of a path it offers what is behind the last slash, of a long option what may follow it.
    found = {line.rstrip("\r").removesuffix("=") for line in lines}
    assert sorted(found) == sorted({Path(word).name if "/" in word else word for word in offered})
