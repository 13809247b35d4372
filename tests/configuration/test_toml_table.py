"""TOML files: what is read, and where each mistake is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.configuration.toml_table import Lines, parse_table, read_table
from conductor_trio.errors import ConfigError

TEXT = '''\
# first = 1
first = 1
"second key" = """
[table]
third = "not here"
"""
words = [
    "third = 1",
    ["[table]"],
]
dotted.inner = 2

[table]  # of "things"
third = 3
inline = { fourth = 4 }

[ other . deep ]
third = 5
"a=b" = 6
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("first",), 2),
        (("second key",), 3),
        (("words",), 7),
        (("dotted",), 11),
        (("dotted", "inner"), 11),
        (("table",), 13),
        (("table", "third"), 14),
        (("table", "inline", "fourth"), 15),
        (("table", "missing"), 13),
        (("other",), 17),
        (("other", "deep", "third"), 18),
        (("other", "deep", "a=b"), 19),
        (("missing",), None),
        ((), None),
    ],
)
def test_the_line_of_a_key_is_found(path: tuple[str, ...], line: int | None) -> None:
    parse_table(TEXT, file="f")
    assert Lines(TEXT).find(path) == line


MANY = '''\
one = [ # [
  """ ]
other = 1 \\""" """, \'\'\'
last = 2\'\'\'\'\', { "x" = "]" },
]   # two = 3
"qu\\"oted" . 'in ner'.deep = { a = 1, "=" = 2 }
last = 7
[[list]]
third = 8
[ a . "b.c" ] # [d]
"#" = "#"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("one",), 1),
        (("other",), None),
        (("two",), None),
        (('qu"oted', "in ner", "deep"), 6),
        (('qu"oted', "in ner", "deep", "="), 6),
        (("last",), 7),
        (("list",), 8),
        (("list", "third"), 9),
        (("a", "b.c", "#"), 11),
        (("d",), None),
    ],
)
def test_strings_comments_and_brackets_hide_what_looks_like_a_key(path: tuple[str, ...], line: int | None) -> None:
    parse_table(MANY, file="f")
    assert Lines(MANY).find(path) == line


def test_a_long_file_is_gone_through_once() -> None:
    """Looking anew at all before each line, as it did, 20,000 lines took hours."""
    text = "".join(f'[table{number}]\nkey = """\n[x]\n"""\n' for number in range(5_000))
    assert Lines(text).find(("table4999", "key")) == 4 * 5_000 - 2


keys = st.text(st.characters(codec="utf-8", exclude_characters="\x7f", exclude_categories=["C"]), max_size=5)


@given(st.lists(st.tuples(keys, st.integers(0, 3)), unique_by=lambda pair: pair[0]), st.data())
def test_the_line_of_any_key_is_found(pairs: list[tuple[str, int]], data: st.DataObject) -> None:
    lines, expected = [], {}
    for key, gap in pairs:
        lines += ["# other = 1"] * gap
        quoted = key.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'"{quoted}" = """\nx = 1\n"""')
        expected[key] = "\n".join(lines).count("\n") - 1
    text = "\n".join(lines)
    assert set(parse_table(text, file="f").values) == set(expected)
    for key, line in expected.items():
        assert Lines(text).find((key,)) == line


@given(st.text(), st.lists(keys, max_size=3))
def test_looking_for_a_line_never_fails(text: str, path: list[str]) -> None:
    line = Lines(text).find(tuple(path))
    assert line is None or 1 <= line <= text.count("\n") + 1


@given(st.text())
def test_any_text_is_a_table_or_a_mistake_with_its_line(text: str) -> None:
    try:
        parse_table(text, file="f.toml")
    except ConfigError as error:
        place, number, _ = str(error).split(":", 2)
        assert place == "f.toml"
        assert 1 <= int(number) <= text.count("\n") + 1
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb 2\n", "f:2: is no TOML: Expected '=' after a key"),
        ("a = 1\na = 2\n", "f:2: is no TOML: Cannot overwrite a value"),
        ('a = "x', "f:1: is no TOML: "),
        ("a = " + "[" * 10_000, "f:1: is no TOML: "),
        ("a = " + "9" * 5_000, "f:1: is no TOML: "),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_table(text, file="f")
    assert str(caught.value).startswith(message)


