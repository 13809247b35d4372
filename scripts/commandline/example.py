"""The example of the server's file: every setting, commented out, with what it means."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from conductor_trio.configuration.settings import Section, Setting
from conductor_trio.configuration.toml_text import format_value

_WIDTH = 100


def format_example(introduction: str, sections: Sequence[Section]) -> str:
    """Return the file; a setting that is taken out of its comment has its default, or an example of a value."""
    parts = [_comment(introduction)]
    for section in sections:
        if section.named:
            parts.append(f"{_comment(section.help)}\n#[{section.name}.NAME]\n")
        elif section.name:
            parts.append(f"{_comment(section.help)}\n#[{section.name}]\n")
        parts += map(_format_setting, section.settings)
    return "\n".join(parts)


def _format_setting(setting: Setting) -> str:
    value = setting.example or format_value(setting.default)
    about = f"{setting.help[:1].upper()}{setting.help[1:]}."
    return f"{_comment(f'{about} {setting.more}'.strip())}#{setting.key} = {value}\n"


def _comment(text: str) -> str:
    """Return paragraphs as comments, of which no line looks like a setting."""
    paragraphs = [
        textwrap.fill(paragraph, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        for paragraph in text.split("\n\n")
    ]
    return "\n#\n".join(paragraphs) + "\n"
