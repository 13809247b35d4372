"""Our own answers are whole HTTP messages that echo nothing and suit who asks."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import h11
import pytest

from conductor_trio.http1.request import parse_request_head
from conductor_trio.pages import answers
from conductor_trio.pages.answers import Document, Reply, format_answer

ANSWERS: list[Reply | Document] = [
    answers.NO_ROUTE,
    answers.NO_PAGE,
    answers.NO_TOKEN,
    answers.WRONG_TOKEN,
    answers.CROSS_SITE,
    answers.METHOD_NOT_ALLOWED,
    answers.OPTIONS_ANSWER,
    *(answers.bad_request(status) for status in (400, 405, 408, 414, 417, 431, 501, 505)),
    *(answers.broken(status, "The application closed the connection.") for status in (502, 503, 504)),
    answers.redirect("/", "authorization=x"),
    answers.counters({"requestTotal": 1}),
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
    response, body = read(format_answer(answers.bad_request(400), None, keep_alive=False, date=b"D"), b"GET")
    assert response.status_code == 400
    assert dict(response.headers)[b"connection"] == b"close"
    assert body.startswith(b"400 Bad Request: ")


def test_pages_load_nothing() -> None:
    request = parse_request_head(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n", max_fields=9)
    response, body = read(format_answer(answers.NO_TOKEN, request, keep_alive=True, date=b"D"), b"GET")
    assert b"default-src 'none'" in dict(response.headers)[b"content-security-policy"]

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "img", "link", "iframe")
            assert not {"src", "href", "onload", "formaction"} & {name for name, _ in attributes}
            assert tag != "form" or ("action", "/_conductor/login") in attributes

    Reader().feed(body.decode())


def test_what_to_do_when_it_is_not_there_now() -> None:
    assert (b"Retry-After", b"2") in answers.broken(503, "x").fields
    assert answers.broken(502, "x").fields == ()
    assert any(name == b"Allow" for name, _ in answers.bad_request(405).fields)
