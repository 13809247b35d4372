"""The file with the settings: who else could change it, and whether those whom it names are there."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator

from conductor_trio.findings import Finding, Status
from conductor_trio.server.sessions.user_directory import find_group
from conductor_trio.server.settings import UserRules
from conductor_trio.shared_directory import find_shared_directory

_PLACE = "configuration"


def check_configuration(file: str | None, rules: UserRules) -> Iterator[Finding]:
    """Yield what is found of a file that could be read; None where there is none."""
    if file is None:
        yield Finding(check=_PLACE, status=Status.SKIPPED, detail="no file; all is as the command line says")
        return
    warnings = [*_find_writers(file), *_find_strangers(rules)]
    if not warnings:
        yield Finding(check=_PLACE, status=Status.OK, detail=file)
    for detail, advice in warnings:
        yield Finding(check=_PLACE, status=Status.WARNING, detail=f"{file}: {detail}", advice=advice)


def _find_writers(file: str) -> Iterator[tuple[str, str]]:
    """Yield who could change the file besides root and the server's user, and what to do about it."""
    advice = "let root alone change it, and all directories above it"
    found = os.stat(file)
    if found.st_uid not in (0, os.geteuid()):
        yield f"it belongs to another user (id {found.st_uid}), who decides what the server does", advice
    if found.st_mode & stat.S_IWGRP and found.st_gid not in (0, os.getegid()):
        yield f"a group (id {found.st_gid}) may write to it, and so decides what the server does", advice
    if (directory := find_shared_directory(file)) is not None:
        yield f"other users may write to {directory}, and so put a file of theirs in its place", advice


def _find_strangers(rules: UserRules) -> Iterator[tuple[str, str]]:
    for group in sorted(rules.known_groups):
        if find_group(group) is None:
            yield f"this host knows no group {group!r}", "correct the name; as long as it is so, nobody is in it"
    for user in sorted(rules.known_users):
        try:
            pwd.getpwnam(user)
        except KeyError:
            yield f"this host knows no user {user!r}", "correct the name, or take it out"
