"""Messages: made by keywords, frozen, equal where class and fields are, and silent about what they hide."""

from __future__ import annotations

from typing import Any

import pytest

from conductor_trio.message import Message


class Left(Message, hides=("token",)):
    """Has a field without a default, one with one, and one that is hidden."""

    seconds: float
    why: str | None = None
    token: str = "t"


class Other(Message):
    """Has the same fields."""

    seconds: float
    why: str | None = None
    token: str = "t"


class Bare(Message):
    """Has none."""


class OtherBare(Message):
    """Has none, either."""


def test_fields_are_given_or_have_their_defaults() -> None:
    left = Left(why="asked", seconds=2.0)
    assert (left.seconds, left.why, left.token) == (2.0, "asked", "t")
    assert vars(left) == {"seconds": 2.0, "why": "asked", "token": "t"}
    assert vars(Bare()) == {}


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        (Left, {}, r"^Left needs seconds$"),
        (Left, {"seconds": 1.0, "how": 2}, r"^Left has no how$"),
        (Bare, {"seconds": 1.0}, r"^Bare has no seconds$"),
    ],
)
def test_a_field_too_few_or_too_many_is_named(kind: type, given: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        kind(**given)


def test_messages_are_equal_where_class_and_fields_are() -> None:
    assert Left(seconds=1.0) == Left(seconds=1.0, why=None)
    assert Left(seconds=1.0) != Left(seconds=2.0)
    assert Left(seconds=1.0) != Left(seconds=1.0, token="u")
    assert Left(seconds=1.0) != Other(seconds=1.0)
    assert Bare() == Bare()
    assert Bare() != OtherBare()
    assert len({Left(seconds=1.0), Left(seconds=1.0), Other(seconds=1.0), Bare(), Bare(), OtherBare()}) == 4


def test_nothing_of_a_message_changes() -> None:
    left: Any = Left(seconds=1.0)
    for name in ("seconds", "new"):
        with pytest.raises(AttributeError, match="Left is frozen"):
            setattr(left, name, 2.0)
    with pytest.raises(AttributeError, match="Left is frozen"):
        del left.seconds
    assert left == Left(seconds=1.0)


def test_a_message_shows_its_fields_but_not_what_it_hides() -> None:
    assert repr(Left(seconds=1.0, token="s3cret")) == "Left(seconds=1.0, why=None)"
    assert repr(Bare()) == "Bare()"


def test_a_message_is_matched_by_its_fields() -> None:
    match Left(seconds=1.0, why="asked"):
        case Other() | Left(why=None):
            pytest.fail("another message")
        case Left(seconds=seconds, why=why):
            assert (seconds, why) == (1.0, "asked")
