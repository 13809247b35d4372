"""Login shells at the gateway, with what accounts there have in their start-up files: real sshd, real users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scripts.private_sshd import open_private_sshd
from tests.support.chain import Chain, open_chain
from tests.support.needs import require_program
from tests.support.programs import Program, ask, open_program
from tests.support.users import ALICE, BASH_USER, BOB, real_person

pytestmark = pytest.mark.e2e

TOKEN = "4f7e1b09c2d85a36e1f0947b8c6d2a53"
HOST = f"app-{BASH_USER}.localhost"

CLOSED, OPEN = "0177", "0117"  # how sshd makes relay sockets: the user's only, or the server's too


@asynccontextmanager
async def open_talker(directory: Path, start_up: str, mask: str) -> AsyncIterator[tuple[Chain, Program]]:
    """Run a client whose user has such start-up files at the gateway."""
    person = real_person(BASH_USER, shell=require_program("bash"))
    home = directory / "home"
    home.mkdir()
    (home / ".bashrc").write_text(f"{start_up}\n")
    options = {"bind_mask": mask, "extra_config": [f"SetEnv HOME={home}"]}
    with open_private_sshd(users=(ALICE, BOB, BASH_USER), **options) as sshd:  # type: ignore[arg-type]
        async with open_chain(directory, sshd) as chain:
            person.make_directory(chain.home(person))
            async with chain.open_client(person, token=TOKEN) as client:
                yield chain, client


async def assert_live_without_a_word(chain: Chain, client: Program) -> None:
    """Assert that visitors get to the application, and that the user is told of nothing else."""
    await client.wait_state("live")
    assert (await ask(chain.server.port, HOST, "/", token=TOKEN)).status == 200
    assert {event["state"] for event in client.events} == {"execute", "connect", "controlConnect", "live"}
    assert await client.end() == 0
    assert [line for line in client.err.text.splitlines() if "ending" not in line] == []


@pytest.mark.parametrize(
    "start_up",
    [
        "echo Welcome to this cluster; printf 'You have no mail. '",
        "stty erase ^H; echo 'module: command not found' >&2",
        "read -r answer; cat >/dev/null",
        "sleep 30 & sleep 30 >/dev/null &",
        "set -v; exec 2>&1",
        "trap 'echo logout' EXIT",
    ],
    ids=["prints", "errors", "reads", "leaves processes", "shows", "farewell"],
)
async def test_start_up_files_are_not_in_the_way(start_up: str, short_tmp: Path) -> None:
    async with open_talker(short_tmp, start_up, CLOSED) as (chain, client):
        await assert_live_without_a_word(chain, client)


@pytest.mark.parametrize("shell", ["dash", "zsh", "fish", "tcsh"])
async def test_a_start_up_file_that_goes_on_as_another_shell(shell: str, short_tmp: Path) -> None:
    start_up = f'[ -n "$GONE_ON" ] || GONE_ON=1 exec {require_program(shell)}'
    async with open_talker(short_tmp, start_up, CLOSED) as (chain, client):
        await assert_live_without_a_word(chain, client)


@pytest.mark.parametrize("start_up", ["exec sleep 1000", "echo no; exit 1"], ids=["never ends", "gives up"])
async def test_where_sshd_opens_relay_sockets_no_shell_is_run(start_up: str, short_tmp: Path) -> None:
    async with open_talker(short_tmp, f"touch {short_tmp}/ran; {start_up}", OPEN) as (chain, client):
        await assert_live_without_a_word(chain, client)
        assert not (short_tmp / "ran").exists()


async def test_without_either_the_reason_names_both(short_tmp: Path) -> None:
    async with open_talker(short_tmp, "echo 'Only files here, please.'; exit 1", CLOSED) as (_, client):
        failed = await client.wait_state("failed")
        assert "Only files here, please." in failed["reason"]
        assert "StreamLocalBindMask 0117" in failed["reason"]
        assert await client.wait_ended() == 1


async def test_a_shell_that_takes_long_is_waited_for(short_tmp: Path) -> None:
    async with open_talker(short_tmp, "sleep 4", CLOSED) as (chain, client):
        await assert_live_without_a_word(chain, client)


async def test_doctor_examines_such_an_account(short_tmp: Path) -> None:
    start_up = "echo Welcome; read -r x; sleep 30 &"
    async with open_talker(short_tmp, start_up, CLOSED) as (chain, client):
        await client.wait_state("live")
        person = real_person(BASH_USER)
        words: list[str | Path] = [chain.python.with_name("conductor-trio"), "doctor", chain.address]
        async with open_program(words, person=person, environment=chain.environment(person)) as doctor:
            await doctor.wait_ended()
            assert "the server takes it" in doctor.out.text
