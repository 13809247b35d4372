"""Recipes: read, recognised, put into a command, shown."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.config.files import shipped_recipes
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.placeholders import Values, find_placeholders
from conductor_trio.client.config.recipes import (
    Recipe,
    find_recipe,
    format_list,
    format_recipe,
    launch_command,
    launch_recipe,
    parse_recipe,
)
from conductor_trio.configuration.toml_table import parse_table
from conductor_trio.errors import ConfigError

LAB = Recipe(
    name="lab",
    description="A notebook",
    command=("jupyter", "lab"),
    match=(("jupyter", "lab"), ("jupyter-lab",), ("python", "-m", "jupyterlab")),
    arguments=("--sock={socket}",),
)
JUPYTER = Recipe(name="jupyter", command=("jupyter",), match=(("jupyter",),), arguments=("--any",))
APP = Recipe(
    name="app",
    command=("serve",),
    match=(("serve",),),
    arguments=("--port", "{port}"),
    listen="tcp",
    ready="/health",
    environment={"ORIGIN": "{host}"},
)
RECIPES = {recipe.name: recipe for recipe in (LAB, JUPYTER, APP)}


def read(text: str, name: str = "r") -> Recipe:
    return parse_recipe(name, parse_table(text, file="r.toml"))


def test_a_recipe_is_read() -> None:
    text = """
        description = "Serves"
        command = ["serve"]
        match = ["serve", "python -m serve"]
        arguments = ["--port", "{port}"]
        listen = "tcp"
        ready = "/health?x=1"
        notes = '''Two
        lines'''
        environment = { ORIGIN = "{host}" }
    """
    assert read(text, "my-app2") == Recipe(
        name="my-app2",
        description="Serves",
        command=("serve",),
        match=(("serve",), ("python", "-m", "serve")),
        arguments=("--port", "{port}"),
        listen="tcp",
        ready="/health?x=1",
        environment={"ORIGIN": "{host}"},
        notes="Two\n        lines",
    )


def test_a_command_is_enough() -> None:
    assert read('command = ["x"]') == Recipe(name="r", command=("x",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "r.toml: command: is needed"),
        ("command = []", "r.toml:1: command: is needed"),
        ('command = [""]', "r.toml:1: command: is needed"),
        ('command = "jupyter lab"', "r.toml:1: command: has to be a list"),
        ('command = ["x"]\nlisten = "udp"', 'r.toml:2: listen: has to be "unix" or "tcp"'),
        ('command = ["x"]\nlisten = "tcp"', "r.toml:2: listen: the application must be told the port"),
        ('command = ["x"]\nport = 80', 'r.toml:2: port: is only for listen = "tcp"'),
        ('command = ["x"]\nlisten = "tcp"\nport = 65536', "r.toml:3: port: has to be a number from 0 to 65535"),
        ('command = ["x"]\narguments = ["{port}"]', "r.toml:2: arguments: {port} is only for"),
        ('command = ["x"]\n[environment]\nA = "{port}"', "r.toml:2: environment: {port} is only for"),
        ('command = ["x", "{socket}"]\nlisten = "tcp"\nport = 1', "r.toml:1: command: {socket} is only for"),
        ('command = ["x"]\nready = "health"', "r.toml:2: ready: has to be a path"),
        ('command = ["x"]\nready = "/a b"', "r.toml:2: ready: has to be a path"),
        ('command = ["x"]\nmatch = ["a", " "]', "r.toml:2: match: holds an empty command"),
        ('command = ["x"]\n[environment]\n"A=B" = ""', "r.toml:3: environment.A=B: is no name of"),
        ('command = ["x"]\nnotes = 1', "r.toml:2: notes: has to be text"),
        ('command = ["x"]\nname = "y"', "r.toml:2: name: there is no such setting"),
        (
            'command = ["x"]\nargument = ["y"]',
            "r.toml:2: argument: there is no such setting; did you mean arguments?",
        ),
    ],
)
def test_a_mistake_is_told_with_file_line_and_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a b", "a.b", "ä"])
def test_a_name_is_one_word(name: str) -> None:
    with pytest.raises(ConfigError, match="the name of a recipe"):
        read('command = ["x"]', name)


@pytest.mark.parametrize(
    ("command", "started"),
    [
        ("jupyter lab", "jupyter lab --sock={socket}"),
        ("jupyter lab dir --x", "jupyter lab --sock={socket} dir --x"),
        ("/opt/bin/jupyter lab", "/opt/bin/jupyter lab --sock={socket}"),
        ("jupyter-lab -- x", "jupyter-lab --sock={socket} -- x"),
        ("python3.11 -m jupyterlab x", "python3.11 -m jupyterlab --sock={socket} x"),
        ("/usr/bin/python -m jupyterlab", "/usr/bin/python -m jupyterlab --sock={socket}"),
        ("uv run --with x jupyter lab y", "uv run --with x jupyter lab --sock={socket} y"),
        ("apptainer exec i.sif jupyter lab", "apptainer exec i.sif jupyter lab --sock={socket}"),
        ("env A=1 nice -n 5 jupyter lab", "env A=1 nice -n 5 jupyter lab --sock={socket}"),
        ("jupyter console", "jupyter --any console"),
    ],
)
def test_a_command_is_recognised(command: str, started: str) -> None:
    launch = launch_command(command.split(), RECIPES)
    assert launch.command == tuple(started.split())
    assert launch.recipe in ("lab", "jupyter")


@pytest.mark.parametrize(
    "command",
    [
        "echo jupyter lab",
        "srun jupyter lab",  # it starts it on another node, perhaps
        "pythonic -m jupyterlab",
        "python -m jupyterlab_server",
        "lab jupyter",
        "jupyter-labs",
        "env A=1",
        "jupyter lab --sock={socket}",  # says itself where to listen
        "serve --port {port}",
        "",
    ],
)
def test_a_command_is_left_alone(command: str) -> None:
    words = tuple(command.split())
    assert launch_command(words, RECIPES) == Launch(command=words)


def test_of_two_that_recognise_a_command_the_last_wins() -> None:
    own = attrs.evolve(LAB, name="own", arguments=("--own",))
    assert launch_command(["jupyter", "lab"], {**RECIPES, "own": own}).recipe == "own"
    assert launch_command(["jupyter", "lab"], {"own": own, **RECIPES}).recipe == "lab"


def test_all_that_a_recipe_knows_is_in_the_launch() -> None:
    expected = Launch(
        command=("serve", "--port", "{port}", "x"),
        environment={"ORIGIN": "{host}"},
        listen="tcp",
        ready="/health",
        recipe="app",
    )
    assert launch_command(["serve", "x"], RECIPES) == expected
    assert launch_recipe(APP, ["x"]) == expected
    assert expected.fill_command(Values(port=80)) == ("serve", "--port", "80", "x")


@given(st.lists(st.text(max_size=8)), st.sampled_from(sorted(RECIPES)))
def test_no_word_of_the_user_is_lost_or_moved(rest: list[str], name: str) -> None:
    recipe = RECIPES[name]
    head, added = recipe.command, recipe.arguments
    assert launch_recipe(recipe, rest).command == (*head, *added, *rest)
    if not find_placeholders(rest) and name != "jupyter":  # which the next word may make another recipe's
        assert launch_command([*head, *rest], RECIPES).command == (*head, *added, *rest)


def test_an_unknown_recipe_is_told_with_what_it_resembles() -> None:
    assert find_recipe("lab", RECIPES) is LAB
    with pytest.raises(ConfigError, match=r"^there is no recipe 'labb'; did you mean lab\?$"):
        find_recipe("labb", RECIPES)
    with pytest.raises(ConfigError, match=r"there is: app, jupyter, lab$"):
        find_recipe("rstudio", RECIPES)


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
lines = words.filter(str.isprintable)


def _holds_a_word(text: str) -> bool:
    # Not `str.split` itself, which Hypothesis takes for a question whether the text is empty.
    return bool(text.split())


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    command = draw(st.lists(words, max_size=5))
    tcp = draw(st.booleans())
    return Recipe(
        name="r",
        command=("x", *(word.replace("{", "") for word in command)),
        description=draw(lines),
        match=tuple(tuple(text.split()) for text in draw(st.lists(words.filter(_holds_a_word), max_size=3))),
        arguments=tuple(draw(st.lists(st.sampled_from(["{host}", "{key}", "é", '"', "\n", "\x7f", "😀"])))),
        listen="tcp" if tcp else "unix",
        port=draw(st.integers(1, 65535)) if tcp else 0,
        ready=draw(st.sampled_from([None, "/", "/a?b"])),
        environment=draw(st.dictionaries(words.filter(lambda name: name and "=" not in name), st.just("v"))),
        notes=draw(words),
    )


@given(recipes())
def test_what_is_shown_is_a_recipe_again(recipe: Recipe) -> None:
    assert read(format_recipe(recipe)) == recipe


def test_the_list_has_a_line_for_each() -> None:
    assert format_list(RECIPES.values()) == (
        "app       (serve)\n"
        "jupyter   (jupyter)\n"
        "lab      A notebook (jupyter lab, jupyter-lab, python -m jupyterlab)\n"
    )


# What is shipped.

SHIPPED = shipped_recipes()


@pytest.mark.parametrize("recipe", SHIPPED.values(), ids=SHIPPED)
def test_what_is_shipped_is_complete(recipe: Recipe) -> None:
    assert recipe.description and recipe.description[-1] not in ".!"
    assert read(format_recipe(recipe), recipe.name) == recipe
    started = launch_recipe(recipe, ["argument"])
    # It is told where to listen, or is known to listen at one port.
    assert find_placeholders([*started.command, *started.environment.values()]) & {"socket", "port"} or recipe.port
    for match in recipe.match:
        assert launch_command(match, SHIPPED).recipe == recipe.name
