"""The bench: its arithmetic, what it reads, and its clients with our server. Nothing here depends on times."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pytest

from scripts.bench.__main__ import PARTS, chosen
from scripts.bench.chart import draw_chart
from scripts.bench.load import CONNECTIONS, parse_outcome
from scripts.bench.machine import BenchError, parse_cpu_ticks
from scripts.bench.origins import Origins, open_origins
from scripts.bench.peers import OURS, Peer, Site, control_socket, open_gateway, ours_command
from scripts.bench.requests import figures, pause_for_half
from scripts.bench.results import MEASURES, Sample, describe, format_json, format_table, medians
from scripts.bench.scale import open_crowd
from scripts.bench.sessions import LocalSession
from scripts.bench.steady import measure_steady
from scripts.bench.transfer import direct, download, upload
from scripts.bench.websocket import WebSocket
from tests.support.needs import require_program

TITLES = {"ours": "conductor-trio", "chp": "CHP <&>", "direct": "no proxy"}
WRK = """\
Running 1s test @ http://127.0.0.1:4000/
  1 threads and 32 connections
    Req/Sec     4.10k   201.11     4.50k    70.00%%
RESULT {"requests": 8000, "seconds": 2.0, "broken": %d, "refused": %d, "p50": 0.001, "p99": 0.003}
"""


def sample(measure: str, peer: str, *values: float) -> list[Sample]:
    return [Sample(measure=measure, peer=peer, value=value) for value in values]


ROUNDS = [
    *sample("websocket", "ours", 120, 100, 400),
    *sample("keepalive", "ours", 9000, 9900, 100),
    *sample("keepalive", "chp", 3000, 2000, 4000),
    *sample("websocket", "direct", 60, 50),
    *sample("latency-rate", "ours", 4000),
    *sample("latency-rate", "chp", 1000),
]


def test_a_load_s_result_is_found_among_wrk_s_words() -> None:
    outcome = parse_outcome(WRK % (8, 0), cpu=1.6)
    assert outcome.rate == 4000
    assert (outcome.p50, outcome.p99) == (0.001, 0.003)
    assert figures("tls", outcome) == {"tls": 4000, "tls-cpu": pytest.approx(200)}


@pytest.mark.parametrize(
    "output, told",
    [
        (WRK % (9, 0), "9 had no answer"),
        (WRK % (0, 1), "1 were answered with an error"),
        ("unable to connect to 127.0.0.1:4000\n", "unable to connect"),
        ("", "it says nothing"),
    ],
)
def test_a_load_that_did_not_come_through_is_no_figure(output: str, told: str) -> None:
    with pytest.raises(BenchError, match=told):
        parse_outcome(output, cpu=0)


def test_the_pauses_make_half_the_load() -> None:
    most = 5000.0
    # At half load an answer takes twice the time for which it occupies the proxy: one server, random arrivals.
    assert CONNECTIONS / (pause_for_half(most) + 2 / most) == pytest.approx(most / 2)


def test_processor_time_is_read_behind_any_name() -> None:
    assert parse_cpu_ticks("7 (a) b (c d)) S 1 7 7 0 -1 4194560 99 0 0 0 123 45 0 0 20 0 1 0 5 6 7") == 168


def test_medians_come_in_the_table_s_order() -> None:
    found = medians(ROUNDS)
    assert list(found) == ["keepalive", "latency-rate", "websocket"]
    assert found["keepalive"] == {"ours": 9000, "chp": 3000}
    assert found["websocket"] == {"ours": 120, "direct": 55}


def test_the_table_tells_how_many_times_better_ours_is() -> None:
    assert format_table(medians(ROUNDS), TITLES).splitlines() == [
        "|  | conductor-trio | CHP <&> | no proxy |",
        "|---|---:|---:|---:|",
        "| kept connections, the same request, requests/s | **9,000** | 3,000 (3.00 ×) |  |",
        "| half of its own maximum, requests/s | **4,000** | 1,000 |  |",
        "| WebSocket echo, median, µs | **120** |  | 55 (0.46 ×) |",
    ]


def test_without_our_own_figures_there_are_no_ratios() -> None:
    theirs = [found for found in ROUNDS if found.peer != "ours"]
    assert "×" not in format_table(medians(theirs), TITLES)
    assert json.loads(format_json(theirs, {}))["measures"]["keepalive"]["ratio"] == {}


def test_the_json_holds_each_round() -> None:
    written = json.loads(format_json(ROUNDS, {"date": "2026-01-01"}))
    assert written["date"] == "2026-01-01"
    keepalive = written["measures"]["keepalive"]
    assert keepalive["rounds"] == {"ours": [9000, 9900, 100], "chp": [3000, 2000, 4000]}
    assert keepalive["median"] == {"ours": 9000, "chp": 3000}
    assert keepalive["ratio"] == {"chp": 3}
    assert written["measures"]["latency-rate"]["ratio"] == {}


def test_the_chart_s_longest_bar_is_the_largest_figure() -> None:
    root = ElementTree.fromstring(draw_chart(medians(ROUNDS), TITLES, "a < b"))
    panels = root.findall("{*}g")
    assert len(panels) == 2  # of half the maximum there is nothing to compare
    ours, chp = (float(bar.attrib["width"]) for bar in panels[0].findall("{*}rect"))
    assert ours == pytest.approx(3 * chp, abs=0.2)  # three times what was rounded
    assert "CHP <&>" in [text.text for text in panels[0].findall("{*}text")]
    [only] = ElementTree.fromstring(draw_chart(medians(ROUNDS), TITLES, "", ["keepalive"])).findall("{*}g")
    assert [text.text for text in only.findall("{*}text")] == [text.text for text in panels[0].findall("{*}text")]


def test_every_figure_can_be_told() -> None:
    names = [measure.name for measure in MEASURES]
    assert len(names) == len(set(names))
    for name in names:
        assert name in describe(Sample(measure=name, peer="ours", value=1.0))


def test_parts_are_chosen_by_name() -> None:
    assert chosen(list(PARTS), "tls,keepalive") == ["keepalive", "tls"]
    with pytest.raises(ArgumentTypeError, match="speed not known; there are: keepalive"):
        chosen(list(PARTS), "tls,speed")


# The applications and the clients, without and with our server between them.

VOLUME = 3 * 1024 * 1024 + 1


@pytest.fixture(scope="module")
def origins() -> Iterator[Origins]:
    require_program("nginx")
    with TemporaryDirectory(prefix="ct-", dir="/tmp") as directory, open_origins(Path(directory), VOLUME) as found:
        yield found


@pytest.fixture(params=["direct", "ours"])
def through(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def open_peer(name: str, application: Path, directory: Path) -> AbstractContextManager[Peer]:
    if name == "direct":
        return nullcontext(direct(application))
    return OURS.open(Site(directory=directory, upstream=application))


@pytest.mark.e2e
def test_a_download_and_an_upload_are_complete(through: str, origins: Origins, short_tmp: Path) -> None:
    for index, (application, transfer) in enumerate([(origins.pages, download), (origins.upload, upload)]):
        directory = short_tmp / str(index)
        directory.mkdir()
        with open_peer(through, application, directory) as found:
            wanted = {"some"} if found.pid is None else {"some", "some-cpu"}
            assert transfer("some", found, VOLUME).keys() == wanted


@pytest.mark.e2e
def test_a_download_of_another_size_is_refused(origins: Origins) -> None:
    with pytest.raises(BenchError, match=f"a download of {VOLUME} bytes"):
        download("some", direct(origins.pages), VOLUME + 1)


@pytest.mark.e2e
def test_websocket_messages_come_back(through: str, origins: Origins, short_tmp: Path) -> None:
    with open_peer(through, origins.websocket, short_tmp) as found, WebSocket(found) as websocket:
        for _ in range(3):
            assert websocket.echo() > 0


@pytest.mark.e2e
def test_a_crowd_grows_up_to_what_is_wanted(origins: Origins, short_tmp: Path) -> None:
    with ExitStack() as stack:
        crowd = open_crowd("ours", Site(directory=short_tmp, upstream=origins.pages), stack)
        for count, sessions in ((5, 1), (30, 3)):
            crowd.grow(count)
            assert (crowd.sessions, crowd.connections) == (sessions, count)
            hosts = [crowd.peer.host, f"session{sessions - 1}-{crowd.peer.host.partition('-')[2]}"]
            assert measure_steady(crowd.peer, hosts, rate=50, seconds=0.1).p50 > 0


@pytest.mark.e2e
def test_steady_visitors_are_answered(origins: Origins, short_tmp: Path) -> None:
    with open_peer("ours", origins.pages, short_tmp) as found:
        latency = measure_steady(found, [found.host] * 3, rate=50, seconds=0.4)
        assert 0 < latency.p50 <= latency.p99
        with pytest.raises(BenchError, match=r"of 2 steady visitors 1 failed: the answer was b.HTTP.1\.1 404"):
            measure_steady(found, [found.host, "nobody.localhost"], rate=50, seconds=0.1)


@pytest.mark.e2e
@pytest.mark.parametrize("end", [LocalSession.end, LocalSession.leave, LocalSession.swap_relay])
def test_a_session_without_a_client_lives_until_it_ends(
    end: Callable[[LocalSession], None], origins: Origins, short_tmp: Path
) -> None:
    site = Site(directory=short_tmp, upstream=origins.pages)
    with open_gateway("ours", site, ours_command(site)):
        # Without the extension an end is an end, so that the name is free.
        for _ in range(2):
            session = LocalSession(control_socket(site), origins.pages, "again")
            found = Peer(name="ours", address=site.port, host=session.host)
            assert measure_steady(found, [session.host], rate=50, seconds=0.1).p50 > 0
            end(session)
            with pytest.raises(BenchError, match="the answer was"):
                measure_steady(found, [session.host], rate=50, seconds=0.1)


@pytest.mark.e2e
def test_a_refused_session_tells_the_reason(origins: Origins, short_tmp: Path) -> None:
    site = Site(directory=short_tmp, upstream=origins.pages)
    with (
        open_gateway("ours", site, ours_command(site)),
        LocalSession(control_socket(site), origins.pages, "one"),
        pytest.raises(BenchError, match="refused the application: name taken"),
    ):
        LocalSession(control_socket(site), origins.pages, "one", token="another")
