"""Without `--metrics` nothing is listened on, and prometheus-client is not imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import trio

from conductor_trio.server.app import make_planes
from conductor_trio.server.metrics.serve import open_metrics
from conductor_trio.server.settings import ServerSettings
from tests.support.engine import make_log

SETTINGS = ServerSettings(runtime_dir="/run/c", patterns=("{key}-{user}.test",))


async def test_without_an_address_it_ends_at_once() -> None:
    planes = make_planes(SETTINGS, make_log([]))
    with open_metrics(SETTINGS, planes.proxy, takes_over=False) as endpoint:
        assert endpoint.listeners == ()
        with trio.fail_after(20):
            await endpoint.run()
        endpoint.close(is_handed=False)


async def test_it_serves_the_planes_figures(short_tmp: Path) -> None:
    settings = attrs.evolve(SETTINGS, metrics=str(short_tmp / "metrics"))
    planes = make_planes(settings, make_log([]))
    with open_metrics(settings, planes.proxy, takes_over=False) as endpoint:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(endpoint.run)
            stream = await trio.open_unix_socket(str(short_tmp / "metrics"))
            async with stream:
                await stream.send_all(b"GET /metrics HTTP/1.0\r\n\r\n")
                answer = b"".join([chunk async for chunk in stream])
            nursery.cancel_scope.cancel()
    assert b"\nconductor_sessions{" in answer


def test_the_server_starts_without_prometheus_client() -> None:
    code = "import sys, conductor_trio.server.app; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
