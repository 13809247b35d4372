"""What workers have done, summed."""

from __future__ import annotations

import json
import socket
import time

import attrs
import pytest
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.limits.workers import MAX_WORKER_LINE
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.observability.measures import Measures
from conductor_trio.server.routing.mirror import MirrorTable
from conductor_trio.server.settings import ServerSettings
from conductor_trio.server.workers.control_link import ControlLink
from conductor_trio.server.workers.plane import make_worker_plane
from conductor_trio.server.workers.usage import Reporter, WorkersUsage
from tests.support.engine import make_log
from tests.support.routes import make_route


def totals(requests: int, visitors: int) -> dict[str, object]:
    return {
        "totals": {
            "counts": {"requests_total": requests, "refused:no_route": 1, "upgrades": 2, "to_visitors": 5},
            "now": {"visitors": visitors},
            "times": {"direct": [1.5, *([0] * (len(Measures().direct.counts) - 1)), 3]},
        }
    }


def test_what_workers_have_counted_is_summed_and_stays_when_they_end() -> None:
    usage = WorkersUsage(Ledger(ServerLimits()))
    own = Counters(requests_total=1, refused=4)
    measures = Measures()
    measures.direct.observe(0.0)
    for worker, requests in (("a", 10), ("b", 20), ("a", 15)):
        usage.receive(worker, json.loads(json.dumps(totals(requests, 3))))
    assert usage.counters(own) == attrs.evolve(own, requests_total=36)
    assert (usage.now("visitors"), usage.count("to_visitors")) == (6, 10)
    usage.forget("a")
    usage.forget("a")
    assert usage.counters(own).requests_total == 36
    assert (usage.now("visitors"), usage.count("to_visitors")) == (3, 10)
    whole = usage.measures(measures)
    assert (whole.direct.count, whole.direct.counts[-1], whole.direct.sum) == (7, 6, 3.0)
    assert (whole.upgrades, whole.refusals["no_route"], measures.upgrades) == (4, 2, 0)


def test_a_session_hears_of_its_visitors_at_workers() -> None:
    ledger = Ledger(ServerLimits())
    account = ledger.session("r", "alice")
    usage = WorkersUsage(ledger)
    usage.receive("a", {"routes": {"r": [2, 10, 20, {"owner": 1, "s1": 2}], "gone": [1, 1, 1, {}]}})
    usage.receive("b", {"routes": {"r": [1, 0, 5, {"owner": 1}]}})
    account.connections[object()] = "owner"
    assert account.visitors() == {"owner": 3, "s1": 2} and account.present == 5
    traffic = account.traffic
    assert (traffic.requests, traffic.to_application, traffic.to_visitors) == (3, 10, 25)
    assert traffic.was_active and ledger.traffic.to_visitors == 0
    usage.receive("a", {"routes": {"r": [0, 0, 0, {}]}})
    usage.forget("b")
    assert account.present == 1


def test_a_session_hears_who_is_there_by_workers() -> None:
    ledger = Ledger(ServerLimits())
    presence = ledger.session("r", "alice").presence
    usage = WorkersUsage(ledger)
    bob = ["s1", "bob", "192.0.2.7", 1.5, 2]
    usage.receive("a", {"people": {"r": [bob, ["owner", None, None, 3, 0]], "gone": [bob]}})
    usage.receive("b", {"people": {"r": [bob]}})
    told = [attrs.astuple(one) for one in presence.describe(time.time())]
    assert told == [("s1", "bob", "192.0.2.7", 1.5, 4), ("owner", None, None, 3, 0)]
    usage.receive("a", {"people": {"r": []}})
    assert [one.connections for one in presence.describe(time.time())] == [2]
    usage.forget("b")
    assert presence.describe(time.time()) == [] and not presence.elsewhere


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"routes": {"r": [1, 2, 3]}},
        {"people": {"r": {}}},
        {"people": {"r": [["owner", None, None, 1.0]]}},
        {"people": {"r": [["owner", 7, None, 1.0, 1]]}},
        {"people": {"r": [["owner", None, None, "x", 1]]}},
        {"people": {"r": [["owner", None, None, True, 1]]}},
        {"routes": {"r": [1, 2, 3, {"owner": "x"}]}},
        {"totals": {"counts": {"a": "b"}, "now": {}, "times": {}}},
        {"totals": {"counts": {}, "now": {}, "times": {"direct": "x"}}},
    ],
)
def test_what_is_no_word_of_a_worker_is_refused(message: dict[str, object]) -> None:
    ledger = Ledger(ServerLimits())
    ledger.session("r", "alice")
    with pytest.raises(ValueError, match=r".+"):
        WorkersUsage(ledger).receive("a", message)


async def test_however_much_is_told_a_line_has_its_bound() -> None:
    """Of each of many sessions many shares are in use at one worker."""
    keys = [f"key-{number}" for number in range(300)]
    settings = ServerSettings(runtime_dir="/nowhere", patterns=("{key}-{user}.test",))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = ControlLink(trio.SocketStream(trio.socket.from_stdlib_socket(theirs)), settings.limits)
        proxy = make_worker_plane(settings, make_log([]), link)
        assert isinstance(proxy.routes, MirrorTable)
        for key in keys:
            proxy.routes.put(make_route(host=f"{key}.test", key=key))
        for runtime in proxy.runtimes:
            for share in range(100):
                runtime.account.connections[object()] = f"share-{share:020}"
        lines = [json.dumps(message) for message in Reporter(proxy).take() if "routes" in message]
        assert sum(len(json.loads(line)["routes"]) for line in lines) == len(keys)
        assert max(map(len, lines)) < MAX_WORKER_LINE / 10
