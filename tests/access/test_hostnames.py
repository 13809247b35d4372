"""No two owners are ever given the same host name, whatever their names, their keys and the server's patterns."""

from __future__ import annotations

import itertools
import os
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.access.hostnames import (
    MAX_LABEL,
    HostPattern,
    check_key,
    check_patterns,
    is_host_name,
    parse_pattern,
    user_label,
)
from conductor_trio.errors import ConfigError, RegistrationRefused

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

# Few and short pieces, so that coincidences are likely and all owners can be tried.
patterns = st.builds(
    lambda before, fields, between, after: f"{before}{{{fields[0]}}}{between}{{{fields[1]}}}{after}",
    st.sampled_from(["", "a", "a-", "b.", "a.b-"]),
    st.sampled_from([("key", "user"), ("user", "key")]),
    st.sampled_from(["-", "--", ".", "a", "-a-", ".b.", ".b-", "b-", "aba"]),
    st.sampled_from(["", "-a", ".b", ".a.b", "b", "--b", ".b:80", ".b."]),
)
#: Every label of up to three of these characters.
LABELS = [
    text
    for length in range(1, 4)
    for text in map("".join, itertools.product("ab-", repeat=length))
    if LABEL.fullmatch(text)
]
#: User names as the kernel and the password database give them: bytes without a separator, any of them.
users = st.text("abAB-_.", max_size=5) | st.binary(max_size=40).map(os.fsdecode)


