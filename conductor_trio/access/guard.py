"""The guard of tokens: whether those that were shown may be compared at this moment, lest they be guessed.

Tokens are grouped by what was shown: a cookie's value may stand for several of them, and is one guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from conductor_trio.access.grants import Access
from conductor_trio.access.reasons import TooManyGuesses


@attrs.frozen
class Guess:
    """One value that was shown: the tokens that it may stand for, in a link or the form, or else in fields."""

    tokens: tuple[bytes, ...] = attrs.field(repr=False)
    in_link: bool = attrs.field(default=False, kw_only=True)


class TokenGuard(Protocol):
    """What `decide` asks before it compares tokens, and tells afterwards; for one request of one visitor."""

    def screen(self, guesses: Sequence[Guess], access: Access) -> Sequence[Guess] | TooManyGuesses:
        """Return what may be compared now, without what is known to be wrong; or why nothing may be."""

    def note_wrong(self, guesses: Sequence[Guess], access: Access) -> None:
        """Count what was compared, and is wrong."""

    def note_right(self, access: Access) -> None:
        """Remember that one of those was right."""
