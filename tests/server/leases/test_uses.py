"""What the same people use at several processes, folded."""

from __future__ import annotations

import pytest

from conductor_trio.server.leases.uses import HostUses, Use, Weights, parse_use, parse_weights


def test_who_uses_as_much_elsewhere_counts_twice_here() -> None:
    host = HostUses()
    host.note("one", Use({"user/alice": 0.2, "user/bob": 0.2}, is_contended=True))
    host.note("two", Use({"user/alice": 0.2}, is_contended=False))
    assert host.fold() == {
        "one": Weights({"user/alice": 2.0}, is_contended=True),
        "two": Weights({"user/alice": 2.0, "user/bob": 2.0}, is_contended=True),  # if he comes there, too
    }


@pytest.mark.parametrize("here", [0.0, 0.001, 0.05])
def test_nobody_weighs_more_than_the_processes_that_they_use(here: float) -> None:
    host = HostUses()
    host.note("one", Use({"user/alice": here} if here else {}, is_contended=True))
    host.note("two", Use({"user/alice": 0.4}, is_contended=True))
    host.attach("three")
    weights = host.fold()["one"].weights
    assert weights["user/alice"] == 2.0
    assert "user/alice" not in host.fold()["two"].weights or here > 0.005


def test_who_uses_little_is_left_alone() -> None:
    host = HostUses()
    host.note("one", Use({"user/alice": 0.001}, is_contended=True))
    host.note("two", Use({"user/alice": 0.001}, is_contended=True))
    assert all(told == Weights({}, is_contended=True) for told in host.fold().values())


def test_nothing_is_said_while_nobody_is_in_anybodys_way() -> None:
    host = HostUses()
    host.note("one", Use({"user/alice": 0.4}, is_contended=False))
    host.note("two", Use({"user/alice": 0.4}, is_contended=False))
    assert host.fold() == {}
    host.note("two", Use({"user/alice": 0.4}, is_contended=True))
    assert len(host.fold()) == 2
    host.note("two", Use({"user/alice": 0.4}, is_contended=False))
    assert host.fold() == {"one": Weights(), "two": Weights()}
    assert host.fold() == {}


def test_what_a_process_has_used_that_has_ended_counts_no_more() -> None:
    host = HostUses()
    host.note("one", Use({"user/alice": 0.4}, is_contended=True))
    host.note("two", Use({"user/alice": 0.4}, is_contended=True))
    host.forget("two")
    assert host.fold() == {"one": Weights({}, is_contended=True)}


def test_what_is_said_is_read() -> None:
    assert parse_use({"used": {"a": 1}, "is_contended": True}) == Use({"a": 1}, is_contended=True)
    assert parse_weights({"weights": {"a": 1.5}, "is_contended": False}) == Weights({"a": 1.5})


@pytest.mark.parametrize(
    "word",
    [
        {},
        {"used": 1, "is_contended": True},
        {"used": {}, "is_contended": 1},
        {"used": {"a": -1}, "is_contended": True, "weights": {"a": -1}},
        {"used": {"a": True}, "is_contended": True, "weights": {"a": "1"}},
    ],
)
def test_what_is_no_word_is_refused(word: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_use(word)
    with pytest.raises(ValueError, match=r"."):
        parse_weights(word)
