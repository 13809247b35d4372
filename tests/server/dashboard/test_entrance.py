"""Who gets into the dashboard: a cookie of its own, a one-time link by a button, nothing from another page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.grants import Share
from conductor_trio.pages.answers import Reply
from conductor_trio.pages.html import Form
from conductor_trio.server.admin.entries import Entries
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.dashboard.entrance import (
    Leave,
    OpenSocket,
    Redeem,
    Ruling,
    ShowPage,
    TellEntry,
    WrongLink,
    format_cookie,
    rule_entrance,
    shown_tokens,
)
from tests.support.guards import OpenGuard
from tests.support.heads import parse_request_head

ROOT = Operator(uid=0, user="root")
NOW = 1000.0
SOCKET = (
    b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
OWN = b"Origin: https://admin.test\r\n"


class Door:
    """The dashboard's, with a link and one who was let in by another."""

    def __init__(self) -> None:
        self.entries = Entries("admin.test")
        self.link = self._make_link()
        token = self._make_link()
        found = self.entries.access.find_link(token.encode(), NOW)
        assert isinstance(found, Share)
        self.used = token
        self.cookie, self.entry = self.entries.redeem(found, NOW)

    def _make_link(self) -> str:
        return self.entries.make_link(ROOT, NOW)[0]

    def rule(self, line: str, fields: bytes = b"", *, https: bool = True, cookie: bool = False) -> Ruling:
        if cookie:
            fields += f"Cookie: __Host-conductor-admin={self.cookie}\r\n".encode()
        head = parse_request_head(
            f"{line} HTTP/1.1\r\nHost: admin.test\r\n".encode() + fields + b"\r\n", max_fields=100
        )
        return rule_entrance(head, self.entries, None, OpenGuard(), https=https, now=NOW)


def status(ruling: Ruling) -> int:
    assert isinstance(ruling, Reply)
    return ruling.status


def test_the_page_is_for_those_who_were_let_in() -> None:
    door = Door()
    assert status(door.rule("GET /")) == 403
    assert door.rule("GET /", cookie=True) == ShowPage(door.entry)
    assert door.rule("HEAD /?x=1", cookie=True) == ShowPage(door.entry)
    assert status(door.rule("POST /", cookie=True)) == 405
    assert (
        status(door.rule("GET /", b"Sec-Fetch-Dest: iframe\r\nSec-Fetch-Mode: navigate\r\n", cookie=True)) == 403
    )
    assert status(door.rule("GET /", b"Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\n", cookie=True)) == 403
    for path in ("/x", "/_conductor/", "/_conductor/login", "/_conductor/x", "//", "/%2e", "/_conductor/auth/a/b"):
        assert status(door.rule(f"GET {path}", cookie=True)) == status(door.rule(f"GET {path}")) == 404


def test_a_browser_that_kept_the_cookie_back_asks_once_more_by_itself() -> None:
    door = Door()
    led = b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
    answer = door.rule("GET /", led)
    assert isinstance(answer, Reply) and answer.reload is not None
    answer = door.rule("GET /", led.replace(b"cross-site", b"same-origin"))
    assert isinstance(answer, Reply) and answer.reload is None


def test_a_link_is_spent_by_a_button_and_by_nothing_else() -> None:
    door = Door()
    path = f"/_conductor/auth/{door.link}"
    for method in ("GET", "HEAD"):
        answer = door.rule(f"{method} {path}")
        assert isinstance(answer, Reply) and (answer.status, answer.form) == (200, Form.OPEN_DASHBOARD)
    assert status(door.rule(f"DELETE {path}")) == 405
    assert status(door.rule(f"POST {path}", b"Origin: https://evil.test\r\n")) == 403
    assert status(door.rule(f"POST {path}", b"Origin: null\r\n")) == 403
    assert status(door.rule(f"POST {path}", b"Origin: http://admin.test\r\n")) == 403
    assert status(door.rule(f"POST {path}", b"Sec-Fetch-Site: same-site\r\n")) == 403
    spent = door.rule(f"POST {path}", OWN)
    assert isinstance(spent, Redeem)
    door.entries.redeem(spent.share, NOW)
    answer = door.rule(f"POST {path}", OWN)
    assert isinstance(answer, Reply) and "has been used" in answer.title


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00", "authorization"])
def test_a_wrong_link_is_told_so(token: str) -> None:
    assert isinstance(Door().rule(f"GET /_conductor/auth/{token}"), WrongLink)
    assert isinstance(Door().rule(f"POST /_conductor/auth/{token}", OWN), WrongLink)


