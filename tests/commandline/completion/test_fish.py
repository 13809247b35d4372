"""Completion in a real fish."""

from __future__ import annotations

from pathlib import Path

from tests.support.completions import TWO_SESSIONS, ask_shell, by_offer, make_sessions, write_completion
from tests.support.needs import require_program


@by_offer
def test_fish_completes(words: list[str], offered: list[str], tmp_path: Path) -> None:
    source = write_completion(words[0], "fish", tmp_path / "completion")
    script = f"source {source}; complete -C (string join ' ' -- $argv)"
    lines = ask_shell(require_program("fish"), "--no-config", "-c", script, *words)
    assert sorted({line.partition("\t")[0] for line in lines}) == offered


def test_sessions_are_told_apart(tmp_path: Path) -> None:
    source = write_completion("conductor-trio", "fish", tmp_path / "completion")
    script = f"source {source}; complete -C 'conductor-trio stop la'"
    fish = require_program("fish")
    lines = ask_shell(fish, "--no-config", "-c", script, programs=make_sessions(tmp_path / "bin"))
    assert lines == [f"{key}\t{what}" for key, what in TWO_SESSIONS.items()]
