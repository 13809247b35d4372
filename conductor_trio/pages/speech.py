"""Words with values in them, as plain text and as markup: whatever a value holds is text there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from html import escape

import attrs

from conductor_trio.pages.words.words import Language


@attrs.frozen
class Moment:
    """A time (Unix time)."""

    at: float


Value = str | Moment


class Markup(str):
    """HTML; any other text is escaped before it is."""

    __slots__ = ()


def fill(template: str, values: Mapping[str, Value], language: Language) -> str:
    """Return a text with its values."""
    if not values:
        return template
    return template.format_map({name: _say(value, language) for name, value in values.items()})


def fill_markup(template: str, values: Mapping[str, Value], language: Language) -> Markup:
    """Return the same as HTML: commands are marked as such, and times so that they can be written anew."""
    code = _mark_commands(template)
    if "{" not in code:
        return Markup(code)
    return Markup(code.format_map({name: _mark_up(value, language) for name, value in values.items()}))


@lru_cache(maxsize=1024)  # more than all words of all languages: pages are asked for in floods
def _mark_commands(template: str) -> str:
    # A short one breaks nowhere; how long another is, its values decide.
    whole = re.sub(r"`([^`{]{,28})`", r'<code class="whole">\1</code>', escape(template, quote=False))
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", whole)


def as_markup(text: str) -> Markup:
    """Return a text as HTML."""
    return text if isinstance(text, Markup) else Markup(escape(text))


def _say(value: Value, language: Language) -> str:
    return _as_utc(value).strftime(language.moment) if isinstance(value, Moment) else value


def _mark_up(value: Value, language: Language) -> str:
    if not isinstance(value, Moment):
        return escape(value)
    return f'<time datetime="{_as_utc(value):%Y-%m-%dT%H:%M:%SZ}">{_say(value, language)}</time>'


def _as_utc(moment: Moment) -> datetime:
    return datetime.fromtimestamp(moment.at, UTC)
