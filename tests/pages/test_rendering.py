"""Our own answers are whole HTTP messages that suit who asks, and their addresses reach nobody else."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from conductor_trio.access.cors import Preflight
from conductor_trio.access.reasons import BadRequest, LinkForOneBrowser, Reason, Redirect, Refusal
from conductor_trio.pages.answers import Reply, answer_for
from conductor_trio.pages.documents import (
    OPTIONS_ANSWER,
    Document,
    preflight_answer,
    session_document,
    status_page,
)
from conductor_trio.pages.rendering import Setting, format_answer
from conductor_trio.pages.session_page import SessionView
from tests.support.answers import REASONS, read_answer
from tests.support.heads import parse_request_head

ANSWERS: list[Reply | Document] = [
    *map(answer_for, REASONS),
    OPTIONS_ANSWER,
    preflight_answer(Preflight(origin=b"https://portal.test", method=b"PUT", headers=(b"x-a",))),
    session_document(SessionView(key="lab", proof="a-proof")),
    status_page(Counter()),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: str(answer.status))
@pytest.mark.parametrize("accept", [b"", b"text/html", b"application/json", b"*/*"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_every_answer_is_a_whole_message(answer: Reply | Document, accept: bytes, method: bytes) -> None:
    head = method + b" / HTTP/1.1\r\nHost: x\r\nAccept: " + accept + b"\r\n\r\n"
    request = parse_request_head(head, max_fields=9)
    for keep_alive in (True, False):
        data = format_answer(answer, request, keep_alive=keep_alive, date=b"Mon, 01 Jan 2035 00:00:00 GMT")
        response, body = read_answer(data, method=method)
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
    response, body = read_answer(
        format_answer(answer_for(BadRequest(status=400)), None, keep_alive=False, date=b"D"), method=b"GET"
    )
    assert response.status_code == 400
    assert dict(response.headers)[b"connection"] == b"close"
    assert body.startswith(b"400 Bad Request: ")


def answer(reason: Reason, target: bytes, *, is_exposed: bool = False) -> tuple[dict[bytes, bytes], bytes]:
    """Return the fields and the body that a browser gets for a reason at an address."""
    head = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n"
    request = parse_request_head(head, max_fields=9)
    data = format_answer(
        answer_for(reason), request, keep_alive=True, date=b"D", setting=Setting(is_exposed=is_exposed)
    )
    response, body = read_answer(data, method=b"GET")
    return dict(response.headers), body


@pytest.mark.parametrize(
    "reason",
    [LinkForOneBrowser(), Refusal.WRONG_TOKEN, Refusal.LINK_USED, Refusal.NO_ROUTE, Refusal.NO_PAGE],
    ids=str,
)
def test_the_address_of_a_link_goes_nowhere(reason: Reason) -> None:
    # Without any referrer a form would come without its origin, and with more the link would go elsewhere.
    fields, _ = answer(reason, b"/_conductor/auth/t0ken")
    assert fields[b"referrer-policy"] == b"origin"


def test_other_pages_lead_back_to_where_they_stood() -> None:
    assert b"referrer-policy" not in answer(Refusal.NO_TOKEN, b"/lab?a=b")[0]
    redirect = Redirect(where="/", set_cookies=())
    assert answer(redirect, b"/_conductor/auth/t0ken")[0][b"referrer-policy"] == b"no-referrer"


@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_who_is_asked_for_a_token_is_told_that_others_read_it(reason: Reason) -> None:
    assert b"Not private" not in answer(reason, b"/")[1]
    asks = b"<form" in answer(reason, b"/")[1]
    assert (b"Not private" in answer(reason, b"/", is_exposed=True)[1]) is asks
