"""The languages that there are, and which of them somebody gets who asks by Accept-Language (RFC 9110, 12.5.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from conductor_trio.limits.constants import MAX_LANGUAGES
from conductor_trio.pages.words.english import ENGLISH
from conductor_trio.pages.words.german import GERMAN
from conductor_trio.pages.words.words import Language

#: All of them, by their codes; whoever asks for none of them gets the first.
LANGUAGES = {language.code: language for language in (ENGLISH, GERMAN)}

_RANGE = re.compile(
    rb"[ \t]*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9]{1,8})*[ \t]*(?:;[ \t]*[qQ]=([01](?:\.[0-9]{0,3})?))?[ \t]*"
)


def choose_language(values: Iterable[bytes]) -> Language:
    """Return the language that somebody likes best whose request has these Accept-Language fields.

    Of a range such as ``de-AT`` its first part counts. What is no range is passed over.
    """
    liked: dict[str, float] = {}
    for code, weight in _ranges(values):
        liked[code] = max(weight, liked.get(code, 0.0))
    others = liked.get("*", 0.0)
    ranks = {code: liked.get(code, others) for code in LANGUAGES}
    # Of two that are liked the same, the one that was named first.
    order = [*liked, *LANGUAGES]
    best = max(LANGUAGES, key=lambda code: (ranks[code], -order.index(code)))
    return LANGUAGES[best] if ranks[best] else ENGLISH


def _ranges(values: Iterable[bytes]) -> Iterator[tuple[str, float]]:
    for text in b",".join(values).split(b",", MAX_LANGUAGES)[:MAX_LANGUAGES]:
        if (found := _RANGE.fullmatch(text)) is not None:
            yield found[1].decode("ascii").lower(), min(float(found[2] or b"1"), 1.0)
