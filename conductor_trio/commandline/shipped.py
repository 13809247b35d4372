"""Files that come with the package, whether that is a directory or an archive (`make pyz`)."""

from __future__ import annotations

import functools
import importlib.resources
from importlib.resources.abc import Traversable


def list_files(directory: str) -> list[str]:
    """Return the names of the files in a directory of the package, sorted."""
    return sorted(file.name for file in _find(directory).iterdir() if file.is_file())


def read_file(path: str) -> str:
    """Return the text of a file of the package; raises OSError."""
    return _find(path).read_text(encoding="utf-8")


def name_file(path: str) -> str:
    """Return the path of a file of the package, as messages show it."""
    return str(_find(path))


def _find(path: str) -> Traversable:
    return _package().joinpath(path)


@functools.cache
def _package() -> Traversable:
    return importlib.resources.files("conductor_trio")  # reads the list of what is in an archive
