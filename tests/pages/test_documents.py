"""The answers that have one form: the counters by the contract's names, the session's page, preflights."""

from __future__ import annotations

import json

from conductor_trio.access.cors import Preflight
from conductor_trio.pages import documents
from conductor_trio.pages.house import House, Logo
from conductor_trio.pages.session_page import SessionView, session_policy
from conductor_trio.pages.words.languages import LANGUAGES

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
    document = documents.session_document(SessionView(key="lab", proof="a-proof"))
    fields = dict(document.fields)
    assert b"a-proof" in document.body
    assert fields[b"Content-Security-Policy"] == session_policy(House())
    assert b"frame-ancestors 'none'" in fields[b"Content-Security-Policy"]
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


def test_the_sessions_page_is_in_the_readers_language() -> None:
    document = documents.session_document(SessionView(key="lab"), LANGUAGES["de"])
    assert dict(document.fields)[b"Content-Language"] == b"de"
    assert dict(document.fields)[b"Vary"] == b"Accept-Language"


def test_the_logo_is_a_picture_that_runs_nothing_and_is_kept() -> None:
    document = documents.logo_document(Logo("image/svg+xml", b"<svg/>"))
    fields = dict(document.fields)
    assert (document.content_type, document.body) == (b"image/svg+xml", b"<svg/>")
    assert b"sandbox" in fields[b"Content-Security-Policy"]
    assert b"default-src 'none'" in fields[b"Content-Security-Policy"]
    assert document.cache_control.startswith(b"public, max-age=")
