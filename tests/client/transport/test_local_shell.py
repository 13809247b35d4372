"""The shell that ssh runs commands with: the user's, if this host has it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from conductor_trio.client.transport.local_shell import find_shell
from conductor_trio.limits.client import ClientLimits


@pytest.mark.parametrize(
    ("script", "is_one"),
    [
        ('#!/bin/sh\nexec /bin/sh "$@"\n', True),
        ('#!/bin/sh\necho Welcome\nexec /bin/sh "$@"\n', True),
        ("#!/bin/sh\necho 'This account is not available.'\nexit 1\n", False),
        ("#!/bin/sh\ntrap '' TERM\nexec sleep 1000\n", False),
        ("#!/no/such/interpreter\n", False),
        (None, False),
    ],
    ids=["shell", "talkative", "nologin", "hangs", "broken", "none"],
)
async def test_a_shell_is_what_runs_commands(
    script: str | None, is_one: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = tmp_path / "shell"
    if script is not None:
        shell.write_text(script)
        shell.chmod(0o755)
    monkeypatch.setenv("SHELL", str(shell))
    with trio.fail_after(20):
        found = await find_shell(ClientLimits(shell_timeout=1))
    assert found == (str(shell) if is_one else "/bin/sh")


@pytest.mark.parametrize("shell", ["", "sh"])
async def test_one_that_ssh_would_not_find_is_none(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", shell)
    assert await find_shell(ClientLimits()) == "/bin/sh"
