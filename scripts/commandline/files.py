"""The files of contrib that are made of the tables."""

from __future__ import annotations

from pathlib import Path

from conductor_trio.client.cli.table import CLIENT
from conductor_trio.commandline.completion import format_completion
from conductor_trio.server.cli.table import SERVER
from scripts.commandline.manual import fill_page

CONTRIB = Path(__file__).parents[2] / "contrib"
_TEMPLATES = Path(__file__).parent


def make_files() -> dict[str, str]:
    """Return what the files have to hold, by their paths below contrib."""
    files: dict[str, str] = {}
    for program, section in ((CLIENT, 1), (SERVER, 8)):
        files |= {
            f"completion/{program.name}.bash": format_completion(program, "bash"),
            f"completion/_{program.name}": format_completion(program, "zsh"),
            f"completion/{program.name}.fish": format_completion(program, "fish"),
        }
        page = f"{program.name}.{section}"
        files[f"man/{page}"] = fill_page((_TEMPLATES / f"{page}.in").read_text(), program)
    return files
