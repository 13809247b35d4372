"""A real Prometheus scrapes the server, evaluates our rules, and goes on over a hand-over."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trio

from scripts.bench.machine import free_port
from tests.doubles.origin import answering
from tests.support.live_session import HOST, OK, TOKEN, open_session
from tests.support.needs import require_program
from tests.support.programs import PATIENCE, Server, ask, open_program, open_server

pytestmark = pytest.mark.e2e

RULES = Path(__file__).parents[2] / "contrib" / "prometheus" / "conductor-trio.rules.yml"


@contextlib.asynccontextmanager
async def open_prometheus(directory: Path, target: int) -> AsyncIterator[int]:
    """Run Prometheus, scraping that port, and give its own port."""
    prometheus, port = require_program("prometheus"), free_port()
    configuration = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "conductor-trio", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        ],
    }
    file = directory / "prometheus.yml"
    file.write_text(json.dumps(configuration))  # which is YAML, too
    command = [
        prometheus,
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    async with open_program(command, cwd=directory) as program:
        await program.err.wait_line(lambda line: "Server is ready" in line)
        yield port


async def query(port: int, path: str) -> Any:
    answer = await trio.run_process(["curl", "-sS", f"http://127.0.0.1:{port}/api/v1/{path}"], capture_stdout=True)
    found = json.loads(answer.stdout)
    assert found["status"] == "success", found
    return found["data"]


async def value_of(port: int, expression: str, least: float) -> float:
    """Return the value of an expression, once it is that large."""
    with trio.fail_after(2 * PATIENCE):
        while True:
            data = await query(port, f"query?query={quote(expression)}")
            if data["result"] and (value := float(data["result"][0]["value"][1])) >= least:
                return value
            await trio.sleep(0.1)  # Prometheus tells of no scrape


async def visit(server: Server, times: int) -> None:
    for _ in range(times):
        assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200


async def test_prometheus_scrapes_it_over_a_hand_over(short_tmp: Path) -> None:
    metrics = free_port()
    async with (
        open_server(short_tmp / "run", "--metrics", f"127.0.0.1:{metrics}") as server,
        open_prometheus(short_tmp, metrics) as port,
    ):
        async with open_session(server, answering(OK)):
            await visit(server, 3)
            assert await value_of(port, 'conductor_sessions{state="live"}', 1) == 1
            assert await value_of(port, 'conductor_requests_total{by="application",status="2xx"}', 3) == 3
            assert await value_of(port, "conductor_request_duration_seconds_count", 3) == 3
            started = await value_of(port, "process_start_time_seconds", 1)
            assert abs(started - time.time()) < 60
        groups = (await query(port, "rules"))["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) > 5 and {rule["health"] for rule in rules} <= {"ok", "unknown"}
        server.program.send_signal(signal.SIGHUP)
        await server.program.wait_logged("handed_over")
        assert await value_of(port, f"process_start_time_seconds > {started}", 1) > started
        assert await value_of(port, "min_over_time(up[1m])", 0) in (0, 1)
        [target] = (await query(port, "targets"))["activeTargets"]
        assert target["health"] == "up" and target["lastError"] == ""
        await end_successor(server)


async def end_successor(server: Server) -> None:
    """End the server that has taken over, which is no child of ours."""
    entry = json.loads([line for line in server.program.err.lines if '"listening"' in line][-1])
    os.kill(entry["pid"], signal.SIGTERM)


@pytest.mark.parametrize("words", [["check", "rules"]])
async def test_promtool_takes_the_rules(words: list[str]) -> None:
    checked = await trio.run_process(
        [require_program("promtool"), *words, str(RULES)], capture_stdout=True, capture_stderr=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
