"""The answers that have one form: the counters by the contract's names, the session's page, preflights."""

from __future__ import annotations

import json

from conductor_trio.access.cors import Preflight
from conductor_trio.pages import documents
from conductor_trio.pages.session_page import SESSION_POLICY

STATUS = {
    "requests_total": 1,
    "requests_active": 2,
    "unauthorized": 3,
    "no_route": 4,
    "broken": 5,
    "limited": 6,
    "refused": 7,
    "internal_errors": 8,
    "routes_total": 9,
    "routes_detached": 10,
    "requests_parked": 11,
    "loop_delays": 12,
    "loop_delay_peak": 13,
}


def test_the_sessions_page_is_alone_with_its_proof() -> None:
    document = documents.session_document("a-proof")
    fields = dict(document.fields)
    assert b"a-proof" in document.body
    assert fields[b"Content-Security-Policy"] == SESSION_POLICY and b"frame-ancestors 'none'" in SESSION_POLICY
    assert fields[b"Cross-Origin-Opener-Policy"] == b"same-origin"
    assert fields[b"Cross-Origin-Embedder-Policy"] == b"require-corp"


def test_a_preflight_is_answered_by_fields_alone() -> None:
    answer = documents.preflight_answer(Preflight(origin=b"https://portal.test", method=b"PUT", headers=()))
    assert (answer.status, answer.body) == (200, b"")
    assert (b"Access-Control-Allow-Origin", b"https://portal.test") in answer.fields


def test_the_counters_have_the_names_of_the_contract() -> None:
    document = documents.status_page(STATUS)
    assert list(json.loads(document.body).items()) == [
        ("requestTotal", 1),
        ("requestActive", 2),
        ("unauthorized", 3),
        ("noroute", 4),
        ("broken", 5),
        ("limited", 6),
        ("refused", 7),
        ("internalErrors", 8),
        ("routesTotal", 9),
        ("routesLost", 10),
        ("requestsHeld", 11),
        ("loopDelays", 12),
        ("loopDelayPeak", 13),
    ]
