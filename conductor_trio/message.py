"""Messages: what one part tells another, as frozen values, made by keywords, equal where class and fields are.

Other values are classes of attrs, which writes and compiles the methods of each where it is defined. That takes
0.25 ms, and a client has fifty kinds of messages before its user sees anything; these share their methods.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NoReturn, dataclass_transform


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Message:
    """A message: a subclass annotates its fields, gives their defaults, and `hides` those that repr() omits."""

    _hidden: ClassVar[frozenset[str]]

    def __init_subclass__(cls, *, hides: Iterable[str] = ()) -> None:
        cls._hidden = frozenset(hides)

    def __init__(self, **given: object) -> None:
        kind, fields = type(self), vars(self)
        for name in kind.__annotations__:
            if name not in given and name not in vars(kind):
                raise TypeError(f"{kind.__name__} needs {name}")
            fields[name] = given.pop(name) if name in given else vars(kind)[name]
        if given:
            raise TypeError(f"{kind.__name__} has no {', '.join(given)}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in vars(self).items() if name not in self._hidden)
        return f"{type(self).__name__}({', '.join(shown)})"
