"""Completion in a real bash."""

from __future__ import annotations

from pathlib import Path

from tests.support.completions import TWO_SESSIONS, ask_shell, by_offer, make_sessions, write_completion
from tests.support.needs import require_program
from tests.support.programs import OWN_PYTHON

_ASK = """
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    function=$(complete -p "$1" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
    $function
    for word in "${COMPREPLY[@]}"; do echo "$word"; done
"""


def ask_bash(script: str, *words: str, programs: Path | None = None) -> list[str]:
    bash = require_program("bash")
    return sorted(ask_shell(bash, "--norc", "-uc", script, "bash", *words, programs=programs))


@by_offer
def test_bash_completes(words: list[str], offered: list[str], tmp_path: Path) -> None:
    source = write_completion(words[0], "bash", tmp_path / "completion")
    assert ask_bash(f"source {source}; {_ASK}", *words) == offered


def test_it_can_be_sourced_from_the_program() -> None:
    program = OWN_PYTHON.with_name("conductor-trio")
    assert ask_bash(f"source <({program} completion bash); {_ASK}", "conductor-trio", "rec") == ["recipes"]


def test_short_options_and_directories(tmp_path: Path) -> None:
    source = write_completion("conductor-trio-server", "bash", tmp_path / "completion")
    assert {"-h", "-p", "-V", "--port"} <= set(ask_bash(f"source {source}; {_ASK}", "conductor-trio-server", "-"))
    assert ask_bash(f"source {source}; {_ASK}", "conductor-trio-server", "-r", "/va") == ["/var"]


def test_sessions_are_told_apart_where_they_are_listed(tmp_path: Path) -> None:
    source = write_completion("conductor-trio", "bash", tmp_path / "completion")
    programs = make_sessions(tmp_path / "bin")

    def ask(word: str, comp_type: str) -> list[str]:
        script = f"source {source}; COMP_TYPE={comp_type}; {_ASK}"
        return ask_bash(script, "conductor-trio", "stop", word, programs=programs)

    assert [line.split(maxsplit=1) for line in ask("la", "63")] == [list(one) for one in TWO_SESSIONS.items()]
    # What is put into the line is the key alone.
    assert ask("la", "9") == ask("la", "37") == list(TWO_SESSIONS)
    assert ask("lab-", "63") == ["lab-2"]
