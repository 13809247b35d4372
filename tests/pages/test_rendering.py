"""Our own answers are whole HTTP messages that suit who asks, and their addresses reach nobody else."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from conductor_trio.access.cors import Preflight
from conductor_trio.access.reasons import (
    ApplicationStarting,
    BadRequest,
    LinkForOneBrowser,
    Reason,
    Redirect,
    Refusal,
    SessionEnded,
)
from conductor_trio.pages.answers import Hop, Reply, answer_for
from conductor_trio.pages.documents import (
    OPTIONS_ANSWER,
    Document,
    preflight_answer,
    session_document,
    status_page,
)
from conductor_trio.pages.house import House, Logo, digest
from conductor_trio.pages.rendering import NOTHING_KNOWN, About, Setting, format_answer
from conductor_trio.pages.session_page import SessionView
from conductor_trio.pages.words.languages import LANGUAGES
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


def page_for(
    reason: Reason, fields: bytes = b"", about: About = NOTHING_KNOWN, **setting: Any
) -> tuple[dict[bytes, bytes], str]:
    """Return the fields and the page that a browser gets that sends these fields."""
    head = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n" + fields + b"\r\n"
    data = format_answer(
        answer_for(reason),
        parse_request_head(head, max_fields=9),
        keep_alive=True,
        date=b"D",
        added=((b"Vary", b"Origin"),),
        setting=Setting(**setting),
        about=about,
    )
    response, body = read_answer(data, method=b"GET")
    return dict(response.headers), body.decode()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_every_page_is_small_and_in_the_readers_language(reason: Reason, language: str) -> None:
    about = About(key="lab", application="x" * 40, output=("&" * 200,) * 12)
    fields, page = page_for(reason, b"Accept-Language: " + language.encode() + b"\r\n", about, is_exposed=True)
    assert f'<html lang="{language}">' in page and fields[b"content-language"] == language.encode()
    assert fields[b"vary"] == b"Accept, Accept-Language, Origin"
    assert len(page.encode()) < 30_000
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    policy = fields[b"content-security-policy"].decode()
    for text in (*style, *scripts):
        assert digest(text) in policy
    assert ("script-src" in policy) is bool(scripts)


@pytest.mark.parametrize("accept", [b"application/json", b"*/*"])
def test_programs_read_english(accept: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: " + accept + b"\r\nAccept-Language: de\r\n\r\n"
    about = About(key="lab", application="JupyterLab")
    answer = answer_for(SessionEnded(since=0.0))
    request = parse_request_head(head, max_fields=9)
    response, body = read_answer(
        format_answer(answer, request, keep_alive=True, date=b"D", about=about), method=b"GET"
    )
    assert b"The application has ended" in body and b"conductor-trio" not in body
    assert dict(response.headers)[b"vary"] == b"Accept" and b"content-language" not in dict(response.headers)


def test_the_starting_page_says_for_how_long_and_nothing_of_a_status() -> None:
    _, page = page_for(
        ApplicationStarting(since=100.0), about=About(key="lab", application="JupyterLab"), now=175.9
    )
    assert "<h1>JupyterLab is starting</h1>" in page and ">1 min 15 s</span>" in page
    assert "503" not in page.partition("<body>")[2].partition("<script>")[0]
    assert "<code>conductor-trio stop lab</code>" in page and "What it says" not in page
    _, page = page_for(ApplicationStarting(since=100.0), now=99.0)  # by another clock
    assert ">0 s</span>" in page and "<h1>The application is starting</h1>" in page


def test_what_the_application_says_is_text() -> None:
    about = About(output=("<script>alert(1)</script>", "a & b"))
    _, page = page_for(ApplicationStarting(since=0.0), about=about)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\na &amp; b</pre>" in page
    _, page = page_for(ApplicationStarting(since=0.0), about=About(output=()))
    assert "Nothing yet.</pre>" in page


def test_names_are_told_to_those_alone_who_were_let_in_or_come_too_late() -> None:
    about = About(key="lab", application="JupyterLab")
    for reason in REASONS:
        _, page = page_for(reason, about=about)
        told = answer_for(reason).status in (410, 502, 504) or answer_for(reason).hop is not Hop.GATEWAY
        assert told or "JupyterLab" not in page


def test_the_house_stands_on_every_page() -> None:
    house = House(
        name="<HPC>", help_url="https://hpc.test/?a&b", announcement="Down <soon>.", logo=Logo("image/png", b"x")
    )
    for reason in REASONS:
        _, page = page_for(reason, house=house, announcement="Now.")
        for text in (
            "&lt;HPC&gt;</title>",
            'href="https://hpc.test/?a&amp;b"',
            "Down &lt;soon&gt;.",
            ">Now.</div>",
        ):
            assert text in page
        assert f'<img src="{house.logo.address}" alt="">' in page if house.logo else None
