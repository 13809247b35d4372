"""Words with values in them, as plain text and as markup: whatever a value holds is text there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
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
    return template.format_map({name: _say(value, language) for name, value in values.items()})


def fill_markup(template: str, values: Mapping[str, Value], language: Language) -> Markup:
    """Return the same as HTML: commands are marked as such, and times so that they can be written anew."""
    code = re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(template, quote=False))
    return Markup(code.format_map({name: _mark_up(value, language) for name, value in values.items()}))


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
