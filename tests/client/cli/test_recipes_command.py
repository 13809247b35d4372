"""What the client tells about itself: what it has found, and its recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.client.cli.recipes_command import explain, show_recipes
from conductor_trio.errors import ConfigError


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the path of a configuration that there is not yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "CONDUCTOR_SERVER", "CONDUCTOR_KEY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / ".config/conductor-trio/config.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, ["There is no configuration", "conductor-trio gw.example.org -- jupyter lab"]),
        ("qr = true", ["names no gateway", "conductor-trio gw.example.org -- jupyter lab"]),
        ('server = "gw"', ["names the gateway gw.", "    conductor-trio -- jupyter lab"]),
        ('server = "gw"\nkey = "lab"', ["names the gateway gw, with the key lab."]),
    ],
)
def test_who_types_nothing_is_told_what_to_type(
    text: str | None, says: list[str], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        config.write_text(text)
    assert explain() == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert all(part in said.err for part in says)


def test_recipes_are_listed_and_shown(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_recipes(None) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "jupyterlab" in [line.split()[0] for line in lines]
    assert show_recipes("jupyterlab") == 0
    shown = capsys.readouterr().out
    # What is shown can be kept as one's own.
    kept = config.parent / "recipes/mine.toml"
    kept.parent.mkdir()
    kept.write_text(shown)
    assert show_recipes("mine") == 0
    assert capsys.readouterr().out == shown


def test_an_unknown_recipe_is_told() -> None:
    with pytest.raises(ConfigError, match="did you mean jupyterlab"):
        show_recipes("jupiterlab")
