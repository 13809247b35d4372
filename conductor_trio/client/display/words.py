"""Words of the client's news that stand in more than one of them."""

from __future__ import annotations

from typing import assert_never

from conductor_trio.client.display.painter import Mark, Notice
from conductor_trio.commandline.quantities import format_duration
from conductor_trio.errors import Hop


def step(text: str) -> Notice:
    """Return news of the ordinary course of things."""
    return Notice(mark=Mark.STEP, text=text)


def make_sentence(text: str) -> str:
    """Return the text with a capital letter."""
    return text[:1].upper() + text[1:]


def format_exactly(seconds: float) -> str:
    """Return a time, to a tenth of a second where it is short."""
    return f"{max(0.0, seconds):.1f} s" if seconds < 10 else format_duration(seconds)


def format_advice(advice: str | None) -> tuple[str, ...]:
    """Return the line that says what to do, if there is anything."""
    return (f"What to do: {advice}",) if advice else ()


def name_hop(hop: Hop, place: str | None) -> str | None:
    """Return a sentence about the hop that failed; None for this host, where the reason says it already.

    `place` is the gateway as the user named it, None where its control socket is on this host.
    """
    where = "on this host" if place is None else f"at {place}"
    match hop:
        case "ssh" | "login":
            return f"This node does not get to the gateway {place} by SSH"
        case "server":
            return f"The server {where} cannot be used"
        case "gateway":
            return f"The server {where} does not take the application"
        case "here":
            return None
        case _:
            assert_never(hop)
