"""A guard of tokens that lets everything be compared, for tests of what comes after."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from conductor_trio.access.grants import Access
from conductor_trio.access.guard import Guess
from conductor_trio.access.reasons import TooManyGuesses
from conductor_trio.http1.request import RequestHead


@attrs.frozen
class OpenGuard:
    """A guard that lets everything be compared."""

    def screen(
        self, head: RequestHead, guesses: Sequence[Guess], access: Access
    ) -> Sequence[Guess] | TooManyGuesses:
        """Let all of it be compared."""
        return guesses

    def note_wrong(self, head: RequestHead, guesses: Sequence[Guess], access: Access) -> None:
        """Count nothing."""

    def note_right(self, head: RequestHead, access: Access) -> None:
        """Remember nothing."""
