"""The renderer of the display: news and status as text for the terminal, with marks, colours, wrapping, links.

Imports rich, which takes 40 ms, so this module is imported only where there is a display.
"""

from __future__ import annotations

import enum
import io
import re
from collections.abc import Sequence

import attrs
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text

from conductor_trio.client.display.capabilities import Terminal

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_ASCII = str.maketrans({"…": "...", "·": "-", "–": "-", "’": "'", "→": "->"})
_INDENT = 2
_MIN_WIDTH = 20  # narrower than that, words are no longer readable anyway


class Mark(enum.Enum):
    """A mark before news, by its kind: its sign, the same in ASCII, and its style."""

    STEP = ("·", "-", "dim")
    DONE = ("✓", "+", "bold green")
    WAIT = ("…", "~", "cyan")
    LIVE = ("●", "*", "green")
    WARNING = ("!", "!", "bold yellow")
    FAILED = ("✗", "x", "bold red")


@attrs.frozen(kw_only=True)
class Notice:
    """News: a sentence that stays on the terminal, and perhaps more beneath it."""

    mark: Mark
    text: str
    beneath: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Link:
    """The login link, which stands on a line of its own, whole; perhaps with its QR code below."""

    url: str
    has_code: bool = False


@attrs.frozen(kw_only=True)
class Status:
    """The status line: the parts that tell most come first.

    Where it leads is `url`, if anywhere, which stands in the place of the first part where all of it fits.
    """

    mark: Mark
    parts: tuple[str, ...]
    url: str | None = None


Item = Notice | Link


class Renderer:
    """Renders news and the status line as text for a terminal of those capabilities."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._console = Console(
            file=io.StringIO(),
            force_terminal=terminal.has_cursor,
            color_system="standard" if terminal.has_cursor else None,
            no_color=not terminal.has_colours,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
            _environ={},
        )

    def paint(self, item: Item, width: int) -> str:
        """Return an item as complete lines."""
        match item:
            case Link(url=url):
                # Not wrapped: a terminal that does so by itself copies it as one.
                return f"\n{self._render(self._text(url, 'bold', url=url))}\n\n"
            case Notice(mark=mark, text=text, beneath=beneath):
                sign = self._text(self._sign(mark), mark.value[2])
                style = mark.value[2] if mark is Mark.FAILED else "dim" if mark is Mark.STEP else ""
                lines = self._wrap(sign, self._text(text, style), width)
                for more in beneath:
                    lines += self._wrap(Text(""), self._text(more), width)
                return "".join(f"{self._render(line)}\n" for line in lines)

    def paint_status(self, status: Status, width: int) -> str:
        """Return the status line, without a newline; it leaves the last column free, where some terminals wrap."""
        room = max(width, _MIN_WIDTH) - 1
        sign = f"{self._sign(status.mark)} "
        parts = [self._plain(part) for part in status.parts]
        if status.url is not None and cell_len(sign + self._join([status.url, *parts[1:]])) <= room:
            parts[0] = self._plain(status.url)
        while len(parts) > 1 and cell_len(sign + self._join(parts)) > room:
            parts.pop()
        said = self._cut(self._join(parts), room - cell_len(sign))
        head, rest = said[: len(parts[0])], said[len(parts[0]) :]
        line = Text(end="").append(sign, status.mark.value[2])
        line.append_text(self._text(head, "", url=status.url))
        line.append(rest, "dim")
        return self._render(line)

    def _join(self, parts: Sequence[str]) -> str:
        return (" · " if self._terminal.has_unicode else " - ").join(parts)

    def _cut(self, text: str, room: int) -> str:
        if cell_len(text) <= room:
            return text
        ellipsis = "…" if self._terminal.has_unicode else "..."
        return set_cell_size(text, room - cell_len(ellipsis)).rstrip() + ellipsis

    def _sign(self, mark: Mark) -> str:
        return mark.value[0] if self._terminal.has_unicode else mark.value[1]

    def _plain(self, text: str) -> str:
        """Return the text without control characters, in what the locale can show."""
        text = _CONTROL.sub(" ", text)
        if not self._terminal.has_unicode:
            text = text.translate(_ASCII).encode("ascii", "replace").decode()
        return text

    def _text(self, text: str, style: str = "", *, url: str | None = None) -> Text:
        parsed = Style.parse(style)
        if url is not None and self._terminal.has_hyperlinks:
            parsed += Style(link=url)
        return Text(self._plain(text), parsed, end="")

    def _wrap(self, sign: Text, text: Text, width: int) -> list[Text]:
        """Return lines, all but the sign indented."""
        room = max(width, _MIN_WIDTH) - 1 - _INDENT
        lines: list[Text] = []
        for line in text.wrap(self._console, room):
            first = sign if not lines else Text("")
            lines.append(Text(end="").append_text(first).append(" " * (_INDENT - cell_len(first.plain))))
            line.rstrip()
            lines[-1].append_text(line)
        return lines

    def _render(self, text: Text) -> str:
        with self._console.capture() as capture:
            self._console.print(text, soft_wrap=True, end="")
        return capture.get()
