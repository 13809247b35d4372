"""Several real users in one test: who they are, and an installed copy of the project that each of them can run.

Only root can act as others. The users are made once and stay until `make clean-system`; the copy is made for each
state of the sources.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.support.needs import require_program, require_root

GATEWAY, ALICE, BOB = "ct-gateway", "ct-alice", "ct-bob"
BASH_USER = "ct-bash"  #: whose login shell is bash

#: What was made on this machine besides, which scripts/system.sh begins and scripts/clean_system.sh takes back.
RECORD = Path("/var/lib/conductor-trio-tests/made")

_ROOT = Path(__file__).parents[2]
_SOURCES = ("pyproject.toml", "conductor_trio")
# In nobody's home, so that everybody can enter, and kept between runs.
STORE = Path("/var/tmp/conductor-trio-tests")
_KEPT = 6 * 3600  # seconds since a run has begun with a copy; it may still be using it


@attrs.frozen(kw_only=True)
class Person:
    """A user of this machine."""

    name: str
    uid: int
    gid: int

    def make_directory(self, path: Path, mode: int = 0o755) -> Path:
        """Make a directory that is theirs, and return it."""
        path.mkdir()
        path.chmod(mode)
        os.chown(path, self.uid, self.gid)
        return path


def real_person(name: str, *, shell: str = "/bin/sh") -> Person:
    """Return the user of that name, made if missing; skips the test where we are not root.

    Whoever is made has that login shell.
    """
    require_root()
    with _locked("users"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            useradd = require_program("useradd")
            # A group of their own, a home that exists but is not theirs, a shell for what `ssh` runs.
            options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", shell]
            subprocess.run([useradd, *options, name], check=True)
            _record_user(name)
            entry = pwd.getpwnam(name)
    return Person(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def _record_user(name: str) -> None:
    """Have `make clean-system` take this user back."""
    RECORD.parent.mkdir(mode=0o755, exist_ok=True)
    with RECORD.open("a") as record:
        record.write(f"user {name}\n")


@contextlib.contextmanager
def acting_as(person: Person) -> Iterator[None]:
    """Be that person to the kernel: what is made is theirs, and connections are their own (SO_PEERCRED).

    The whole process is, so nothing may be awaited within.
    """
    before = os.geteuid(), os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(person.gid)
    os.seteuid(person.uid)
    try:
        yield
    finally:
        os.seteuid(before[0])
        os.setegid(before[1])
        os.setgroups(before[2])


@functools.cache
def everybodys_python() -> Path:
    """Return an interpreter that every user can run, beside which the project's commands are installed."""
    digest = _digest_sources()
    with _locked("copy"):
        place = STORE / digest
        if not place.exists():
            _remove_outdated()
            _install(place)
        os.utime(place)
        return place / "bin" / "python"


def _remove_outdated() -> None:
    for copy in STORE.glob("?" * 16):
        if time.time() - copy.stat().st_mtime > _KEPT:
            shutil.rmtree(copy)


def _install(place: Path) -> None:
    """Install the sources as they are now; nothing is left where that fails."""
    interpreter = _readable_interpreter()
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, place, ignore_errors=True)
        subprocess.run([interpreter, "-m", "venv", "--without-pip", str(place)], check=True)
        with tempfile.TemporaryDirectory(dir=STORE, prefix="sources-") as directory:
            # A copy, since building leaves files beside the sources.
            _copy_sources(Path(directory))
            pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python")]
            install = ["install", "-qq", "--disable-pip-version-check", "--no-input", directory]
            subprocess.run([*pip, *install], check=True, stdin=subprocess.DEVNULL)
        undo.pop_all()


def _readable_interpreter() -> str:
    """Return ours, if other users can run it, or else the system's."""
    ours = os.path.realpath(sys.executable)
    if all(parent.stat().st_mode & stat.S_IXOTH for parent in Path(ours).parents):
        return ours
    return require_program("/usr/bin/python3")


def _copy_sources(target: Path) -> None:
    (target / "README.md").touch()  # only the package index shows it
    for name in _SOURCES:
        source = _ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)


def _digest_sources() -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name in _SOURCES:
        source = _ROOT / name
        for path in sorted(source.rglob("*.*")) if source.is_dir() else [source]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@contextlib.contextmanager
def _locked(what: str) -> Iterator[None]:
    """Be the only one who does this on the machine; the directory is ours, whoever else may write beside it."""
    STORE.mkdir(mode=0o755, exist_ok=True)
    found = STORE.lstat()
    assert stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid(), f"{STORE} is someone else's: remove it"
    with open(STORE / f"{what}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
