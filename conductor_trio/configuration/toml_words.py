"""What is wrong with a text that is no TOML, in words for whoever has written it. Sans-IO."""

from __future__ import annotations

import re

# What Python's parser says, and what it mostly comes from.
_ADVICE = (
    ("Invalid value", "a value is text in quotation marks, a number, true or false, or a list in brackets"),
    ("Expected '=' after a key", "a setting is written as name = value"),
    ("Invalid statement", "a line is a setting, name = value, or the name of a table, [name]"),
    ("Invalid initial character for a key part", "a name is made of letters, digits, - and _"),
    ("Expected newline or end of document", "one setting stands in each line, and text in quotation marks"),
    ("Cannot overwrite a value", "that name stands there already, further up"),
    ("Cannot declare", "that table stands there already, further up"),
    ("Expected ']' at the end", "the bracket behind the table's name is missing"),
    ("Unclosed array", "the bracket at the end of the list is missing"),
    ("Unclosed inline table", "the brace at the end is missing"),
    ("Unterminated string", "the quotation mark at the end is missing"),
    ("Illegal character", "a quotation mark at the end may be missing, or a character cannot be seen"),
    ("Unescaped '\\'", "write two backslashes for one, or put the text between single quotation marks"),
)
_WORD = re.compile(r"\s*(?P<key>[\w.-]+)\s*=\s*(?P<value>[A-Za-z_~/@][^\"'#]*?)\s*(#.*)?")


def advise(message: str, line: str) -> str | None:
    """Return what to do about a line of which Python's parser says this; None where nothing is known."""
    if match := _WORD.fullmatch(line):
        key, value = match["key"], match["value"]
        if value.lower() in ("true", "false", "yes", "no", "on", "off"):
            return f"write {key} = {'true' if value.lower() in ('true', 'yes', 'on') else 'false'}"
        return f'text stands in quotation marks: {key} = "{value}"'
    return next((words for beginning, words in _ADVICE if message.startswith(beginning)), None)