def passes(key: str, label: str, *patterns: HostPattern) -> bool:
    try:
        check_key(key, label, patterns)
    except RegistrationRefused:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "host", "url_host"),
    [
        ("{key}-{user}.apps.example.org", "k-u.apps.example.org", "k-u.apps.example.org"),
        ("{key}-{user}.localhost:8888", "k-u.localhost", "k-u.localhost:8888"),
        ("{user}.{key}.example.org.", "u.k.example.org", "u.k.example.org"),
        ("App-{KEY}--{User}.Example.ORG", "app-k--u.example.org", "app-k--u.example.org"),
        ("{key}.{user}", "k.u", "k.u"),
    ],
)
def test_patterns(text: str, host: str, url_host: str) -> None:
    pattern = parse_pattern(text)
    assert pattern.format_host("k", "u") == host
    assert pattern.format_url_host("k", "u") == url_host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "{key}.example.org",
        "{user}.example.org",
        "{key}-{user}-{key}.example.org",
        "{key}-{user}-{host}.example.org",
        "{key}{user}.example.org",
        "{key}-{}.example.org",
        "{key}-{0}.example.org",
        "{key!r}-{user}.example.org",
        "{key:>5}-{user}.example.org",
        "{key.x}-{user}.example.org",
        "{key}-{user.__class__}.example.org",
        "{{key}}-{user}.example.org",
        "{key}-{user}.{{example.org",
        "{key}-{user}.example.org}}",
        "{key}-{user}.example.org:0",
        "{key}-{user}.example.org:65536",
        "{key}-{user}.example.org:http",
        "{key}-{user}.example.org:",
        "{key}-{user}.example.org:8888:1",
        "{key}-{user}.example.org:" + "9" * 5000,
        "{key}-{user}.example.org:\u0661",
        "{key}-{user}.exa mple.org",
        "{key}-{user}.example.org/",
        "{key}-{user}..example.org",
        ".{key}-{user}.example.org",
        "-{key}-{user}.example.org",
        "{key}-{user}-.example.org",
        "{key}_{user}.example.org",
        "{key}-{user}.example.org\n",
        "{key",
        "}{key}-{user}",
        "{key}-{user}.b\u00fccher.example",
    ],
)
def test_bad_patterns_are_one_line_to_their_writer(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_pattern(text)
    assert "\n" not in str(error.value)
    assert "{key}-{user}.apps.example.org" in str(error.value)


@given(st.text("{}keyusr-.:0189!aZ ", max_size=30))
@example("{key}-{user}" + "." * 300)
def test_any_pattern_is_taken_or_refused(text: str) -> None:
    try:
        pattern = parse_pattern(text)
    except ConfigError:
        return
    assert all(LABEL.fullmatch(label) for label in pattern.format_host("k", "u").split("."))


def owners_by_host(pattern: HostPattern, patterns: tuple[HostPattern, ...]) -> dict[str, tuple[str, str]]:
    """Return who has which host name of a pattern, of all (key, label) that may; fails where two have one."""
    owners: dict[str, tuple[str, str]] = {}
    for owner in itertools.product(LABELS, LABELS):
        if passes(*owner, *patterns):
            assert owners.setdefault(pattern.format_host(*owner), owner) == owner
    return owners


@given(patterns)
def test_two_owners_never_share_a_host_of_one_pattern(text: str) -> None:
    pattern = parse_pattern(text)
    owners = owners_by_host(pattern, (pattern,))
    assert owners, "this pattern lets nobody in"


@given(patterns, patterns)
@example("{key}-{user}.b", "{user}-{key}.b")
@example("{key}-{user}.b", "{key}-{user}-a.b")
@example("{key}.{user}.b", "{key}-{user}.b.b")
def test_two_owners_never_share_a_host_of_two_patterns(text: str, other_text: str) -> None:
    one, other = parse_pattern(text), parse_pattern(other_text)
    try:
        check_patterns((one, other))
    except ConfigError:
        return
    owners = owners_by_host(one, (one, other))
    for host, (_, label) in owners_by_host(other, (one, other)).items():
        assert host not in owners or owners[host][1] == label


@pytest.mark.parametrize(
    ("texts", "fit"),
    [
        (["{key}-{user}.a.example", "{key}-{user}.b.example"], True),
        (["{key}-{user}.localhost:8888", "{key}-{user}.localhost:9999"], True),
        (["{key}-{user}.a.example", "{user}-{key}.a.example"], False),
        (["{key}-{user}.a.example", "{key}--{user}.a.example"], False),
        (["{key}.{user}.a.example", "{key}-{user}.b.a.example"], False),
        (["{key}-{user}.a.example", "app-{key}-{user}.a.example"], False),
        (["x-{key}-{user}.a.example", "y-{key}-{user}.a.example"], True),
        (["{key}-{user}.a.example", "{key}-{user}.b.example", "{user}-{key}.a.example"], False),
    ],
)
def test_patterns_that_fit_together(texts: list[str], fit: bool) -> None:
    patterns = tuple(map(parse_pattern, texts))
    if fit:
        check_patterns(patterns)
    else:
        with pytest.raises(ConfigError, match="same host name"):
            check_patterns(patterns)


@pytest.mark.parametrize("name", ["alice", "a", "x1", "svc-web", "0"])
def test_names_that_are_labels_stay(name: str) -> None:
    assert user_label(name) == name


@pytest.mark.parametrize(
    "name", ["Alice", "a_b", "a.b", "a--b", "-a", "a-", "a" * 40, "jürgen", "", "DOM\\alice", "\udcff", "a\n"]
)
def test_other_names_are_marked(name: str) -> None:
    label = user_label(name)
    assert LABEL.fullmatch(label) and "--" in label


@given(users)
@example("XN")
def test_a_label_is_valid_and_leaves_room_for_a_key(name: str) -> None:
    label = user_label(name)
    assert LABEL.fullmatch(label)
    assert len(label) <= MAX_LABEL // 2
    assert not label.startswith("xn--")  # or that user could never register
    assert passes("k", label, parse_pattern("{key}.{user}.example.org"))


@given(users, users)
@example("A", "a")
@example("a_b", "a.b")
@example("é", "e\u0301")
def test_a_label_stands_for_one_name(name: str, other: str) -> None:
    assert (user_label(name) == user_label(other)) == (name == other)


@given(st.binary(min_size=1, max_size=12).map(os.fsdecode))
def test_no_user_can_be_named_as_another_ones_label(name: str) -> None:
    label = user_label(name)
    assert name == label or user_label(label) != label


@pytest.mark.parametrize("key", ["lab", "a", "0", "a0b", "x" * 40])
def test_good_keys(key: str) -> None:
    check_key(key, "alice", (parse_pattern("{key}-{user}.example.org"),))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "a-z, 0-9"),
        ("a_b", "a-z, 0-9"),
        ("a.b", "a-z, 0-9"),
        ("A", "a-z, 0-9"),
        ("-a", "a-z, 0-9"),
        ("a-", "a-z, 0-9"),
        ("a\n", "a-z, 0-9"),
        ("a b", "a-z, 0-9"),
        ("é", "a-z, 0-9"),
        ("\ud800", "a-z, 0-9"),
        ("x" * 60_000 + "!", "a-z, 0-9"),
        ("a-b", "separates key and user"),
        ("x" * 58, "too long"),
        ("x" * 60_000, "too long"),
    ],
)
def test_bad_keys_say_what_is_wrong(key: str, reason: str) -> None:
    with pytest.raises(RegistrationRefused, match=reason) as refused:
        check_key(key, "alice", (parse_pattern("{key}-{user}.example.org"),))
    assert str(refused.value).isascii() or "…" in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


def test_a_key_that_makes_browsers_decode_is_refused() -> None:
    with pytest.raises(RegistrationRefused, match="xn--"):
        check_key("xn", "alice", (parse_pattern("{key}--{user}.example.org"),))


@given(st.text(st.characters()))
def test_any_key_is_taken_or_refused_in_one_printable_line(key: str) -> None:
    try:
        check_key(key, "alice", (parse_pattern("{key}-{user}.example.org"),))
    except RegistrationRefused as refused:
        assert str(refused).replace("…", "").isprintable()
    else:
        assert LABEL.fullmatch(f"{key}-alice")


@pytest.mark.parametrize(
    "text", ["a", "admin.apps.example.org", "1.2", "x" * 63 + ".test", "xn--bcher-kva.example"]
)
def test_names_of_hosts(text: str) -> None:
    assert is_host_name(text)


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "-a", "a_b", "A", "x" * 64, "a." * 130 + "a", "[::1]", "a b"]
)
def test_what_is_no_name_of_a_host(text: str) -> None:
    assert not is_host_name(text)
