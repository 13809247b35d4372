"""Colours, and how well one can be read on another (WCAG 2.2, "relative luminance" and "contrast ratio")."""

from __future__ import annotations

import colorsys
import re

import attrs

#: What WCAG asks of text (1.4.3, level AA). It is more than it asks of the edges of controls (1.4.11).
AA = 4.5
#: The same at level AAA (1.4.6), for those who have asked for more contrast.
AAA = 7.0

_STEPS = 100  # from a colour to black or white


@attrs.frozen
class Color:
    """A colour by its parts, each from 0 to 255."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @property
    def luminance(self) -> float:
        """How bright it is, from 0 to 1."""
        red, green, blue = (_linear(part / 255) for part in (self.red, self.green, self.blue))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def contrast(self, other: Color) -> float:
        """Return the contrast with another colour, from 1 to 21."""
        darker, lighter = sorted((self.luminance, other.luminance))
        return (lighter + 0.05) / (darker + 0.05)

    def lightened(self, part: float) -> Color:
        """Return the same hue, this part of the way to white, or, below 0, to black."""
        hue, light, saturation = colorsys.rgb_to_hls(*(one / 255 for one in attrs.astuple(self)))
        light += (1 - light) * part if part > 0 else light * part
        return Color(*(round(255 * one) for one in colorsys.hls_to_rgb(hue, light, saturation)))


BLACK, WHITE = Color(0, 0, 0), Color(255, 255, 255)


def parse_color(text: str) -> Color:
    """Read ``#rrggbb`` or ``#rgb``; raises ValueError."""
    digits = text.removeprefix("#")
    if not text.startswith("#") or not re.fullmatch(r"[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}", digits):
        raise ValueError(f"{text!r} is no colour; write it as #0d6e63")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    return Color(*bytes.fromhex(digits))


def make_readable(color: Color, on: tuple[Color, ...], ratio: float = AA) -> Color:
    """Return the colour itself, or the next one of its hue, darker or lighter, that can be read on all of `on`."""
    if all(color.contrast(ground) >= ratio for ground in on):
        return color
    end = max(BLACK, WHITE, key=lambda end: min(end.contrast(ground) for ground in on))
    for step in range(1, _STEPS):
        nearer = color.lightened((1 if end is WHITE else -1) * step / _STEPS)
        if all(nearer.contrast(ground) >= ratio for ground in on):
            return nearer
    return end


def ink_on(color: Color) -> Color:
    """Return black or white, whichever can be read better on a colour."""
    return max(BLACK, WHITE, key=color.contrast)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