def test_the_cookie_of_an_entry_is_no_link_and_a_link_no_cookie() -> None:
    door = Door()
    assert isinstance(door.rule(f"POST /_conductor/auth/{door.cookie}", OWN), WrongLink)
    planted = f"Cookie: __Host-conductor-admin={door.link}; __Host-conductor-admin={door.used}\r\n".encode()
    assert status(door.rule("GET /", planted)) == 403


def test_the_socket_is_for_the_pages_own_origin() -> None:
    door = Door()
    assert door.rule("GET /_conductor/live", SOCKET + OWN, cookie=True) == OpenSocket(door.entry)
    assert status(door.rule("GET /_conductor/live", SOCKET + OWN)) == 403
    for origin in (
        b"https://evil.test",
        b"null",
        b"https://x.admin.test",
        b"https://admin.test:444",
        b"http://admin.test",
    ):
        fields = SOCKET + b"Origin: " + origin + b"\r\n"
        assert status(door.rule("GET /_conductor/live", fields, cookie=True)) == 403
    assert status(door.rule("GET /_conductor/live", SOCKET, cookie=True)) == 403  # no browser leaves it out
    assert door.rule("GET /_conductor/live", cookie=True) == TellEntry()
    assert status(door.rule("GET /_conductor/live")) == 403


def test_signing_out_is_for_the_page_alone() -> None:
    door = Door()
    assert door.rule("POST /_conductor/leave", OWN, cookie=True) == Leave(door.entry)
    assert door.rule("POST /_conductor/leave", OWN) == Leave(None)
    assert status(door.rule("POST /_conductor/leave", b"Origin: https://evil.test\r\n", cookie=True)) == 403
    assert status(door.rule("GET /_conductor/leave", cookie=True)) == 405


def test_over_https_a_cookie_counts_that_no_neighbour_can_plant() -> None:
    door = Door()
    plain = f"Cookie: a=b; conductor-admin={door.cookie}\r\n".encode()
    assert status(door.rule("GET /", plain)) == 403
    assert door.rule("GET /", plain, https=False) == ShowPage(door.entry)
    many = b"Cookie: " + b"; ".join(b"conductor-admin=%d" % number for number in range(50))
    assert door.rule("GET /", many + f"; conductor-admin={door.cookie}\r\n".encode(), https=False) == ShowPage(
        door.entry
    )


def test_the_cookie_is_its_hosts_alone() -> None:
    assert format_cookie("t", https=True) == (
        b"__Host-conductor-admin=t; Path=/; HttpOnly; SameSite=Strict; Secure"
    )
    assert format_cookie("t", https=False) == b"conductor-admin=t; Path=/; HttpOnly; SameSite=Strict"
    assert format_cookie("", https=False).endswith(b"Max-Age=0")


@given(st.binary(max_size=80).map(lambda value: bytes(byte for byte in value if 32 <= byte < 127)))
def test_whatever_a_cookie_field_holds(value: bytes) -> None:
    head = parse_request_head(
        b"GET / HTTP/1.1\r\nHost: a.test\r\nCookie: x; conductor-admin=t; " + value + b"\r\n\r\n", max_fields=9
    )
    assert b"t" in shown_tokens(head, https=False)
