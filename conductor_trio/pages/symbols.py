"""The pictures on own pages: small, drawn with the colour of the text round them, and said by nobody."""

from __future__ import annotations

from urllib.parse import quote

_SHAPE = (
    '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" '
    'stroke-linejoin="round" aria-hidden="true" focusable="false">{}</svg>'
)


def _draw(inner: str) -> str:
    return _SHAPE.format(inner)


LOCK = _draw('<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>')
CLOCK = _draw('<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3 2"/>')
ALERT = _draw('<path d="M12 4 2.8 19.5h18.4z"/><path d="M12 10v4m0 3v.01"/>')
ENDED = _draw('<circle cx="12" cy="12" r="9"/><path d="M8 12h8"/>')
QUESTION = _draw(
    '<circle cx="12" cy="12" r="9"/><path d="M9.5 9.5a2.5 2.5 0 1 1 3.4 2.4c-.6.3-.9.8-.9 1.6m0 3v.01"/>'
)
#: Two ends and the way between them: the program's own mark.
MARK = (
    '<svg viewBox="0 0 32 32" aria-hidden="true" focusable="false"><rect width="32" height="32" rx="8" '
    'fill="currentColor"/><path d="M10 22c0-12 12 0 12-12" fill="none" stroke="{ink}" stroke-width="3" '
    'stroke-linecap="round"/><circle cx="10" cy="22" r="3" fill="{ink}"/><circle cx="22" cy="10" r="3" '
    'fill="{ink}"/></svg>'
)


def draw_mark() -> str:
    """Return the mark in the colours of a page."""
    return MARK.format(ink="var(--card)")


def make_icon(color: str, ink: str) -> str:
    """Return the address of the mark as an icon in these colours: all of it, so that nothing is asked for."""
    shape = MARK.format(ink=ink).replace("currentColor", color)
    shape = shape.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ').replace('"', "'")
    return "data:image/svg+xml," + quote(shape, safe="/:=' ")
