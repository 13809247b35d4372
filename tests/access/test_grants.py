"""What a token lets in by, until when, and that a share is left to another server as it is."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.grants import (
    OWNER,
    Access,
    Identity,
    Principal,
    Share,
    SingleSignOn,
    describe_saved,
    parse_saved,
    parse_saved_grantee,
)
from conductor_trio.access.tokens import hash_token
from tests.support.shares import LINK_TOKEN, make_named, make_share
from tests.support.work import count_calls

NOW = 1_000_000.0
OWNERS_TOKEN = b"owners"


def make_access(*shares: Share) -> Access:
    return Access(owner_hash=hash_token(OWNERS_TOKEN), shares=shares)


@pytest.mark.parametrize(
    ("expires", "is_over"), [(None, False), (NOW + 1, False), (NOW, True), (NOW - 1, True), (0.0, True)]
)
def test_a_share_has_an_end(expires: float | None, is_over: bool) -> None:
    share = make_share(expires=expires)
    assert share.is_over(NOW) is is_over
    assert make_access(share).find([LINK_TOKEN], NOW) == (None if is_over else share.id)
    assert make_access(share).find_link(LINK_TOKEN, NOW) == (None if is_over else share.id)


@pytest.mark.parametrize(
    ("tokens", "found"),
    [
        ([], None),
        ([b"x"], None),
        ([b""], None),
        ([OWNERS_TOKEN], OWNER),
        ([LINK_TOKEN], "s1"),
        ([b"x", LINK_TOKEN], "s1"),
        ([LINK_TOKEN, OWNERS_TOKEN], OWNER),
        ([OWNERS_TOKEN, LINK_TOKEN], OWNER),
    ],
)
def test_the_owners_token_counts_for_more_than_a_share(tokens: list[bytes], found: str | None) -> None:
    assert make_access(make_share()).find(tokens, NOW) == found


def test_a_one_time_link_is_no_token_and_gives_its_share_until_it_is_over() -> None:
    share = make_share(is_once=True, expires=NOW)
    access = make_access(share)
    assert access.find([LINK_TOKEN], NOW - 1) is None
    assert access.find_link(LINK_TOKEN, NOW - 1) == share
    assert access.find_link(LINK_TOKEN, NOW) is None
    used = attrs.evolve(share, token_hash=hash_token(b"cookie of the first browser"))
    assert make_access(used).find([b"cookie of the first browser"], NOW - 1) == share.id
    assert make_access(used).find_link(LINK_TOKEN, NOW - 1) == used


def test_shares_come_and_go_by_their_ids() -> None:
    one, two = make_share(b"one", id="s1"), make_share(b"two", id="s2")
    both = make_access().with_share(one).with_share(two)
    assert both.shares == (one, two)
    changed = attrs.evolve(one, label="other")
    assert both.with_share(changed).shares == (two, changed)
    assert both.without(["s1", "unknown"]).shares == (two,)
    assert both.without([]) == both
    assert both.without(["s1", "s2"]) == make_access()


@given(
    st.builds(
        make_share,
        st.binary(min_size=1, max_size=8),
        id=st.text(max_size=8),
        expires=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        is_once=st.booleans(),
    )
)
def test_a_saved_share_reads_back(share: Share) -> None:
    assert parse_saved(json.loads(json.dumps(describe_saved(share)))) == share


@given(st.text(min_size=1, max_size=20), st.none() | st.floats(0, 1e10))
def test_a_saved_share_with_somebody_reads_back(grantee: str, expires: float | None) -> None:
    share = make_named(grantee, expires=expires)
    assert parse_saved_grantee(json.loads(json.dumps(describe_saved(share)))) == share


@pytest.mark.parametrize(
    ("name", "value"), [("id", 1), ("label", None), ("created", "0"), ("expires", "x"), ("grantee", "")]
)
def test_what_is_no_saved_share_with_anybody_is_refused(name: str, value: object) -> None:
    saved = describe_saved(make_named("bob"))
    for wrong in (saved | {name: value}, {key: kept for key, kept in saved.items() if key != name}, [saved], None):
        with pytest.raises(ValueError):
            parse_saved_grantee(wrong)


BOB = Identity(user="bob", is_owner=False, groups=frozenset(["staff", "a b"]))


@pytest.mark.parametrize(
    ("grantee", "does"),
    [
        ("bob", True),
        ("Bob", False),
        ("bob ", False),
        ("bo", False),
        ("b\u043eb", False),
        ("@staff", True),
        ("@Staff", False),
        ("staff", False),
        ("@bob", False),
        ("@a b", True),
        ("@a", False),
        ("@", False),
    ],
)
def test_names_are_compared_exactly_and_a_group_is_no_user(grantee: str, does: bool) -> None:
    access = make_access(make_named(grantee))
    assert (access.find_named(BOB, 1.0) is not None) is does
    assert access.names_groups is grantee.startswith("@")


@pytest.mark.parametrize("user", ["@staff", "staff"])
def test_a_user_who_is_called_like_a_group_is_none_of_it(user: str) -> None:
    assert make_access(make_named("@staff")).find_named(Identity(user=user, is_owner=False), 1.0) is None


def test_of_several_shares_with_one_the_longest_counts_and_none_that_is_over() -> None:
    short, long = make_named("bob", id="short", expires=5.0), make_named("bob", id="long", expires=9.0)
    for shares in ((short, long), (long, short)):
        access = make_access(*shares)
        assert access.find_named(BOB, 1.0) == "long"
        assert access.find_named(BOB, 9.0) is None
    access = make_access(short, make_named("@staff", id="group"))
    assert (access.find_named(BOB, 1.0), access.find_named(BOB, 6.0)) == ("short", "group")
    found = access.find_share(Principal("group"))
    assert found is not None and found.grantee == "@staff"
    assert access.find_share(OWNER) is None and access.find_share(Principal("x")) is None


def test_who_is_named_has_no_link_and_no_token() -> None:
    access = make_access(make_named("bob"))
    for token in (b"", b"bob", b"None"):
        assert access.find([token], 1.0) is None and access.find_link(token, 1.0) is None
    assert access.admits(Principal("n1"), access.owner_hash)
    assert not access.without(["n1"]).admits(Principal("n1"), access.owner_hash)


@pytest.mark.parametrize(
    ("separator", "listed", "groups"),
    [
        (",", "staff,dev", {"staff", "dev"}),
        (",", " staff ,\tdev,,", {"staff", "dev"}),
        (",", "staff;dev|ops", {"staff;dev|ops"}),
        (",", "Domain Users", {"Domain Users"}),
        (",", "", set()),
        (",", ",", set()),
        ("|", "a,b|c", {"a,b", "c"}),
        (" ", "a  b", {"a", "b"}),
        (",", "gr\u00fcn,\u00a0x", {"gr\u00fcn", "\u00a0x"}),
    ],
)
def test_groups_are_what_stands_between_separators(separator: str, listed: str, groups: set[str]) -> None:
    assert SingleSignOn(user_field=b"x-u", groups_separator=separator).groups_of(listed) == groups


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 1),
        ("label", None),
        ("created", "0"),
        ("expires", "never"),
        ("link_hash", "short"),
        ("link_hash", None),
        ("token_hash", "short"),
        ("is_once", 1),
    ],
)
def test_what_is_no_saved_share_is_refused(name: str, value: object) -> None:
    saved = describe_saved(make_share())
    for wrong in (saved | {name: value}, {key: kept for key, kept in saved.items() if key != name}, [saved], None):
        with pytest.raises(ValueError):
            parse_saved(wrong)


def test_tokens_and_shares_do_not_multiply() -> None:
    shares = tuple(
        attrs.evolve(make_share(), id=f"s{number}", token_hash=hash_token(b"%d" % number)) for number in range(100)
    )
    access = Access(owner_hash=hash_token(b"owner"), shares=shares)
    wrong = [b"wrong %d" % number for number in range(600)]
    found: list[Principal | None] = []
    assert count_calls(lambda: found.append(access.find([*wrong, b"42"], 0.0))) < 6 * len(wrong)
    assert found == ["s42"]
