"""Recipes: what an application must be told so that it works behind the gateway.

A recipe is a TOML file whose name is the recipe's. Those that are shipped can be read as examples.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from conductor_trio.client.config.launch import Launch, Listen
from conductor_trio.client.config.placeholders import find_placeholders
from conductor_trio.commandline.suggest import suggest
from conductor_trio.configuration.toml_table import Table
from conductor_trio.configuration.toml_text import format_value
from conductor_trio.errors import ConfigError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_PATH = re.compile(r"/[!-~]*")
_VARIABLE = re.compile(r"[^=\0]+")
_PYTHON = re.compile(r"python[0-9.]*")

#: Programs that start another, named somewhere behind their own options, on this node and in this namespace.
_LAUNCHER = re.compile(
    "apptainer|conda|env|mamba|micromamba|nice|nohup|pipenv|pixi|poetry|singularity|time|uv|uvx"
)


@attrs.frozen(kw_only=True)
class Recipe:
    """What is known about one application. Texts of `arguments` and `environment` hold placeholders."""

    name: str
    command: tuple[str, ...]  # what `run` starts
    description: str = ""
    match: tuple[tuple[str, ...], ...] = ()  # how commands begin that are recognised, word by word
    arguments: tuple[str, ...] = ()  # what is added right behind these words
    listen: Listen = "unix"
    port: int = 0  # for tcp; 0 is one of the client's choice
    ready: str | None = None  # a path that answers once the application is ready; None: it accepts a connection
    environment: Mapping[str, str] = attrs.field(factory=dict)
    notes: str = ""


def launch_recipe(recipe: Recipe, arguments: Sequence[str] = ()) -> Launch:
    """Return how ``run RECIPE ARGUMENTS`` starts the application."""
    return _apply(recipe, recipe.command, tuple(arguments))


def launch_command(command: Sequence[str], recipes: Mapping[str, Recipe]) -> Launch:
    """Return how a command starts the application, with what a recipe knows about it, if one does.

    Of several recipes the one with the most words in common wins, of these the last. A command that says itself
    where to listen is left alone.
    """
    command = tuple(command)
    if find_placeholders(command) & {"socket", "port"}:
        return Launch(command=command)
    best: tuple[Recipe, int] | None = None
    for start in _starts(command):
        longest = 0
        for recipe in recipes.values():
            for words in recipe.match:
                if len(words) >= longest and _begins_with(command[start:], words):
                    best, longest = (recipe, start + len(words)), len(words)
        if best is not None:
            recipe, end = best
            return _apply(recipe, command[:end], command[end:])
    return Launch(command=command)


def find_recipe(name: str, recipes: Mapping[str, Recipe]) -> Recipe:
    """Return the recipe of that name; raises `ConfigError`."""
    if name not in recipes:
        raise ConfigError(f"there is no recipe {name!r}", advice=suggest(name, recipes))
    return recipes[name]


def parse_recipe(name: str, table: Table) -> Recipe:
    """Return the recipe that a file or a table of the configuration describes; raises `ConfigError`."""
    if not _NAME.fullmatch(name):
        raise table.wrong("the name of a recipe is made of a-z, 0-9 and, inside, hyphens")
    table.check_keys(field.name for field in attrs.fields(Recipe) if field.name != "name")
    command = table.get_texts("command")
    if not command or not command[0]:
        raise table.wrong('is needed, such as ["jupyter", "lab"]', "command")
    ready = table.get_text("ready")
    if ready is not None and not _PATH.fullmatch(ready):
        raise table.wrong("has to be a path that begins with '/', without blanks", "ready")
    recipe = Recipe(
        name=name,
        command=command,
        description=table.get_text("description") or "",
        match=_parse_match(table),
        arguments=table.get_texts("arguments") or (),
        listen=_parse_listen(table),
        port=table.get_number("port", 0, 65535) or 0,
        ready=ready,
        environment=_parse_environment(table),
        notes=_parse_notes(table),
    )
    _check_listening(recipe, table)
    return recipe


def format_recipe(recipe: Recipe) -> str:
    """Return the recipe as a file that can be changed and kept as one's own."""
    fields: list[tuple[str, str | int | Sequence[str] | None]] = [
        ("description", recipe.description),
        ("command", recipe.command),
        ("match", [" ".join(words) for words in recipe.match]),
        ("arguments", recipe.arguments),
        ("listen", recipe.listen),
        ("port", recipe.port),
        ("ready", recipe.ready),
        ("notes", recipe.notes),
    ]
    lines = [f"{key} = {_format_value(value)}" for key, value in fields if value]
    if recipe.environment:
        variables = recipe.environment.items()
        lines += [
            "",
            "[environment]",
            *(f"{format_value(name)} = {format_value(text)}" for name, text in variables),
        ]
    return "".join(f"{line}\n" for line in lines)


