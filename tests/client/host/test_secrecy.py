"""The application, which runs as the same user, does not find the token in the client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.programs import run_program
from tests.support.users import ALICE, everybodys_python, real_person

# Looks where the kernel would show the environment and the memory of its parent.
APPLICATION = """
import os
for name in ("environ", "mem", "fd/0"):
    try:
        os.close(os.open(f"/proc/{os.getppid()}/{name}", os.O_RDONLY))
    except PermissionError:
        continue
    print("may open", name)
print("looked", "CONDUCTOR_TOKEN" in os.environ)
"""


@pytest.mark.e2e
async def test_the_application_may_not_look_into_the_client(short_tmp: Path) -> None:
    alice, python = real_person(ALICE), everybodys_python()
    home = alice.make_directory(short_tmp / "home")
    client, local_socket = python.with_name("conductor-trio"), home / "app.sock"
    command: list[str | Path] = [client, "/no/such/gateway", local_socket, "--", python, "-c", APPLICATION]
    program = await run_program(
        command,
        person=alice,
        environment={"CONDUCTOR_TOKEN": "of-alice", "HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
    lines = map(json.loads, program.out.text.splitlines())
    assert "".join(event["data"] for event in lines if event["state"] == "data") == "looked False\n"
