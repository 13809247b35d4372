"""The table, or some of its rows, as a picture: a panel a measure, a bar a peer, drawn as SVG."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from html import escape

from scripts.bench.results import MEASURES, OWN, Measure

_COLUMNS = 2
_WIDTH, _BAR, _GAP, _TITLE, _MARGIN = 460, 18, 6, 30, 16
_LABEL, _VALUE = 160, 80  # the room left and right of the bars
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 } .value, .name { fill: #57606a }
.bar { fill: #b6bec9 } .ours { fill: #1f6feb }
.page { fill: #ffffff }
"""


def draw_chart(
    found: Mapping[str, Mapping[str, float]],
    titles: Mapping[str, str],
    caption: str,
    names: Collection[str] | None = None,
) -> str:
    """Return the SVG of all measures that compare peers, or of those among them that are named."""
    shown = [measure for measure in MEASURES if measure.compared and (names is None or measure.name in names)]
    panels = [
        (measure, {peer: row[peer] for peer in titles if peer in row})
        for measure in shown
        if len(row := found.get(measure.name, {})) > 1
    ]
    parts = []
    top = 2 * _MARGIN + _TITLE
    for first in range(0, len(panels), _COLUMNS):
        line = panels[first : first + _COLUMNS]
        for column, (measure, row) in enumerate(line):
            left = _MARGIN + column * (_WIDTH + _MARGIN)
            parts += [f'<g transform="translate({left} {top})">', *_panel(measure, row, titles), "</g>"]
        top += _TITLE + max(len(row) for _, row in line) * (_BAR + _GAP) + _MARGIN
    width, height = _MARGIN + _COLUMNS * (_WIDTH + _MARGIN), top
    size = f'width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size}>'
    page = f'<rect class="page" {size}/>'
    text = f'<text x="{_MARGIN}" y="{2 * _MARGIN}">{escape(caption)} (▲ more is better, ▼ less is better)</text>'
    return "\n".join([head, f"<style>{_STYLE}</style>", page, text, *parts, "</svg>", ""])


def _panel(measure: Measure, row: Mapping[str, float], titles: Mapping[str, str]) -> Iterator[str]:
    title = f"{measure.full_title}, {measure.unit} {'▲' if measure.more_is_better else '▼'}"
    yield f'<text class="title" y="14">{escape(title)}</text>'
    longest = max(row.values()) or 1.0
    for index, (peer, value) in enumerate(row.items()):
        top = _TITLE + index * (_BAR + _GAP)
        length = (_WIDTH - _LABEL - _VALUE) * value / longest
        look = "ours" if peer in OWN else "bar"
        base = top + _BAR - 5
        yield f'<text class="name" x="{_LABEL - 8}" y="{base}" text-anchor="end">{escape(titles[peer])}</text>'
        yield f'<rect class="{look}" x="{_LABEL}" y="{top}" width="{length:.1f}" height="{_BAR}" rx="2"/>'
        yield f'<text class="value" x="{_LABEL + length + 6:.1f}" y="{base}">{value:,.{measure.digits}f}</text>'
