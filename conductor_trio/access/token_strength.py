"""How hard a token that somebody has chosen is to guess: rather too little than too much."""

from __future__ import annotations

import math
import re

# C. E. Shannon, Prediction and Entropy of Printed English (1951): 2.3 bits a letter, up to eight letters.
_WORD_BITS = 2.3
# Four letters or more, one of them a vowel; a random token has few such.
_WORD = re.compile(r"(?=[b-df-hj-np-tv-xzB-DF-HJ-NP-TV-XZ]*[aeiouyAEIOUY])(?:[A-Za-z]?[a-z]{3,}|[A-Z]{4,})")

# What a character may be one of, narrowest first.
_ALPHABETS = (
    (re.compile(r"[0-9]*"), 10),
    (re.compile(r"[0-9a-f-]*|[0-9A-F-]*"), 16),
    (re.compile(r"[a-z]*|[A-Z]*"), 26),
    (re.compile(r"[0-9a-z]*|[0-9A-Z]*"), 36),
    (re.compile(r"[0-9A-Za-z]*"), 62),
)
_ANY = 64  # punctuation is chosen far less evenly than letters
_SEPARATOR_BITS = 2.0
_MIN_REPEAT = 3
_LOOKED_AT = 256  # characters: enough to tell, and it takes the square of their number


def estimate_bits(token: str) -> float:
    """Return about how many bits of choice there are in a token, at least.

    A letter of what may be a word counts as one of a text; a character counts nothing that goes on as the two
    before it do (aaa, 123, cba), or belongs to what has come before (abcxabc).
    """
    token = token[:_LOOKED_AT]
    alphabet = next((size for pattern, size in _ALPHABETS if pattern.fullmatch(token)), _ANY)
    in_words = {place for match in _WORD.finditer(token) for place in range(*match.span())}
    bits = 0.0
    place = 0
    while place < len(token):
        if repeated := _find_repeat(token, place):
            place += repeated
            continue
        if not _continues(token, place):
            bits += _weigh(token[place], alphabet, is_word=place in in_words)
        place += 1
    return bits


def _weigh(character: str, alphabet: int, *, is_word: bool) -> float:
    if is_word:
        return _WORD_BITS
    return math.log2(alphabet) if character.isalnum() else _SEPARATOR_BITS


def _find_repeat(token: str, place: int) -> int:
    """Return how many characters from here on have come before in this order, 0 where they are too few."""
    length = 0
    while place + length < len(token) and token[place : place + length + 1] in token[:place]:
        length += 1
    return length if length >= _MIN_REPEAT else 0


def _continues(token: str, place: int) -> bool:
    if place < 2:
        return False
    first, second, third = map(ord, token[place - 2 : place + 1])
    return third - second == second - first and abs(third - second) <= 1
