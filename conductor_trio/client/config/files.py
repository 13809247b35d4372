"""The client's configuration: files of the site and of the user, and environment variables.

::

    <package>/                        recipes/*.toml                  what is shipped
    /etc/conductor-trio/              recipes/*.toml  config.toml     the site's
    $XDG_CONFIG_HOME/conductor-trio/  recipes/*.toml  config.toml     the user's (~/.config)
    $CONDUCTOR_SERVER, $CONDUCTOR_KEY

What comes later wins; the command line wins over all of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import attrs

from conductor_trio.client.config.address import ServerAddress, parse_server
from conductor_trio.client.config.recipes import Recipe, parse_recipe
from conductor_trio.client.config.submit import SubmitConfig, parse_submit
from conductor_trio.commandline.quantities import parse_duration
from conductor_trio.commandline.shipped import list_files, name_file, read_file
from conductor_trio.configuration.toml_table import Table, parse_table, read_table
from conductor_trio.errors import ConfigError

SERVER_VARIABLE = "CONDUCTOR_SERVER"
KEY_VARIABLE = "CONDUCTOR_KEY"

_RECIPES = "recipes"
_SITE = "/etc/conductor-trio"
_NAME = "conductor-trio"


@attrs.frozen(kw_only=True)
class Config:
    """What the files and the environment say; None is nothing. No `idle` is 0, no `busy` is empty."""

    server: str | None = None
    key: str | None = None
    json: bool | None = None
    open: bool | None = None
    qr: bool | None = None
    tcp_shared: bool | None = None
    idle: float | None = None
    busy: str | None = None
    identity: str | None = None  # the private key with which ssh logs in at `server`
    submit: SubmitConfig = attrs.field(factory=SubmitConfig)
    recipes: Mapping[str, Recipe] = attrs.field(factory=dict)


def config_directories(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return where files are looked for: the site's, the user's."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):  # to be ignored, as the specification of these directories says
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return _SITE, os.path.join(base, _NAME)


def load_config(environ: Mapping[str, str], directories: Sequence[str] | None = None) -> Config:
    """Return the configuration; raises `ConfigError` for any mistake, with its file, line and key.

    With `directories`, that of these, and nothing that is shipped.
    """
    config = Config()
    if directories is None:
        config, directories = Config(recipes=shipped_recipes()), config_directories(environ)
    for directory in directories:
        config = _merge(config, Config(recipes=_load_recipes(os.path.join(directory, _RECIPES))))
        table = read_table(os.path.join(directory, "config.toml"))
        if table is not None:
            config = _merge(config, parse_config(table))
    return _merge(config, _read_environment(environ))


def parse_config(table: Table) -> Config:
    """Return what a config.toml says; raises `ConfigError`."""
    table.check_keys(field.name for field in attrs.fields(Config))
    server = table.get_text("server")
    if server is not None:
        try:
            parse_server(server)
        except ConfigError as error:
            raise table.wrong(str(error), "server") from error
    recipes = {}
    below = table.get_table("recipes")
    for name in below.values if below is not None else ():
        assert below is not None
        recipe = below.get_table(name)
        assert recipe is not None
        recipes[name] = parse_recipe(name, recipe)
    return Config(
        server=server,
        key=table.get_text("key"),
        json=table.get_flag("json"),
        open=table.get_flag("open"),
        qr=table.get_flag("qr"),
        tcp_shared=table.get_flag("tcp_shared"),
        idle=_parse_idle(table),
        busy="" if table.values.get("busy") is False else table.get_text("busy"),
        identity=table.get_text("identity"),
        submit=SubmitConfig() if (submit := table.get_table("submit")) is None else parse_submit(submit),
        recipes=recipes,
    )


def choose_server(given: str | None, config: Config) -> ServerAddress | None:
    """Return the gateway that is given or else configured, with the key that belongs to the latter."""
    text = config.server if given is None else given
    if text is None:
        return None
    address = parse_server(text)
    if config.identity is None or text != config.server or address.host is None:
        return address
    return attrs.evolve(address, identity=os.path.abspath(os.path.expanduser(config.identity)))


def _parse_idle(table: Table) -> float | None:
    if table.values.get("idle") is False:  # of a user, whose site says a time
        return 0.0
    text = table.get_text("idle")
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise table.wrong(str(error), "idle") from error


def shipped_recipes() -> dict[str, Recipe]:
    """Return the recipes that come with the package."""
    recipes = {}
    for name in list_files(_RECIPES):
        path = f"{_RECIPES}/{name}"
        stem = name.removesuffix(".toml")
        recipes[stem] = parse_recipe(stem, parse_table(read_file(path), file=name_file(path)))
    return recipes


def _load_recipes(directory: str) -> dict[str, Recipe]:
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"cannot read {directory}: {error.strerror}") from error
    recipes = {}
    for name in names:
        stem, extension = os.path.splitext(name)
        # Not what editors leave beside a file, which begins with a dot.
        if extension == ".toml" and stem and not stem.startswith("."):
            table = read_table(os.path.join(directory, name))
            if table is not None:
                recipes[stem] = parse_recipe(stem, table)
    return recipes


def _read_environment(environ: Mapping[str, str]) -> Config:
    server = environ.get(SERVER_VARIABLE) or None
    if server is not None:
        try:
            parse_server(server)
        except ConfigError as error:
            raise ConfigError(f"${SERVER_VARIABLE}: {error}") from error
    return Config(server=server, key=environ.get(KEY_VARIABLE) or None)


def _merge(earlier: Config, later: Config) -> Config:
    """Return what both say; where both say something, the later."""
    said = {
        field.name: value
        for field in attrs.fields(Config)
        if field.name not in ("recipes", "submit") and (value := getattr(later, field.name)) is not None
    }
    # The later recipes come last in order, too: of two that recognise the same command, the last wins.
    kept = {name: recipe for name, recipe in earlier.recipes.items() if name not in later.recipes}
    submit = SubmitConfig(**{**earlier.submit, **later.submit})
    return attrs.evolve(earlier, **said, submit=submit, recipes=kept | dict(later.recipes))
