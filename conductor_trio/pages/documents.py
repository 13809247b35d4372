"""Answers that have one form, whatever a visitor asks for: counters, the session's page, preflights."""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from conductor_trio.access.cors import Preflight, preflight_fields
from conductor_trio.limits.constants import LOGO_MAX_AGE
from conductor_trio.pages.house import House, Logo
from conductor_trio.pages.session_page import SessionView, render_session_page, session_policy
from conductor_trio.pages.words.english import ENGLISH
from conductor_trio.pages.words.words import Language


@attrs.frozen(kw_only=True)
class Document:
    """An answer whose body is made already, such as the counters."""

    content_type: bytes
    body: bytes
    status: int = 200
    fields: tuple[tuple[bytes, bytes], ...] = ()
    cache_control: bytes = b"no-store"


OPTIONS_ANSWER = Document(
    content_type=b"text/plain",
    body=b"",
    status=200,
    fields=((b"Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),),
)


def session_document(view: SessionView, language: Language = ENGLISH, house: House | None = None) -> Document:
    """Return the session's page.

    No window of the application's may hold it: with both policies of isolation it shares its group of windows only
    with pages that set both themselves.
    """
    house = house or House()
    return Document(
        content_type=b"text/html; charset=utf-8",
        body=render_session_page(view, language, house),
        fields=(
            (b"Content-Security-Policy", session_policy(house)),
            (b"Content-Language", language.code.encode()),
            (b"Vary", b"Accept-Language"),
            (b"Cross-Origin-Opener-Policy", b"same-origin"),
            (b"Cross-Origin-Embedder-Policy", b"require-corp"),
            (b"Referrer-Policy", b"no-referrer"),
        ),
    )


def logo_document(logo: Logo) -> Document:
    """Return the house's logo, which is a picture wherever it is opened, and runs nothing."""
    return Document(
        content_type=logo.type.encode(),
        body=logo.data,
        fields=(
            (b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"),
            (b"Cross-Origin-Resource-Policy", b"same-origin"),
        ),
        cache_control=b"public, max-age=%d, immutable" % LOGO_MAX_AGE,
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
