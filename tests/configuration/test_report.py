"""What is in force, told to people and to programs."""

from __future__ import annotations

import json
import tomllib

import pytest

from conductor_trio.configuration.configured import Configuration, configure
from conductor_trio.configuration.report import (
    Row,
    describe,
    differing,
    format_rows,
    make_rows,
    read_rows,
)
from conductor_trio.configuration.settings import Count, Section, Setting, Text, Texts
from conductor_trio.configuration.toml_table import parse_table

SECTIONS = (
    Section(
        settings=(
            Setting(field="names", kind=Texts(), flags=("--name",), default=(), help=""),
            Setting(field="path", kind=Text(), flags=("--path",), help=""),
        )
    ),
    Section(name="users", named="user", settings=(Setting(field="most", kind=Count(what="x"), help=""),)),
)
TEXT = 'name = ["a", "b"]\n[users."x.y"]\nmost = 3\n'


def make(text: str, **options: object) -> Configuration:
    return configure(SECTIONS, parse_table(text, file="/etc/f.toml"), options)


def test_it_is_a_file_that_says_where_each_value_is_from() -> None:
    text = format_rows(make_rows(make(TEXT)))
    assert tomllib.loads(text) == tomllib.loads(TEXT)
    assert [line.rpartition(" # ")[2] for line in text.splitlines()] == [
        "/etc/f.toml:1",
        "default",
        "/etc/f.toml:3",
    ]
    assert "# path is not set" in text


def test_a_program_reads_the_same() -> None:
    said = make(TEXT, path="/x").keep("names", ("z",))
    description = json.loads(json.dumps(describe(said)))
    assert description["file"] == "/etc/f.toml"
    assert [entry["from"] for entry in description["settings"]] == ["file", "command line", "file"]
    assert description["settings"][1]["option"] == "--path"
    assert description["settings"][2]["line"] == 3
    told = [(row.key, row.value, str(row.origin)) for row in read_rows(description)]
    assert told == [(row.key, row.value, str(row.origin)) for row in make_rows(said)]


@pytest.mark.parametrize("entry", [1, {}, {"key": "x", "value": 1}])
def test_what_is_no_description_is_refused(entry: object) -> None:
    with pytest.raises(ValueError, match="no description"):
        read_rows({"settings": [entry]})


def test_what_differs() -> None:
    def keys(one: str, other: str) -> list[tuple[str, ...]]:
        found: list[tuple[Row | None, Row | None]] = list(differing(make_rows(make(one)), make_rows(make(other))))
        return [row.key for rows in found for row in [rows[0] or rows[1]] if row is not None]

    assert keys(TEXT, "\n\n" + TEXT) == []  # on other lines
    assert keys(TEXT, 'name = ["a"]') == [("name",), ("users", "x.y", "most")]
    assert keys("", TEXT) == [("name",), ("users", "x.y", "most")]
