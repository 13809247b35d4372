"""The upkeep of the runtime directory: whatever is removed from it, clients and successors come again."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
import trio

from conductor_trio.limits.server import ServerLimits
from tests.doubles.origin import answering
from tests.support.live_session import HOST, OK, TOKEN, open_session
from tests.support.needs import require_program
from tests.support.programs import ask, open_server, run_program, server_command, wait_until
from tests.support.successors import ending_successors, entries, upgrade


@pytest.mark.parametrize("removed", ["client", "handover", "sockets", "."])
async def test_what_is_removed_is_made_again(runtime_dir: Path, removed: str) -> None:
    async with open_server(runtime_dir) as server, ending_successors(server.program):
        path = runtime_dir / removed
        modes = {one: one.lstat().st_mode for one in (runtime_dir, *runtime_dir.iterdir())}
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        await server.program.wait_logged("made_again")
        await wait_until(lambda: all(one.exists() for one in modes))
        assert {one: one.lstat().st_mode for one in modes} == modes
        assert stat.S_IMODE((runtime_dir / "sockets").stat().st_mode) == 0o771
        async with open_session(server, answering(OK)):
            assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
        # Nobody else may be the one that accepts there, and a successor still can.
        other = await run_program(server_command(runtime_dir))
        assert other.process.returncode == 1
        assert "another server is running on it" in other.err.text
        await upgrade(server)
        async with open_session(server, answering(OK)):
            assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
        assert not entries(server.program, "lost")


async def test_the_public_socket_is_made_again(runtime_dir: Path, short_tmp: Path) -> None:
    public = short_tmp / "public"
    async with open_server(runtime_dir, "-s", public) as server:
        public.unlink()
        await server.program.wait_logged("made_again")
        assert stat.S_IMODE(public.stat().st_mode) == 0o660
        async with await trio.open_unix_socket(str(public)) as stream:
            await stream.send_all(b"GET /_conductor/status HTTP/1.0\r\nHost: x\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
    assert not public.exists()


async def test_what_cannot_be_made_again_is_told_once_and_is_when_it_can(runtime_dir: Path) -> None:
    async with open_server(runtime_dir) as server:
        control = runtime_dir / "client"
        control.unlink()
        control.touch()
        told = await server.program.wait_logged("lost")
        assert told["path"] == str(control)
        await trio.sleep(2 * ServerLimits().runtime_look_interval)
        assert len(entries(server.program, "lost")) == 1
        control.unlink()
        await server.program.wait_logged("made_again")
        async with open_session(server, answering(OK)):
            pass


@pytest.mark.e2e
async def test_systemd_tmpfiles_passes_over_it(runtime_dir: Path, short_tmp: Path) -> None:
    rules = short_tmp / "rules.conf"
    rules.write_text(f"e {short_tmp} - - - 0\n")
    async with open_server(runtime_dir):
        before = set(runtime_dir.iterdir())
        (short_tmp / "x").touch()
        await trio.run_process([require_program("systemd-tmpfiles"), "--clean", rules], capture_stderr=True)
        assert not (short_tmp / "x").exists()
        assert set(runtime_dir.iterdir()) == before
