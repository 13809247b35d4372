"""The capabilities of a terminal, as far as the environment says."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

# Terminals that have no cursor to move. Without a word about it, the least is assumed.
_DUMB = re.compile(r"(dumb|unknown|emacs)?", re.IGNORECASE)
_MONOCHROME = re.compile(r"vt\d+.*|.*-m(ono)?", re.IGNORECASE)
# Those that show OSC 8 as text. All others follow it, or skip it as they skip any command that they do not know.
_NO_HYPERLINKS = re.compile(r"linux|screen|vt\d+.*|eterm.*|cons\d+.*", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class Terminal:
    """The capabilities of the terminal beyond text and newlines."""

    has_cursor: bool = True  #: it can be moved, and text erased
    has_colours: bool = True
    has_unicode: bool = True
    has_hyperlinks: bool = True


def detect_terminal(environment: Mapping[str, str]) -> Terminal:
    """Return what the terminal can do and the user wants."""
    kind = environment.get("TERM", "")
    has_cursor = _DUMB.fullmatch(kind) is None
    forced = environment.get("FORCE_HYPERLINK")
    can_link = _NO_HYPERLINKS.fullmatch(kind) is None or environment.get("TERM_PROGRAM") == "tmux"
    return Terminal(
        has_cursor=has_cursor,
        # https://no-color.org: any value but the empty one.
        has_colours=has_cursor and not environment.get("NO_COLOR") and _MONOCHROME.fullmatch(kind) is None,
        has_unicode=_has_unicode(environment),
        has_hyperlinks=has_cursor and (can_link if forced is None else forced not in ("", "0")),
    )


def _has_unicode(environment: Mapping[str, str]) -> bool:
    """Whether the locale's encoding is UTF-8, by the variable that decides (locale(7))."""
    names = ["LC_ALL", "LC_CTYPE", "LANG"]
    # Python puts this value there by itself where the user's locale is C (PEP 538).
    if environment.get("LC_CTYPE") == "C.UTF-8" and not environment.get("LC_ALL"):
        names.remove("LC_CTYPE")
    locale = next((environment[name] for name in names if environment.get(name)), "C")
    return re.search(r"\.utf-?8\b", locale, re.IGNORECASE) is not None
