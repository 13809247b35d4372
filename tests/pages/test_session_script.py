"""The session page's script: what it is told becomes text, and what it says to the gateway is few things."""

from __future__ import annotations

import re

from conductor_trio.pages.session_script import SESSION_SCRIPT


def test_what_others_told_becomes_text_and_never_markup() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|</", SESSION_SCRIPT)


def test_it_says_what_the_gateway_knows() -> None:
    assert set(re.findall(r"do: \"(\w+)\"", SESSION_SCRIPT)) == {"prove", "share", "revoke", "stop"}
