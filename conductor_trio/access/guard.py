"""The guard of tokens: whether those that were shown may be compared at this moment, lest they be guessed.

Tokens are grouped by what was shown: a cookie's value may stand for several of them, and is one guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from conductor_trio.access.grants import Access
from conductor_trio.access.reasons import TooManyGuesses
from conductor_trio.access.tokens import cookie_candidates
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.request_fields import RequestFields
from conductor_trio.limits.constants import MAX_TOKENS_SHOWN


@attrs.frozen
class Guess:
    """One value that was shown: the tokens that it may stand for, in a link or the form, or else in fields."""

    tokens: tuple[bytes, ...] = attrs.field(repr=False)
    in_link: bool = attrs.field(default=False, kw_only=True)


class TokenGuard(Protocol):
    """What `decide` asks before it compares tokens, and tells afterwards what came of that request's.

    For the requests of one visitor, one after the other.
    """

    def screen(
        self, head: RequestHead, guesses: Sequence[Guess], access: Access
    ) -> Sequence[Guess] | TooManyGuesses:
        """Return what may be compared now, without what is known to be wrong; or why nothing may be."""

    def note_wrong(self, head: RequestHead, guesses: Sequence[Guess], access: Access) -> None:
        """Count what was compared, and is wrong."""

    def note_right(self, head: RequestHead, access: Access) -> None:
        """Remember that one of those was right."""


def shown_guesses(shown: RequestFields) -> list[Guess]:
    """Return what the fields show of tokens, each once."""
    bearer = shown.bearer
    guesses = [] if bearer is None else [Guess((bearer,))]
    guesses += [Guess(tuple(filter(None, cookie_candidates(token)))) for token in shown.tokens[:MAX_TOKENS_SHOWN]]
    return list(dict.fromkeys(guesses))
