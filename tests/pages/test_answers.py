"""Our own answers are whole HTTP messages that echo nothing and suit who asks."""

from __future__ import annotations

import json
from collections import Counter
from html.parser import HTMLParser

import h11
import pytest

from conductor_trio.access.cors import Preflight
from conductor_trio.access.reasons import (
    ApplicationStarting,
    BadRequest,
    LinkForOneBrowser,
    LinkLost,
    Reason,
    Redirect,
    Refusal,
    SessionEnded,
    UpstreamFailed,
)
from conductor_trio.errors import UpstreamFault
from conductor_trio.http1.request import parse_request_head
from conductor_trio.pages.answers import Reply, answer_for, format_answer
from conductor_trio.pages.documents import (
    OPTIONS_ANSWER,
    Document,
    preflight_answer,
    session_document,
    status_page,
)

REASONS: list[Reason] = [
    *Refusal,
    Redirect(where="/", set_cookie="authorization=x"),
    LinkForOneBrowser(),
    ApplicationStarting(since=0.0),
    LinkLost(since=0.0),
    SessionEnded(since=0.0),
    *(BadRequest(status=status) for status in (400, 405, 408, 413, 414, 417, 431, 501, 505)),
    *(
        UpstreamFailed(status=status, fault=fault, what="it was seen", since=0.0)
        for status in (502, 503, 504)
        for fault in UpstreamFault
    ),
]
ANSWERS: list[Reply | Document] = [
    *map(answer_for, REASONS),
    OPTIONS_ANSWER,
    preflight_answer(Preflight(origin=b"https://portal.test", method=b"PUT", headers=(b"x-a",))),
    session_document("a-proof"),
    status_page(Counter()),
]


def read(data: bytes, method: bytes) -> tuple[h11.Response, bytes]:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    response = connection.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert connection.trailing_data == (b"", False)
    return response, body


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: str(answer.status))
@pytest.mark.parametrize("accept", [b"", b"text/html", b"application/json", b"*/*"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_every_answer_is_a_whole_message(answer: Reply | Document, accept: bytes, method: bytes) -> None:
    head = method + b" / HTTP/1.1\r\nHost: x\r\nAccept: " + accept + b"\r\n\r\n"
    request = parse_request_head(head, max_fields=9)
    for keep_alive in (True, False):
        data = format_answer(answer, request, keep_alive=keep_alive, date=b"Mon, 01 Jan 2035 00:00:00 GMT")
        response, body = read(data, method)
        fields = dict(response.headers)
        assert len(fields) == len(list(response.headers))
        assert response.status_code == answer.status
        assert fields[b"cache-control"] == b"no-store"
        assert fields[b"x-content-type-options"] == b"nosniff"
        assert fields.get(b"connection") == (None if keep_alive else b"close")
        assert body == b"" if method == b"HEAD" else len(body) == int(fields[b"content-length"])
        if b"json" in fields[b"content-type"] and body:
            json.loads(body)


def test_an_answer_to_what_could_not_be_read() -> None:
    response, body = read(
        format_answer(answer_for(BadRequest(status=400)), None, keep_alive=False, date=b"D"), b"GET"
    )
    assert response.status_code == 400
    assert dict(response.headers)[b"connection"] == b"close"
    assert body.startswith(b"400 Bad Request: ")


def as_page(reason: Reason) -> tuple[dict[bytes, bytes], bytes]:
    """Return the fields and the body that a browser gets for a reason."""
    request = parse_request_head(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n", max_fields=9)
    response, body = read(format_answer(answer_for(reason), request, keep_alive=True, date=b"D"), b"GET")
    return dict(response.headers), body


@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_no_other_page_frames_ours_or_holds_its_window(reason: Reason) -> None:
    fields, _ = as_page(reason)
    assert b"frame-ancestors 'none'" in fields[b"content-security-policy"]
    expected = None if isinstance(reason, Redirect) else b"same-origin"
    assert fields.get(b"cross-origin-opener-policy") == expected


def test_a_one_time_link_has_a_button_that_sends_its_own_address() -> None:
    fields, body = as_page(LinkForOneBrowser())
    assert b'<form method="post">\n<button' in body and b"<input" not in body
    # Without any referrer the form would come without its origin, and with more the link would go elsewhere.
    assert fields[b"referrer-policy"] == b"same-origin"


def test_pages_load_nothing() -> None:
    fields, body = as_page(Refusal.NO_TOKEN)
    assert b"default-src 'none'" in fields[b"content-security-policy"]

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "img", "link", "iframe")
            assert not {"src", "href", "onload", "formaction"} & {name for name, _ in attributes}
            assert tag != "form" or ("action", "/_conductor/login") in attributes

    Reader().feed(body.decode())


def test_what_to_do_when_it_is_not_there_now() -> None:
    assert (b"Retry-After", b"2") in answer_for(Refusal.TOO_MANY_CONNECTIONS).fields
    assert answer_for(Refusal.SESSION_CUT).fields == ()
    assert any(name == b"Allow" for name, _ in answer_for(BadRequest(status=405)).fields)


@pytest.mark.parametrize(
    ("reason", "status", "text"),
    [
        (Refusal.NO_ROUTE, 404, "No session is registered under this name at this gateway."),
        (Refusal.TOO_MANY_CONNECTIONS, 503, "This application has too many connections at this moment."),
        (Refusal.TOO_MANY_VISITORS, 503, "The gateway has too many visitors at this moment."),
        (Refusal.SESSION_CUT, 502, "The session ended before the application answered."),
        (
            SessionEnded(since=0.0),
            410,
            "The session that had this address ended at 00:00:00 UTC on 01 January 1970.",
        ),
        (
            UpstreamFailed(status=502, fault=UpstreamFault.RELAY_SOCKET, what="cannot connect: X", since=0.0),
            502,
            "The way to the application, its relay socket, failed: cannot connect: X. This is so since "
            "00:00:00 UTC on 01 January 1970.",
        ),
        (
            UpstreamFailed(status=502, fault=UpstreamFault.BAD_ANSWER, what="bare CR", since=0.0),
            502,
            "The application did not give a proper answer: bare CR. This is so since 00:00:00 UTC on "
            "01 January 1970.",
        ),
        (
            UpstreamFailed(status=502, fault=UpstreamFault.SESSION_ENDED, what="the session ended", since=0.0),
            502,
            "The session ended. This is so since 00:00:00 UTC on 01 January 1970.",
        ),
    ],
    ids=str,
)
def test_what_visitors_are_told(reason: Reason, status: int, text: str) -> None:
    reply = answer_for(reason)
    assert (reply.status, reply.text) == (status, text)
