"""Words that stand in more than one piece of news."""

from __future__ import annotations

import pytest

from conductor_trio.client.display.words import format_advice, format_exactly, make_sentence, name_hop
from conductor_trio.errors import Hop


def test_a_sentence_begins_with_a_capital_letter() -> None:
    assert (make_sentence("the Login failed"), make_sentence("")) == ("The Login failed", "")


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0.0 s"), (0.44, "0.4 s"), (9.94, "9.9 s"), (75, "1 min")])
def test_short_times_are_told_to_a_tenth(seconds: float, text: str) -> None:
    assert format_exactly(seconds) == text


def test_advice_is_a_line_where_there_is_any() -> None:
    assert (format_advice("ask"), format_advice(None)) == (("What to do: ask",), ())


@pytest.mark.parametrize(
    ("hop", "place", "text"),
    [
        ("ssh", "gw", "This node does not get to the gateway gw by SSH"),
        ("login", "gw", "This node does not get to the gateway gw by SSH"),
        ("server", None, "The server on this host cannot be used"),
        ("gateway", "gw", "The server at gw does not take the application"),
        ("here", "gw", None),
    ],
)
def test_hops(hop: Hop, place: str | None, text: str | None) -> None:
    assert name_hop(hop, place) == text
