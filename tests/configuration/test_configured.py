"""What is in force: who wins, where each value is from, and how mistakes are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.configuration.configured import Configuration, configure
from conductor_trio.configuration.settings import Count, Port, Section, Setting, Text, Texts
from conductor_trio.configuration.toml_table import parse_table
from conductor_trio.errors import ConfigError


def _refuse_bad(text: str) -> str:
    if text == "bad":
        raise ValueError("it is bad")
    return text


SECTIONS = (
    Section(
        settings=(
            Setting(field="port", kind=Port(), flags=("-p", "--port"), metavar="P", default=1, help=""),
            Setting(field="names", kind=Texts(normalize=_refuse_bad), flags=("--name",), default=(), help=""),
            Setting(field="held", kind=Count(what="x"), flags=("--held", "--parked"), default=9, help=""),
        )
    ),
    Section(name="metrics", settings=(Setting(field="listen", kind=Text(), default="no", help=""),)),
    Section(name="users", named="user", settings=(Setting(field="most", kind=Count(what="x"), help=""),)),
)


def make(text: str | None, **options: object) -> Configuration:
    return configure(SECTIONS, None if text is None else parse_table(text, file="/etc/f.toml"), options)


def test_options_win_over_the_file_and_that_over_the_defaults() -> None:
    said = make("port = 2\nheld = 3\n", port=4, names=[], held=None)
    told = {field: (given.value, str(given.origin)) for field, given in said.values.items()}
    assert told == {
        "port": (4, "command line (-p)"),
        "names": ((), "default"),
        "held": (3, "/etc/f.toml:2"),
        "listen": ("no", "default"),
    }
    assert said.file == "/etc/f.toml" and make(None).file is None


def test_sections_and_those_who_are_named_in_them() -> None:
    said = make('[metrics]\nlisten = "x"\n[users.alice]\nmost = 2\n[users."a b"]\n')
    assert said.value("listen") == "x"
    assert {name: {f: g.value for f, g in own.items()} for name, own in said.named["users"].items()} == {
        "alice": {"most": 2},
        "a b": {},
    }
    assert [key for key, _ in said.rows()] == [
        ("port",),
        ("name",),
        ("held",),
        ("metrics", "listen"),
        ("users", "alice", "most"),
    ]


def test_what_is_kept_of_before_says_so() -> None:
    kept = make("port = 2").keep("port", 7)
    assert kept.value("port") == 7
    assert str(kept["port"].origin) == "of before, since it needs a restart; /etc/f.toml:1"
    assert kept.without("port").value("port") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nprot = 1", "/etc/f.toml:2: prot: there is no such setting; did you mean port?"),
        ("[metrics]\nlisen = 1", "/etc/f.toml:2: metrics.lisen: there is no such setting; did you mean listen?"),
        (
            "[metrics]\nport = 1",
            "/etc/f.toml:2: metrics.port: there is no such setting; did you mean port, which stands",
        ),
        (
            "[metrics]\nprot = 1",
            "/etc/f.toml:2: metrics.prot: there is no such setting; did you mean port, which ",
        ),
        (
            "listne = 1",
            "/etc/f.toml:1: listne: there is no such setting; did you mean listen, which stands in [metrics]?",
        ),
        ("[users.a]\nmots = 1", "/etc/f.toml:2: users.a.mots: there is no such setting; did you mean most?"),
        ('port = "2"', "/etc/f.toml:1: port: has to be a number"),
        ("users = 1", "/etc/f.toml:1: users: has to be a table"),
        ("[users]\na = 1", "/etc/f.toml:2: users.a: has to be a table"),
        ('[users.""]\nmost = 1', "/etc/f.toml:1: users.: is no name of a user"),
        ('\nname = ["a", "bad"]', "/etc/f.toml:2: name: it is bad"),
        ("held = 1\nparked = 2", "/etc/f.toml:2: parked: is the same setting as held"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(text)
    assert str(caught.value).startswith(message)


def test_a_mistake_of_the_command_line_is_told_with_its_option() -> None:
    with pytest.raises(ConfigError, match=r"^--name: it is bad$"):
        make(None, names=["bad"])


def test_another_name_of_a_setting_is_its_key_too() -> None:
    assert make("parked = 2").value("held") == 2


def test_what_contradicts_is_told_as_a_sentence() -> None:
    assert str(make("port = 2")["port"].contradicts("needs x")) == "/etc/f.toml:1: port needs x"
    assert str(make(None, port=3)["port"].contradicts("needs x")) == "-p needs x"


keys = st.sampled_from(["port", "name", "held", "parked", "metrics", "users", "listen", "most", '"\\u0000"'])
VALUES = """1 | -1 | true | 1e400 | nan | "x" | "" | [] | ["a"] | [1] | {} | {most = 1} | {a = {most = 1}}
| 2026-01-01 | 07:00:00 | 9999999999999999999999999"""
values = st.sampled_from([value.strip() for value in VALUES.split("|")])
lines = st.one_of(
    st.builds("{} = {}".format, keys, values),
    st.builds("[{}]".format, keys),
    st.builds("[{}.{}]".format, keys, keys),
    st.builds("[[{}]]".format, keys),
    st.text(max_size=5),
)


@given(st.lists(lines, max_size=8).map("\n".join))
def test_any_file_is_a_configuration_or_a_mistake_in_one_place(text: str) -> None:
    try:
        said = make(text)
    except ConfigError as error:
        assert str(error).startswith("/etc/f.toml:")
    else:
        assert {given.setting.key for _, given in said.rows()} >= {"port", "name", "held", "listen"}
