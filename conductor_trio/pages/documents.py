"""Answers that have one form, whatever a visitor asks for: counters, the session's page, preflights."""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from conductor_trio.access.cors import Preflight, preflight_fields
from conductor_trio.pages.session_page import SESSION_POLICY, SignOn, render_session_page


@attrs.frozen(kw_only=True)
class Document:
    """An answer whose body is made already, such as the counters."""

    content_type: bytes
    body: bytes
    status: int = 200
    fields: tuple[tuple[bytes, bytes], ...] = ()


OPTIONS_ANSWER = Document(
    content_type=b"text/plain",
    body=b"",
    status=200,
    fields=((b"Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),),
)


def session_document(proof: str, sign_on: SignOn = SignOn.NONE) -> Document:
    """Return the session's page, with the proof that its script shows; "" for one that needs none.

    No window of the application's may hold it: with both policies of isolation it shares its group of windows only
    with pages that set both themselves.
    """
    return Document(
        content_type=b"text/html; charset=utf-8",
        body=render_session_page(proof, sign_on),
        fields=(
            (b"Content-Security-Policy", SESSION_POLICY),
            (b"Cross-Origin-Opener-Policy", b"same-origin"),
            (b"Cross-Origin-Embedder-Policy", b"require-corp"),
            (b"Referrer-Policy", b"no-referrer"),
        ),
    )


def preflight_answer(preflight: Preflight) -> Document:
    """Return the answer to a preflight, whose fields are all that it says."""
    return Document(content_type=b"text/plain", body=b"", fields=preflight_fields(preflight))


#: What monitoring systems poll, by the names that they are told; those up to `broken` are the contract's.
_STATUS_NAMES = {
    "requestTotal": "requests_total",
    "requestActive": "requests_active",
    "unauthorized": "unauthorized",
    "noroute": "no_route",
    "broken": "broken",
    "limited": "limited",
    "refused": "refused",
    "internalErrors": "internal_errors",
    "routesTotal": "routes_total",
    "routesLost": "routes_detached",
    "requestsHeld": "requests_parked",
    "loopDelays": "loop_delays",
    "loopDelayPeak": "loop_delay_peak",
}


def status_page(values: Mapping[str, int]) -> Document:
    """Return the server's counters as JSON; `values` are by our own names."""
    told = {name: values[ours] for name, ours in _STATUS_NAMES.items()}
    return Document(content_type=b"application/json", body=json.dumps(told).encode())
