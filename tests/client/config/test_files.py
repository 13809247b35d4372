"""The client's configuration: what wins over what, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.client.config.files import Config, config_directories, load_config, shipped_recipes
from conductor_trio.client.config.recipes import launch_command
from conductor_trio.errors import ConfigError


def write(directory: Path, name: str, text: str) -> None:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def load(tmp_path: Path, **environ: str) -> Config:
    return load_config(environ, [str(tmp_path / name) for name in ("shipped", "site", "user")])


def test_nothing_said_is_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) == Config()
    assert load(tmp_path, CONDUCTOR_SERVER="", CONDUCTOR_KEY="") == Config()


def test_the_user_wins_over_the_site_and_the_environment_over_both(tmp_path: Path) -> None:
    write(tmp_path / "site", "config.toml", 'server = "gw.site"\nkey = "site"\njson = true\nqr = true\n')
    assert load(tmp_path) == Config(server="gw.site", key="site", json=True, qr=True)
    write(tmp_path / "user", "config.toml", 'server = "gw.user"\nqr = false\nopen = true\ntcp_shared = false\n')
    expected = Config(server="gw.user", key="site", json=True, qr=False, open=True, tcp_shared=False)
    assert load(tmp_path) == expected
    write(tmp_path / "site", "config.toml", 'idle = "8h"\nbusy = "ask"\n')
    write(tmp_path / "user", "config.toml", "")
    assert load(tmp_path) == Config(idle=8 * 3600, busy="ask")
    write(tmp_path / "user", "config.toml", "idle = false\nbusy = false\n")
    assert load(tmp_path) == Config(idle=0, busy="")
    write(tmp_path / "site", "config.toml", 'server = "gw.site"\nkey = "site"\njson = true\nqr = true\n')
    told = load(tmp_path, CONDUCTOR_SERVER="me@gw:22", CONDUCTOR_KEY="lab")
    assert (told.server, told.key, told.json) == ("me@gw:22", "lab", True)


def test_recipes_come_from_every_place_and_the_later_win_by_name(tmp_path: Path) -> None:
    def recipe(word: str, match: str) -> str:
        return f'command = ["{word}"]\nmatch = ["{match}"]\n'

    write(tmp_path / "shipped", "recipes/a.toml", recipe("shipped", "x"))
    write(tmp_path / "shipped", "recipes/b.toml", recipe("shipped", "y"))
    write(tmp_path / "shipped", "recipes/.b.toml", "an editor's")
    write(tmp_path / "shipped", "recipes/b.toml~", "an editor's")
    write(tmp_path / "site", "config.toml", '[recipes.c]\ncommand = ["site"]\nmatch = ["z"]\n')
    write(tmp_path / "site", "recipes/b.toml", recipe("site", "y"))
    write(tmp_path / "user", "recipes/c.toml", recipe("user", "z"))
    write(tmp_path / "user", "recipes/a.toml", recipe("user", "y"))
    recipes = load(tmp_path).recipes
    assert {name: found.command[0] for name, found in recipes.items()} == {"a": "user", "b": "site", "c": "user"}
    assert launch_command(["y"], recipes).recipe == "a"


def test_a_recipe_in_the_configuration_wins_over_a_file_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "user", "recipes/a.toml", 'command = ["file"]\n')
    write(tmp_path / "user", "config.toml", '[recipes]\na = { command = ["table"] }\n')
    assert load(tmp_path).recipes["a"].command == ("table",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.toml", 'servr = "gw"', ":1: servr: there is no such setting; did you mean server?"),
        ("config.toml", "\nserver = 1", ":2: server: has to be text, in quotation marks"),
        ("config.toml", 'server = "gw:x"', ":1: server: SERVER 'gw:x': host or port is malformed; give [user@]"),
        ("config.toml", 'idel = "2h"', ":1: idel: there is no such setting; did you mean idle?"),
        ("config.toml", 'idle = "soon"', ":1: idle: 'soon' is no time; write it as 90s, 30m"),
        ("config.toml", "idle = 7200", ":1: idle: has to be text"),
        ("config.toml", "idle = true", ":1: idle: has to be text"),
        ("config.toml", "\nbusy = true", ":2: busy: has to be text"),
        ("config.toml", "json = 1", ":1: json: has to be true or false"),
        ("config.toml", "server = gw", ":1: is no TOML: Invalid value"),
        ("config.toml", 'recipes = "x"', ":1: recipes: has to be a table"),
        ("config.toml", "[recipes]\nx = 1", ":2: recipes.x: has to be a table"),
        ("config.toml", '[recipes.x]\ncommand = ["x"]\nportt = 1', ":3: recipes.x.portt: there is no such"),
        ("config.toml", "[recipes.X]", ":1: recipes.X: the name of a recipe is made of"),
        ("recipes/x.toml", "\n\ncommand = 1", ":3: command: has to be a list"),
        ("recipes/X.toml", "", ": the name of a recipe is made of"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_key(tmp_path: Path, name: str, text: str, message: str) -> None:
    write(tmp_path / "user", name, text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/user/{name}{message}")
    assert "\n" not in str(caught.value)


def test_a_wrong_server_in_the_environment_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^\$CONDUCTOR_SERVER: SERVER '-x': user and host cannot"):
        load(tmp_path, CONDUCTOR_SERVER="-x")


def test_a_directory_that_is_a_file_holds_no_recipes(tmp_path: Path) -> None:
    write(tmp_path / "user", "recipes", "")
    assert load(tmp_path) == Config()


@pytest.mark.parametrize(
    ("environ", "user"),
    [
        ({"HOME": "/h"}, "/h/.config/conductor-trio"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x/conductor-trio"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "x"}, "/h/.config/conductor-trio"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": ""}, "/h/.config/conductor-trio"),
    ],
)
def test_where_files_are_looked_for(environ: dict[str, str], user: str) -> None:
    assert config_directories(environ) == ("/etc/conductor-trio", user)


def test_what_is_shipped_is_there_unless_directories_are_named(tmp_path: Path) -> None:
    assert shipped_recipes().keys() >= {"jupyterlab", "rstudio"}
    environ = {"HOME": str(tmp_path)}
    assert load_config(environ).recipes.items() >= shipped_recipes().items()
    assert not load(tmp_path).recipes
