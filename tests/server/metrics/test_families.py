"""The text of the metrics: as prometheus-client reads it, with labels whose values are ours."""

from __future__ import annotations

import time

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from conductor_trio.access.reasons import Refusal
from conductor_trio.server.app import Planes, make_planes
from conductor_trio.server.metrics.families import render_families
from conductor_trio.server.metrics.figures import FigureSource
from conductor_trio.server.settings import ServerSettings
from tests.support.engine import make_log
from tests.support.needs import require_program
from tests.support.routes import make_route
from tests.support.work import count_calls

SETTINGS = ServerSettings(runtime_dir="/run/c", patterns=("{key}-{user}.test",))

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
async def planes() -> Planes:
    return make_planes(SETTINGS, make_log([]))


def render(planes: Planes) -> str:
    return b"".join(render_families(FigureSource(SETTINGS, planes.proxy).read())).decode()


def samples_of(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


async def test_times_are_histograms(planes: Planes) -> None:
    measures = planes.proxy.observer.measures
    measures.by_application[2].observe(0.02)
    measures.direct.observe(0.02)
    measures.by_application[5].observe(40.0)
    measures.queue.observe(1.5)
    measures.application.observe(38.0)
    measures.first_byte.observe(40.0)
    samples = samples_of(render(planes))

    def histogram(name: str, **labels: str) -> tuple[float, float, float, float]:
        def bucket(bound: str) -> float:
            return samples[f"{name}_bucket", tuple(sorted({**labels, "le": bound}.items()))]

        rest = tuple(sorted(labels.items()))
        return bucket("0.025"), bucket("+Inf"), samples[f"{name}_count", rest], samples[f"{name}_sum", rest]

    assert histogram("conductor_request_duration_seconds", by="application") == (1, 2, 2, 40.02)
    assert histogram("conductor_time_to_first_byte_seconds") == (1, 2, 2, 40.02)
    # Who did not have to wait is in the least of them.
    assert histogram("conductor_hop_duration_seconds", hop="queue") == (1, 2, 2, 1.5)
    assert histogram("conductor_hop_duration_seconds", hop="application") == (1, 2, 2, 38.02)
    assert samples["conductor_requests_total", (("by", "application"), ("status", "5xx"))] == 1


async def test_the_loops_delays_are_a_histogram(planes: Planes) -> None:
    delay = planes.ledger.fairness.delay
    for seconds in (0.002, 0.002, 0.003, 2.0):
        delay.note(seconds)
    samples = samples_of(render(planes))
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in samples.items()
        if name == "conductor_loop_delay_seconds_bucket"
    }
    assert buckets["0.001"] == 0 and buckets["0.0025"] == 2 and buckets["0.005"] == 3 == buckets["1.0"]
    assert buckets["+Inf"] == samples["conductor_loop_delay_seconds_count", ()] == 4
    assert abs(samples["conductor_loop_delay_seconds_sum", ()] - 2.007) < 1e-9


async def test_every_series_is_there_from_the_start(planes: Planes) -> None:
    before = samples_of(render(planes)).keys()
    measures = planes.proxy.observer.measures
    for reason in Refusal:
        measures.count_refusal(reason)
    measures.wrong_tokens += 1
    planes.routes.register(make_route(host='evil"\n-alice.test', user='al"ice\n', key="x"))
    after = render(planes)
    assert samples_of(after).keys() == before and "evil" not in after and "ice" not in after.replace("service", "")


async def test_it_costs_the_same_with_any_number_of_sessions(planes: Planes) -> None:
    work = []
    for count in (1, 500):
        for number in range(count):
            planes.routes.register(make_route(host=f"a{count}x{number}-alice.test", key=f"a{count}x{number}"))
        work.append(count_calls(lambda: render(planes)))
    assert work[1] <= work[0] * 1.1


async def test_no_piece_is_large(planes: Planes) -> None:
    pieces = list(render_families(FigureSource(SETTINGS, planes.proxy).read()))
    assert len(pieces) > 20 and max(map(len, pieces)) < 8192


async def test_promtool_finds_nothing_to_complain_of(planes: Planes) -> None:
    promtool = require_program("promtool")
    text = render(planes).encode()
    checked = await trio.run_process(
        [promtool, "check", "metrics"], stdin=text, capture_stdout=True, capture_stderr=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


async def test_a_certificates_end_is_told_where_there_is_one(planes: Planes) -> None:
    assert "certificate" not in render(planes)
    assert samples_of(render(planes))["process_start_time_seconds", ()] <= time.time()
