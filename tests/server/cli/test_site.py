"""The house as the file says it: checked at start, with the file and the line where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.errors import ConfigError
from conductor_trio.pages.colors import parse_color
from conductor_trio.pages.house import House
from conductor_trio.server.cli.arguments import make_settings, read_configuration
from conductor_trio.server.settings import ServerSettings


def read_all(path: Path, text: str) -> ServerSettings:
    file = path / "server.toml"
    file.write_text(f"[site]\n{text}\n")
    return make_settings(read_configuration({"config": str(file)}))


def read(path: Path, text: str) -> House:
    return read_all(path, text).site


def test_all_of_it(tmp_path: Path) -> None:
    house = read(
        tmp_path,
        'name = " HPC Example "\nlogo = "logo.png"\nhelp_url = "https://hpc.test/"\n'
        'announcement = "Down on Monday."\ncolor = "#FC0"',
    )
    assert (house.name, house.help_url, house.announcement) == (
        "HPC Example",
        "https://hpc.test/",
        "Down on Monday.",
    )
    assert read_all(tmp_path, 'logo = "logo.png"').logo_file == str(tmp_path / "logo.png")
    assert house.color == parse_color("#ffcc00")


def test_nothing_of_it(tmp_path: Path) -> None:
    assert read(tmp_path, "") == House()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('name = ""', "name"),
        ('name = "a\\nb"', "cannot be printed"),
        (f'name = "{"x" * 61}"', "it has 1 to 60 characters"),
        ("name = 7", "name"),
        ('help_url = "javascript:1"', "is no address"),
        ('color = "teal"', "is no colour"),
        ('colour = "#fff"', "color"),
        ('announcement = "a\\u001b[2J"', "cannot be printed"),
        ("logo = 7", "logo"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as raised:
        read(tmp_path, text)
    assert f"{tmp_path}/server.toml:2" in str(raised.value)
