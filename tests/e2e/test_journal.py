"""A real journald, in a mount namespace of its own: entries have their priorities and fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts.bench.machine import free_port
from tests.support.needs import missing, require_program, require_root
from tests.support.programs import PATIENCE, server_command

pytestmark = pytest.mark.e2e

JOURNALD = Path("/lib/systemd/systemd-journald")

SCRIPT = """
set -eu
journald=$1 port=$2 output=$3
shift 3
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
"$journald" & daemon=$!
wait_for() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 200 ]; sleep 0.1; done; }
asked() { curl -s -o "$output.answer" "http://127.0.0.1:$port/lab?secret=1"; }
read_all() { journalctl -q --no-pager -o json -t conductor-trio-server --directory /run/log/journal >"$output"; }
has_ended() { read_all; grep -q server_ended "$output"; }
wait_for test -S /run/systemd/journal/socket
# As a service: what $JOURNAL_STREAM says, systemd-cat tells from systemd 253 on.
systemd-cat sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); export JOURNAL_STREAM; exec "$@"' sh "$@" &
server=$!
wait_for asked
kill "$server"
wait "$server"
wait_for has_ended
kill "$daemon"
wait "$daemon" || true
"""


async def test_every_log_is_in_the_journal_with_its_fields(short_tmp: Path) -> None:
    require_root()
    unshare = require_program("unshare")
    for program in ("systemd-cat", "journalctl", "curl"):
        require_program(program)
    if not JOURNALD.exists():
        missing(f"needs {JOURNALD}")
    port, runtime, output = free_port(), short_tmp / "run", short_tmp / "journal.json"
    server = server_command(runtime, "-p", str(port), "--access-log", "journal", "--audit-log", "journal")
    words = [unshare, "-m", "sh", "-c", SCRIPT, "sh", JOURNALD, port, output, *server]
    with trio.fail_after(4 * PATIENCE):
        done = await trio.run_process(list(map(str, words)), capture_stdout=True, capture_stderr=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    entries: list[dict[str, Any]] = [json.loads(line) for line in output.read_text().splitlines()]

    def of(log: str, event: str | None = None) -> list[dict[str, Any]]:
        found = [entry for entry in entries if entry["CONDUCTOR_LOG"] == log]
        return found if event is None else [entry for entry in found if entry["CONDUCTOR_EVENT"] == event]

    [listening] = of("server", "listening")
    assert listening["PRIORITY"] == "6" and json.loads(listening["MESSAGE"])["event"] == "listening"
    assert {entry["PRIORITY"] for entry in of("server", "few_open_files")} <= {"4"}
    [request] = of("access")
    assert request["CONDUCTOR_PATH"] == "/lab" and request["CONDUCTOR_STATUS"] == "404"
    assert json.loads(request["MESSAGE"])["path"] == "/lab" and "secret" not in repr(entries)
    assert of("audit", "configuration_applied") and of("audit", "server_ended")