def format_list(recipes: Iterable[Recipe]) -> str:
    """Return a line for each recipe: its name, what it is, and the commands that it recognises."""
    rows = sorted((recipe.name, recipe.description, recipe.match) for recipe in recipes)
    width = max((len(name) for name, *_ in rows), default=0)
    lines = []
    for name, description, match in rows:
        commands = ", ".join(" ".join(words) for words in match)
        lines.append(f"{name:{width}}  {description}{f' ({commands})' if commands else ''}")
    return "".join(f"{line}\n" for line in lines)


def _apply(recipe: Recipe, head: tuple[str, ...], rest: tuple[str, ...]) -> Launch:
    # Right behind the words that name the application, so that what the user says comes later and wins, and
    # nothing of ours gets behind a '--' that separates the arguments of the user's own program.
    return Launch(
        command=(*head, *recipe.arguments, *rest),
        environment=recipe.environment,
        listen=recipe.listen,
        port=recipe.port,
        ready=recipe.ready,
        recipe=recipe.name,
        said=(*head, *rest),
        description=recipe.description or recipe.name,
    )


def _starts(command: tuple[str, ...]) -> Iterable[int]:
    """Return where in the command the application's name may stand."""
    launched = command and _LAUNCHER.fullmatch(os.path.basename(command[0]))
    return range(len(command)) if launched else range(1)


def _begins_with(command: tuple[str, ...], words: tuple[str, ...]) -> bool:
    if not command or len(command) < len(words):
        return False
    program = os.path.basename(command[0])
    if _PYTHON.fullmatch(program):
        program = "python"
    return (program, *command[1 : len(words)]) == words


def _parse_match(table: Table) -> tuple[tuple[str, ...], ...]:
    match = tuple(tuple(text.split()) for text in table.get_texts("match") or ())
    if not all(match):
        raise table.wrong("holds an empty command", "match")
    return match


def _parse_listen(table: Table) -> Listen:
    match table.get_text("listen"):
        case None | "unix":
            return "unix"
        case "tcp":
            return "tcp"
        case _:
            raise table.wrong('has to be "unix" or "tcp"', "listen")


def _parse_environment(table: Table) -> dict[str, str]:
    environment = table.get_mapping("environment")
    for name in environment:
        if not _VARIABLE.fullmatch(name):
            raise table.wrong("is no name of an environment variable", "environment", name)
    return environment


def _parse_notes(table: Table) -> str:
    """Return the notes, which may have several lines."""
    notes = table.values.get("notes", "")
    if not isinstance(notes, str):
        raise table.wrong("has to be text, in quotation marks", "notes")
    return notes


def _check_listening(recipe: Recipe, table: Table) -> None:
    """Raise `ConfigError` where the recipe speaks of a port that there is not, or of a socket that is ours."""
    used = set(_placeholders_by_key(recipe))
    keys_of = {name: key for key, name in used}
    if recipe.listen == "unix":
        if "port" in table.values:
            raise table.wrong('is only for listen = "tcp"', "port")
        if "port" in keys_of:
            raise table.wrong('{port} is only for listen = "tcp"', keys_of["port"])
    elif "socket" in keys_of:
        raise table.wrong('{socket} is only for listen = "unix"', keys_of["socket"])
    elif recipe.port == 0 and "port" not in keys_of:
        what = "the application must be told the port: use {port} in the arguments or the environment, or set port"
        raise table.wrong(what, "listen")


def _placeholders_by_key(recipe: Recipe) -> Iterator[tuple[str, str]]:
    texts = {
        "command": recipe.command,
        "arguments": recipe.arguments,
        "environment": tuple(recipe.environment.values()),
    }
    for key, words in texts.items():
        for name in find_placeholders(words):
            yield key, name


def _format_value(value: str | int | Sequence[str]) -> str:
    match value:
        case str() | int():
            return format_value(value)
        case _:
            texts = [format_value(text) for text in value]
            line = f"[{', '.join(texts)}]"
            return line if len(line) < 80 else "[\n" + "".join(f"    {text},\n" for text in texts) + "]"
