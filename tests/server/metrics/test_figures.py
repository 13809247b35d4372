"""Figures are those of this moment, and reading them does not depend on the number of sessions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from conductor_trio.server.app import make_planes
from conductor_trio.server.metrics.figures import FigureSource
from conductor_trio.server.routing.states import Starting
from conductor_trio.server.settings import ServerSettings
from tests.support.engine import Application, make_log, open_engine, request
from tests.support.routes import make_route
from tests.support.work import count_calls

SETTINGS = ServerSettings(runtime_dir="/run/c", patterns=("{key}-{user}.test",))


@pytest.mark.one_process
async def test_what_an_engine_does_shows(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        await visitor.send(request())
        response = await visitor.receive_response()
        figures = FigureSource(engine.control.settings, engine.control).read()
        assert figures.sessions == {"starting": 0, "live": 1, "lost": 0, "ended": 0}
        assert figures.visitors == 1 and figures.requests_total == 1 and figures.tunnels == 0
        assert figures.to_visitors == len(response.raw)
    # What a session has passed on is not forgotten with it.
    assert FigureSource(engine.control.settings, engine.control).read().to_visitors == len(response.raw)


async def test_what_the_kernel_tells() -> None:
    figures = FigureSource(SETTINGS, make_planes(SETTINGS, make_log([])).proxy).read()
    assert figures.resident > 1 << 20 and figures.processor_time > 0 and figures.certificate_end is None
    if figures.open_files is not None:
        assert abs(figures.open_files - len(os.listdir("/proc/self/fd"))) < 5
    assert figures.lost_lines["server"] >= 0


async def test_reading_costs_the_same_with_any_number_of_sessions() -> None:
    planes = make_planes(SETTINGS, make_log([]))
    source = FigureSource(SETTINGS, planes.proxy)
    work = []
    for count in (1, 500):
        for number in range(count):
            host = f"a{count}x{number}-alice.test"
            planes.routes.register(make_route(host=host, key=host, state=Starting(since=0)))
        work.append(count_calls(source.read))
        await trio.lowlevel.checkpoint()
    assert source.read().sessions["starting"] == 501
    assert work[1] <= work[0] * 1.1
