"""Completions and manual pages know every option of the programs; the completion of bash works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.needs import require_program
from tests.support.programs import OWN_PYTHON

CONTRIB = Path(__file__).parents[2] / "contrib"
COMPLETION = CONTRIB / "completion"

#: For each program, the files that have to know its options.
FILES = {
    "conductor-trio": ["conductor-trio.bash", "_conductor-trio", "conductor-trio.fish", "../man/conductor-trio.1"],
    "conductor-trio-server": [
        "conductor-trio.bash",
        "_conductor-trio",
        "conductor-trio-server.fish",
        "../man/conductor-trio-server.8",
    ],
}


def options_of(program: str) -> set[str]:
    """Return the options that the program's help lists, short and long."""
    forms = [[], ["run"], ["ls"], ["stop"], ["share"]] if program == "conductor-trio" else [[]]
    listed = []
    for form in forms:
        command = [str(OWN_PYTHON.with_name(program)), *form, "--help"]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        listed += [line.strip() for line in shown.splitlines() if line.startswith("  -")]
    return {word for line in listed for word in re.findall(r"(?:^|, )(--?[A-Za-z][a-z-]*)", line)}


def mentions(text: str, option: str) -> bool:
    name = option.lstrip("-")
    if "for fish" in text:
        return re.search(rf" -{'s' if len(name) == 1 else 'l'} {name}\b(?!-)", text) is not None
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text.replace("\\-", "-")) is not None


@pytest.mark.parametrize(("program", "file"), [(program, file) for program in FILES for file in FILES[program]])
def test_every_option_is_known(program: str, file: str) -> None:
    text = (COMPLETION / file).read_text()
    options = options_of(program)
    assert {"-h", "--help", "--version"} <= options
    assert not {option for option in options if not mentions(text, option)}


def complete(*words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    script = """
        source "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        function=$(complete -p "$1" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        $function
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    source = COMPLETION / "conductor-trio.bash"
    command = [require_program("bash"), "--norc", "-uc", script, "bash", str(source), *words]
    environment = {"PATH": f"{OWN_PYTHON.parent}:/usr/bin:/bin", "HOME": "/nonexistent"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True, env=environment)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["conductor-trio", "--ver"], ["--verbose", "--version"]),
        (["conductor-trio", "--no"], ["--no-json", "--no-open", "--no-qr", "--no-recipe", "--no-tcp-shared"]),
        (["conductor-trio", "recip"], ["recipes"]),
        (["conductor-trio", "share", "--l"], ["--label", "--list"]),
        (["conductor-trio", "stop", "-"], ["--help", "--json", "--verbose", "-h", "-v"]),
        (["conductor-trio", "run", "--se"], ["--server"]),
        (["conductor-trio", "run", "jupyterl"], ["jupyterlab"]),
        (["conductor-trio", "-k", "recip"], []),
        (["conductor-trio", "gw", "/usr/bin/conduc"], []),
        (
            ["conductor-trio", "gw", "/proc/self/stat"],
            ["/proc/self/stat", "/proc/self/statm", "/proc/self/status"],
        ),
        (["conductor-trio", "gw", "--", "cat", "/proc/self/limi"], ["/proc/self/limits"]),
        (["conductor-trio", "gw", "--", "conductor-trio-s"], ["conductor-trio-server"]),
        (["conductor-trio-server", "--ssl-k"], ["--ssl-key-file"]),
        (["conductor-trio-server", "-r", "/va"], ["/var"]),
        (["conductor-trio-server", "--grace", ""], []),
    ],
)
def test_bash_completes(words: list[str], offered: list[str]) -> None:
    assert sorted(complete(*words)) == offered


@pytest.mark.parametrize("page", sorted((CONTRIB / "man").iterdir()), ids=lambda page: page.name)
def test_manual_pages_are_sound(page: Path) -> None:
    command = [require_program("groff"), "-man", "-Tutf8", "-ww", "-z", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert done.stderr == ""
