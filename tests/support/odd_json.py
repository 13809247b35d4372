"""Hypothesis strategies for what a peer may say that raises where nobody expects it: numbers, nesting, texts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

from hypothesis import strategies as st

#: As they are written.
ODD_VALUES = (
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "-Infinity",
    "1" + "0" * 400,
    "-1" + "0" * 400,
    "9" * 5000,
    "0." + "9" * 5000,
    "1e308",
    "-1e308",
    "1e-400",
    "-0",
    "-1",
    "0",
    "1",
    "2.5",
    "1e10",
    "true",
    "false",
    "null",
    '""',
    '"\\ud800"',
    '"\\udc80/x"',
    '"\\u0000"',
    '"/\\u0000"',
    '"/tmp\\n"',
    '"\\u001b[2J"',
    '"é\\u2028\\u202e"',
    '"' + "x" * 3000 + '"',
    "[]",
    "{}",
    "[[]]",
    "[true]",
    '["\\ud800"]',
    "[" * 40 + "]" * 40,
    "[" * 900 + "]" * 900,
    "[" * 3000,
    '{"a": 1, "a": 2}',
)

odd_values = st.sampled_from(ODD_VALUES)


def each_odd_object(sound: Mapping[str, object]) -> Iterator[bytes]:
    """Yield lines of a message, in each of which one field is odd."""
    for name, value in itertools.product(sound, ODD_VALUES):
        fields = {other: json.dumps(written) for other, written in sound.items()} | {name: value}
        yield write_object(list(fields.items()))


def write_object(fields: Sequence[tuple[str, str]]) -> bytes:
    """Write an object of values that are written already."""
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in fields) + "}").encode()


def odd_objects(sound: Mapping[str, object]) -> st.SearchStrategy[bytes]:
    """Return lines of a message, of which some fields are odd, gone, or there twice."""
    fields = st.lists(st.tuples(st.sampled_from(sorted(sound)), st.none() | odd_values), max_size=3)

    def write(changes: list[tuple[str, str | None]]) -> bytes:
        written = {name: json.dumps(value) for name, value in sound.items()}
        twice = []
        for name, value in changes:
            if value is None:
                written.pop(name, None)
            else:
                twice += [(name, written[name])] if name in written and len(value) % 2 else []
                written[name] = value
        return write_object([*twice, *written.items()])

    return fields.map(write)


odd_lines = odd_values.map(str.encode) | odd_objects({"a": 1, "b": {"c": []}}) | st.binary()
