"""The files of contrib and docs that are made of the tables."""

from __future__ import annotations

from pathlib import Path

from conductor_trio.client.cli.table import CLIENT
from conductor_trio.commandline.completion import format_completion
from conductor_trio.server.cli.settings_table import SECTIONS
from conductor_trio.server.cli.table import SERVER
from scripts.commandline.example import format_example
from scripts.commandline.manual import fill_page, format_settings
from scripts.commandline.reference import format_commands, format_settings_page

CONTRIB = Path(__file__).parents[2] / "contrib"
DOCS = CONTRIB.parent / "docs"
_TEMPLATES = Path(__file__).parent
_INTRODUCTION = """The settings of conductor-trio-server, in TOML: a copy is /etc/conductor-trio/server.toml. \
What stands here behind a single # is the default, or an example where that is nothing. Options of the command \
line win.

`conductor-trio-server check` tells of mistakes, `conductor-trio-server config` what is in force and where it is \
said, and `systemctl reload` or `conductor-trio-server reload` applies it without a failed request. A file with a \
mistake changes nothing.

A key is an option's long name, with _ for -. A path may be relative to the directory of this file, and a time a \
number of seconds or as \"1h30m\"."""


def make_files() -> dict[str, str]:
    """Return what the files have to hold, by their paths below contrib."""
    files: dict[str, str] = {}
    more = {CLIENT: {}, SERVER: {"SETTINGS": format_settings(SECTIONS)}}
    for program, section in ((CLIENT, 1), (SERVER, 8)):
        files |= {
            f"completion/{program.name}.bash": format_completion(program, "bash"),
            f"completion/_{program.name}": format_completion(program, "zsh"),
            f"completion/{program.name}.fish": format_completion(program, "fish"),
        }
        page = f"{program.name}.{section}"
        files[f"man/{page}"] = fill_page((_TEMPLATES / f"{page}.in").read_text(), program, more[program])
    files["server.toml"] = format_example(_INTRODUCTION, SECTIONS)
    return files


def make_documents() -> dict[str, str]:
    """Return what the reference's pages have to hold, by their names in docs."""
    return {"commands.md": format_commands((CLIENT, SERVER)), "settings.md": format_settings_page(SECTIONS)}
