"""The records of jobs: a directory for each, by its session's key, where login and compute nodes see it.

::

    <jobs>/lab/job.json    what it is
               script      what it runs
               token       its visitors' token, so that the link is the same after a requeue
               link        the login link, while visitors can use it
               log         what the client and the application say

All of it is for the user's eyes only.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time

import attrs

from conductor_trio.errors import StartError
from conductor_trio.limits.constants import JOB_RECORD_AGE, MAX_LINK_FILE

_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_RECORD = "job.json"


@attrs.frozen(kw_only=True)
class Record:
    """A job that was handed in; `ended` is the batch system's word for its end, once that was seen."""

    directory: str
    key: str
    scheduler: str
    job: str
    server: str
    command: tuple[str, ...]
    submitted: float
    ended: str | None = None

    @property
    def link(self) -> str:
        """Where its link is while visitors can use it."""
        return os.path.join(self.directory, "link")

    @property
    def log(self) -> str:
        """Where its log is."""
        return os.path.join(self.directory, "log")

    def read_link(self) -> str | None:
        """Return the login link, None while there is none."""
        with contextlib.suppress(OSError), open(self.link, encoding="utf-8", errors="replace") as file:
            return file.read(MAX_LINK_FILE).strip() or None
        return None


def is_key(text: str) -> bool:
    """Whether a text may be the key of a session, and the name of its job's directory."""
    return _KEY.fullmatch(text) is not None


def make_directory(jobs: str, key: str) -> str:
    """Make the directory of a new job, in the place of one that has ended; raises `StartError`."""
    path = os.path.join(jobs, key)
    try:
        os.makedirs(jobs, mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)
        os.mkdir(path, 0o700)
    except OSError as error:
        raise StartError(f"cannot make {path}: {error.strerror}") from error
    return path


def write_private(path: str, text: str) -> None:
    """Write a file that nobody else may read, as a whole; raises `StartError`."""
    new = f"{path}.new"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        with open(new, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
        os.replace(new, path)
    except OSError as error:
        raise StartError(f"cannot write {path}: {error.strerror}") from error


def save(record: Record) -> None:
    """Write a record into its job's directory; raises `StartError`."""
    told = {field.name: getattr(record, field.name) for field in attrs.fields(Record) if field.name != "directory"}
    write_private(os.path.join(record.directory, _RECORD), json.dumps(told) + "\n")


def load(jobs: str, key: str) -> Record | None:
    """Return the record of the job of that key, if there is one."""
    if not is_key(key):  # which may lead anywhere
        return None
    directory = os.path.join(jobs, key)
    try:
        with open(os.path.join(directory, _RECORD), encoding="utf-8") as file:
            told = json.load(file)
        return Record(directory=directory, **{**told, "command": tuple(told["command"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def load_all(jobs: str) -> list[Record]:
    """Return the records of all jobs, the latest last."""
    try:
        keys = [name for name in os.listdir(jobs) if is_key(name)]
    except OSError:
        return []
    found = [record for key in keys if (record := load(jobs, key)) is not None]
    return sorted(found, key=lambda record: record.submitted)


def load_open(jobs: str) -> list[Record]:
    """Return the records of jobs whose end was not seen yet."""
    return [record for record in load_all(jobs) if record.ended is None]


def forget_old(jobs: str) -> None:
    """Remove the directories of jobs that ended long ago."""
    for record in load_all(jobs):
        if record.ended is not None and time.time() > record.submitted + JOB_RECORD_AGE:
            shutil.rmtree(record.directory, ignore_errors=True)
