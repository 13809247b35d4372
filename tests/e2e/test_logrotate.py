"""The real logrotate, with our own configuration: no line is lost, and the server goes on in the new file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import trio

from tests.doubles.origin import answering
from tests.support.live_session import HOST, OK, TOKEN, open_session
from tests.support.needs import require_program, require_root
from tests.support.programs import PATIENCE, Server, ask, open_server

pytestmark = pytest.mark.e2e

SHIPPED = Path(__file__).parents[2] / "contrib" / "logrotate" / "conductor-trio"


def configuration(logs: Path, server: Server) -> str:
    """Return the shipped configuration for a server that no service manager has started."""
    text = SHIPPED.read_text()
    kill = "systemctl kill --signal=SIGUSR1 --kill-whom=main conductor-trio-server.service"
    assert "/var/log/conductor-trio/*.log" in text and kill in text
    text = text.replace("/var/log/conductor-trio", str(logs))
    text = text.replace(kill, f"kill -USR1 {server.program.process.pid}")
    return text.replace("conductor conductor", "root root")


def paths_in(logs: Path) -> list[str]:
    """Return the paths that the access logs tell of, the oldest first."""
    return [json.loads(line)["path"] for line in lines_in(logs, "access.log")]


def lines_in(logs: Path, name: str) -> list[str]:
    """Return the lines of a log and of what it was before, the oldest first."""
    files = sorted(logs.glob(f"{name}*"), key=lambda file: file.name, reverse=True)
    texts = [
        gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text() for file in files
    ]
    return "".join(texts).splitlines()


async def wait_for(logs: Path, path: str) -> None:
    with trio.fail_after(PATIENCE):
        while path not in paths_in(logs):  # noqa: ASYNC110
            await trio.sleep(0.02)  # of a line that is written no event tells


async def test_no_line_is_lost_at_a_rotation(short_tmp: Path) -> None:
    logrotate = require_program("logrotate")
    require_root()  # to whom logrotate's files belong
    logs = short_tmp / "logs"
    logs.mkdir(mode=0o750)
    options: list[str | Path] = ["--access-log", logs / "access.log", "--audit-log", logs / "audit.log"]
    async with open_server(short_tmp / "run", *options) as server, open_session(server, answering(OK)):
        file = short_tmp / "logrotate.conf"
        file.write_text(configuration(logs, server))
        file.chmod(0o644)
        told = []
        for round_ in range(3):
            for number in range(20):
                told.append(f"/{round_}/{number}")
                assert (await ask(server.port, HOST, told[-1], token=TOKEN)).status == 200
            await wait_for(logs, told[-1])  # a file that is empty as yet would not be rotated
            await trio.run_process(
                [logrotate, "--force", "--state", str(short_tmp / "state"), str(file)], capture_stdout=True
            )
        told.append("/last")
        assert (await ask(server.port, HOST, "/last", token=TOKEN)).status == 200
        await wait_for(logs, "/last")
        assert sorted(paths_in(logs)) == sorted(told)
        assert "/last" in (logs / "access.log").read_text()
        assert len(list(logs.glob("access.log*"))) == 4
    events = [json.loads(line)["event"] for line in lines_in(logs, "audit.log")]
    assert {"configuration_applied", "session_registered", "session_ended", "server_ended"} <= set(events)
