"""The programs of the machine that end-to-end tests use."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

# sshd and nginx lie where an ordinary user's PATH does not lead.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def require_program(*names: str) -> str:
    """Return the path of the first of the programs that is here; skips the test where none is, or fails it in CI.

    Continuous integration (``CI`` in the environment) has to say what it did not test.
    """
    for name in names:
        if found := shutil.which(name, path=_PATH):
            return found
    return missing(f"needs {' or '.join(names)}: make system")


def require_root() -> None:
    """Go on only as root; skips the test otherwise, or fails it in CI."""
    if os.geteuid() != 0:
        missing("needs root, to act as several users")


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} (CI skips nothing)", pytrace=False)
    pytest.skip(what)
