"""What the client tells about itself: what it is for, what it has found, which recipes there are."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from conductor_trio import exit_status
from conductor_trio.client.cli.table import PROGRAM
from conductor_trio.client.config.files import Config, config_directories, load_config
from conductor_trio.client.config.recipes import find_recipe, format_list, format_recipe
from conductor_trio.commandline.output import write_output

_EXPLANATION = """\
{program} gives a web application on this host a private address on a gateway that you reach by SSH.

{found}

Start JupyterLab, for instance, and you get a link:

    {example}

`{program} recipes` lists the applications that it knows, `{program} help` explains the rest.
"""


def explain() -> int:
    """Tell someone who typed nothing but the program's name what to type next; raises `ConfigError`."""
    config = load_config(os.environ)
    server = "" if config.server else "gw.example.org "
    text = _EXPLANATION.format(
        program=PROGRAM,
        found=_tell_found(config, os.environ),
        example=f"{PROGRAM} {server}-- jupyter lab",
    )
    sys.stderr.write(text)
    return exit_status.WRONG_USAGE


def show_recipes(name: str | None) -> int:
    """List the recipes, or show the one of that name as a file; raises `ConfigError`."""
    recipes = load_config(os.environ).recipes
    write_output(format_list(recipes.values()) if name is None else format_recipe(find_recipe(name, recipes)))
    return exit_status.OK


def _tell_found(config: Config, environ: Mapping[str, str]) -> str:
    places = [os.path.join(directory, "config.toml") for directory in config_directories(environ)]
    files = " and ".join(path for path in places if os.path.exists(path))
    if config.server is None:
        where = (
            f"Your configuration ({files}) names no gateway"
            if files
            else f"There is no configuration ({places[-1]})"
        )
        return f"{where}, so name the gateway in each command."
    key = f", with the key {config.key}" if config.key else ""
    return f"Your configuration ({files or 'the environment'}) names the gateway {config.server}{key}."
