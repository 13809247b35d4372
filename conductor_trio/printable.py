"""Texts of others made fit to be shown: what is not printable is written as a literal."""

from __future__ import annotations


def escape(text: str, *, keep: str = "") -> str:
    """Write what is not printable, but for `keep`, as Python's literals do.

    It may be a peer's, who is not to command a terminal, or to add a line.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else ascii(one)[1:-1] for one in text)
