"""Our own answers are whole HTTP messages that echo nothing and suit who asks."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from conductor_trio.access.reasons import (
    BadRequest,
    CookiesTooLarge,
    LinkForOneBrowser,
    PlantedCookies,
    Reason,
    Redirect,
    Refusal,
    SessionEnded,
    UpstreamFailed,
)
from conductor_trio.errors import UpstreamFault
from conductor_trio.pages.answers import answer_for
from conductor_trio.pages.rendering import format_answer
from tests.support.answers import REASONS, read_answer
from tests.support.heads import parse_request_head


def as_page(reason: Reason) -> tuple[dict[bytes, bytes], bytes]:
    """Return the fields and the body that a browser gets for a reason."""
    request = parse_request_head(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n", max_fields=9)
    response, body = read_answer(
        format_answer(answer_for(reason), request, keep_alive=True, date=b"D"), method=b"GET"
    )
    return dict(response.headers), body


@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_no_other_page_frames_ours_or_holds_its_window(reason: Reason) -> None:
    fields, _ = as_page(reason)
    assert b"frame-ancestors 'none'" in fields[b"content-security-policy"]
    expected = None if isinstance(reason, Redirect) else b"same-origin"
    assert fields.get(b"cross-origin-opener-policy") == expected


def test_a_one_time_link_has_a_button_that_sends_its_own_address() -> None:
    _, body = as_page(LinkForOneBrowser())
    assert b'<form method="post">\n<button' in body and b"<input" not in body


def test_pages_load_nothing() -> None:
    fields, body = as_page(Refusal.NO_TOKEN)
    assert b"default-src 'none'" in fields[b"content-security-policy"]

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "img", "iframe")
            assert not {"src", "onload", "formaction"} & {name for name, _ in attributes}
            for name, value in attributes:  # an icon of its own, lest the application is asked for one
                assert name != "href" or (tag == "link" and value is not None and value.startswith("data:image/"))
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


@pytest.mark.parametrize("reason", [Refusal.CROWDED_OUT, PlantedCookies()], ids=str)
def test_a_button_has_the_browser_forget_planted_cookies(reason: Reason) -> None:
    _, body = as_page(reason)
    assert b'<form method="post" action="/_conductor/cookies">\n<button' in body


def test_a_page_that_takes_cookies_away_comes_again_without_them() -> None:
    reply = answer_for(CookiesTooLarge(set_cookies=(b"a=; Max-Age=0", b"b=; Max-Age=0")))
    assert reply.status == 431 and reply.reload is not None
    assert reply.fields == ((b"Set-Cookie", b"a=; Max-Age=0"), (b"Set-Cookie", b"b=; Max-Age=0"))
