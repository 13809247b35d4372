"""Who is let in by name stays so while servers come and go, and is put out at once by whichever serves."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.programs import Server, ask, open_client, open_server, run_program, wait_gone
from tests.support.successors import ending_successors, upgrade

pytestmark = pytest.mark.e2e

CHAIN_APP = Path(__file__).parents[1] / "support" / "chain_app.py"
SIGN_ON = ("--trusted-proxy", "127.0.0.1", "--sso-user-header", "X-User")


async def share(server: Server, *words: str) -> list[dict[str, object]]:
    """Give the command and return its lines."""
    program = Path(sys.executable).with_name("conductor-trio")
    done = await run_program([program, "share", "lab", "--json", *words, server.control_socket])
    assert done.process.returncode == 0, done.err.text
    return [json.loads(line) for line in done.out.lines]


async def test_names_outlast_a_hand_over_and_a_restart(short_tmp: Path, runtime_dir: Path) -> None:
    local = short_tmp / "app.sock"
    command: list[str | Path] = [sys.executable, CHAIN_APP, local]

    async def statuses(server: Server, *users: str) -> list[int]:
        return [(await ask(server.port, host, "/headers", fields=[("X-User", user)])).status for user in users]

    async with (
        open_server(runtime_dir, *SIGN_ON) as server,
        ending_successors(server.program),
        open_client(server.control_socket, local, command, key="lab", token="t0ken") as client,
    ):
        [host] = (await client.wait_state("live"))["config"]["urls"]
        [bob] = await share(server, "--with", "bob", "--for", "1h")
        [zoe] = await share(server, "--with", "zoe")
        assert await statuses(server, "bob", "zoe", "eve") == [200, 200, 403]
        successor = await upgrade(server)
        assert await statuses(server, "bob", "zoe", "eve") == [200, 200, 403]
        await share(server, "--revoke", str(zoe["id"]))
        assert await statuses(server, "zoe") == [403]
        os.kill(successor, signal.SIGTERM)
        await wait_gone(successor)
        async with open_server(runtime_dir, *SIGN_ON) as server:
            # The first waits until its client is back.
            assert await statuses(server, "bob", "zoe", "eve") == [200, 403, 403]
            [left] = await share(server, "--list")
            assert [left[field] for field in ("id", "with", "expires")] == [bob["id"], "bob", bob["expires"]]