def test_each_kind_of_value() -> None:
    table = parse_table('t = "x"\nf = false\nn = 3\nl = ["a", ""]\nm = { A = "" }\n', file="f")
    assert table.get_text("t") == "x"
    assert table.get_flag("f") is False
    assert table.get_number("n", 0, 3) == 3
    assert table.get_texts("l") == ("a", "")
    assert table.get_mapping("m") == {"A": ""}
    assert (table.get_text("no"), table.get_flag("no"), table.get_number("no", 0, 3)) == (None, None, None)
    assert (table.get_texts("no"), table.get_mapping("no"), table.get_table("no")) == (None, {}, None)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("1", "text", "f:2: t.k: has to be text"),
        ('""', "text", "f:2: t.k: is empty"),
        ('"a\\nb"', "text", "f:2: t.k: is empty, or holds what cannot be printed"),
        ('"true"', "flag", "f:2: t.k: has to be true or false"),
        ("0", "flag", "f:2: t.k: has to be true or false"),
        ("4", "number", "f:2: t.k: has to be a number from 0 to 3"),
        ("true", "number", "f:2: t.k: has to be a number"),
        ("1.0", "number", "f:2: t.k: has to be a number"),
        ('"a b"', "texts", "f:2: t.k: has to be a list"),
        ("[1]", "texts", "f:2: t.k: each of it has to be text"),
        ('["\\u0000"]', "texts", "f:2: t.k: each of it has to be text"),
        ('"x"', "mapping", "f:2: t.k: has to be a table"),
        ("{ A = 1 }", "mapping", "f:2: t.k.A: each of it has to be text"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_its_line_and_key(value: str, kind: str, message: str) -> None:
    table = parse_table(f"[t]\nk = {value}\n", file="f").get_table("t")
    assert table is not None
    with pytest.raises(ConfigError) as caught:
        if kind == "number":
            table.get_number("k", 0, 3)
        else:
            getattr(table, f"get_{kind}")("k")
    assert str(caught.value).startswith(message)


def test_a_key_without_a_meaning_is_told_with_what_it_resembles() -> None:
    table = parse_table('\nservr = "gw"\n', file="f")
    with pytest.raises(ConfigError, match=r"^f:2: servr: there is no such setting; did you mean server\?$"):
        table.check_keys(["server", "key"])
    with pytest.raises(ConfigError, match=r"^f:2: servr: there is no such setting; there is: a, b$"):
        table.check_keys(["b", "a"])
    table.check_keys(["servr"])


def test_files(tmp_path: Path) -> None:
    assert read_table(str(tmp_path / "none.toml")) is None
    assert read_table(str(tmp_path / "none" / "none.toml")) is None
    with pytest.raises(ConfigError, match=f"cannot read {tmp_path}: Is a directory"):
        read_table(str(tmp_path))
    (tmp_path / "latin.toml").write_bytes(b'a = "\xe4"')
    with pytest.raises(ConfigError, match=r"latin\.toml: is not UTF-8 text, from byte 5 on"):
        read_table(str(tmp_path / "latin.toml"))
    (tmp_path / "mark.toml").write_bytes("\ufeffa = 1".encode())
    with pytest.raises(ConfigError, match=r"mark\.toml:1: is no TOML"):
        read_table(str(tmp_path / "mark.toml"))
    (tmp_path / "good.toml").write_text("a = 1\r\nb = 2\r\n", newline="")
    good = read_table(str(tmp_path / "good.toml"))
    assert good is not None and good.values == {"a": 1, "b": 2}


@pytest.mark.parametrize(("mode", "is_refused"), [(0o600, False), (0o664, False), (0o666, True), (0o602, True)])
def test_a_file_that_everybody_may_write_to_is_refused(tmp_path: Path, mode: int, is_refused: bool) -> None:
    (path := tmp_path / "config.toml").write_text('busy = "a command that is run"')
    path.chmod(mode)
    if is_refused:
        with pytest.raises(ConfigError, match=r"every user may write to it.* chmod o-w"):
            read_table(str(path))
    else:
        assert read_table(str(path)) is not None
