"""Programs looked up before the login, and what was meant where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.client.application.lookup import look_up, suggest_program
from conductor_trio.client.config.recipes import Recipe
from conductor_trio.errors import ApplicationError
from tests.doubles.client_command import open_client

RECIPES = {
    "jupyterlab": Recipe(name="jupyterlab", command=("jupyter", "lab"), match=(("jupyter-lab",),)),
    "shiny": Recipe(name="shiny", command=("shiny", "run")),
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which there are a program, a file and a directory."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "serve-site").touch(mode=0o755)
    (programs / "notes").touch(mode=0o644)
    (programs / "data").mkdir()
    return {"PATH": f"{tmp_path}/none:{programs}"}


@pytest.mark.parametrize("program", ["serve-site", "/bin/sh", "{key}"])
def test_what_may_be_started_passes(program: str, environment: dict[str, str]) -> None:
    look_up(program, environment)


@pytest.mark.parametrize(
    ("program", "status"),
    [("serve-sites", 127), ("notes", 126), ("data", 126), ("/no/such/program", 127), ("/etc/passwd", 126)],
)
def test_what_may_not_is_told_with_the_status_of_a_shell(
    program: str, status: int, environment: dict[str, str]
) -> None:
    with pytest.raises(ApplicationError, match=f"cannot start {program}: ") as caught:
        look_up(program, environment)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("jupiter lab", "did you mean jupyter?"),
        ("serv-site", "did you mean serve-site?"),
        ("jupyterlab --debug", "the recipe of that name is started by `conductor-trio run jupyterlab --debug`"),
        ("jupyter lab", "load its module, or activate its environment, first"),
        ("qqqq", None),
        ("/opt/jupiter lab", None),
    ],
)
def test_what_was_meant_is_guessed(command: str, advice: str | None, environment: dict[str, str]) -> None:
    assert suggest_program(tuple(command.split()), environment, RECIPES) == advice


async def test_a_mistyped_command_is_told_before_anything_else(tmp_path: Path) -> None:
    """Whoever logged in would leave a trace, and there is not even a gateway."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/log\nsleep 1000\n")
    ssh.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    async with open_client("gw.example.org", "--", "jupiter", "lab", environment=environment) as client:
        assert await client.finish() == 127
        [failed] = client.events
    assert failed["state"] == "failed"
    assert failed["reason"] == "cannot start jupiter: No such file or directory; did you mean jupyter?"
    assert not (tmp_path / "log").exists()
