"""What a mistyped word may mean: "did you mean …?"."""

from __future__ import annotations

from collections.abc import Iterable


def find_similar(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like this one, or None where none is."""
    import difflib  # costs 4 ms, and only where there is a mistake

    similar = difflib.get_close_matches(word, sorted(known), n=1)
    return similar[0] if similar else None


def suggest(word: str, known: Iterable[str]) -> str:
    """Return advice for a word that is not known: the one that it resembles, or all there are."""
    names = sorted(known)
    similar = find_similar(word, names)
    return f"did you mean {similar}?" if similar else f"there is: {', '.join(names)}"
