"""The access log: nothing that somebody sent breaks a line, and no token or query gets into one."""

from __future__ import annotations

import json
import re
from datetime import datetime
from urllib.parse import quote

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.access.grants import OWNER, Principal
from conductor_trio.http1.forwarded import Peer
from conductor_trio.server.observability.access_log import (
    AccessEntry,
    AccessLog,
    describe,
    format_combined,
    format_json,
    safe_path,
)
from tests.support.heads import parse_request_head
from tests.support.observing import KeptLines
from tests.support.routes import make_route
from tests.support.shares import make_named

STRANGER = Peer(address="192.0.2.1", is_https=False, is_trusted=False)
FRONT = Peer(address=None, is_https=False, is_trusted=True)
TOKEN = "s3cr3t-token-of-alice"

#: As Apache's and nginx's log readers take it apart.
_TEXT = r'"(?:[^"\\]|\\.)*"'
COMBINED = re.compile(
    r"(?P<address>\S+) - (?P<user>\S+) \[(?P<time>[^\]]+)\] "
    rf"(?P<line>{_TEXT}) (?P<status>\d{{3}}) (?P<bytes>\d+|-) (?P<referer>{_TEXT}) (?P<agent>{_TEXT}) "
    rf"(?P<host>{_TEXT}) (?P<request>\S+) (?P<session>\S+) (?P<seconds>\S+)\n"
)


def entry_of(head: bytes, peer: Peer = STRANGER) -> AccessEntry:
    request = parse_request_head(head + b"\r\n", max_fields=100)
    return AccessLog(KeptLines()).open_entry(request, peer)


def test_a_line_has_all_of_it() -> None:
    entry = entry_of(b"GET /lab/tree?token=x HTTP/1.1\r\nHost: Lab-alice.test:8888\r\nUser-Agent: curl/8\r\n")
    route = make_route()
    entry.admit(route, OWNER)
    entry.status, entry.sent, entry.took, entry.first_byte = 200, 1234, 0.5, 0.25
    told = json.loads(format_json(describe(entry)))
    assert told.pop("time").endswith("Z") and told.pop("request")
    assert told == {
        "address": "192.0.2.1",
        "host": "lab-alice.test",
        "method": "GET",
        "path": "/lab/tree",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 1234,
        "cut": False,
        "seconds": 0.5,
        "queued": 0.0,
        "first_byte": 0.25,
        "user": "alice",
        "session": route.id,
        "grant": "owner",
        "share": None,
        "identity": None,
        "agent": "curl/8",
    }


def test_a_share_is_told_by_its_id() -> None:
    entry = entry_of(b"GET / HTTP/1.1\r\nHost: a.test\r\n")
    entry.admit(make_route(), Principal("k3x"))
    told = describe(entry)
    assert (told["grant"], told["share"], told["status"]) == ("share", "k3x", 499)
    found = COMBINED.fullmatch(format_combined(told))
    assert found is not None and found["user"] == "alice:k3x"


def test_whom_the_sign_on_knows_is_told_by_name() -> None:
    entry = entry_of(b"GET / HTTP/1.1\r\nHost: a.test\r\n")
    entry.admit(make_route(shares=(make_named("@staff", id="k3x"),)), Principal("k3x"), "b o\nb")
    told = describe(entry)
    assert (told["grant"], told["share"], told["identity"]) == ("identity", "k3x", "b o\nb")
    found = COMBINED.fullmatch(format_combined(told))
    assert found is not None and found["user"] == "alice:k3x:b\\x20o\\x0ab"


#: Login links, spelled so that the server, or a server before or behind it, might take them for one.
LINKS = [
    f"/_conductor/auth/{TOKEN}",
    f"/_conductor/auth/{TOKEN}/more",
    f"//_conductor/auth/{TOKEN}",
    f"/_conductor//auth/{TOKEN}",
    f"/%5Fconductor/auth/{TOKEN}",
    f"/%255fconductor/auth/{TOKEN}",
    f"/_conductor%2fauth%2f{TOKEN}",
    f"/lab/../_conductor/auth/{TOKEN}",
    f"/_conductor/../_conductor/auth/{TOKEN}",
    f"/_conductor\\auth\\{TOKEN}",
    f"/_conductor/{TOKEN}/auth",
    f"/lab/_conductor/auth/{TOKEN}",
    f"/_CONDUCTOR/auth/{TOKEN}",
    f"/_conductor/auth/?next=/{TOKEN}",
    f"/_conductor/auth/;{TOKEN}",
    f"/lab;session={TOKEN}?token={TOKEN}",
]


@pytest.mark.parametrize("target", LINKS)
def test_no_spelling_of_a_login_link_shows_its_token(target: str) -> None:
    assert TOKEN not in safe_path(target.encode())


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/a%20b/c?x=1", "/a%20b/c"),
        ("/_conductor/status", "/_conductor/status"),
        ("/_conductor", "/_conductor/"),
        (f"/_conductor/auth/{TOKEN}", "/_conductor/auth/[...]"),
        ("/files/my_conductor/notes.txt", "/files/my_conductor/notes.txt"),
        ("*", "*"),
    ],
)
def test_other_paths_are_told_as_they_came(target: str, path: str) -> None:
    assert safe_path(target.encode()) == path


@given(
    st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=30),
    st.integers(0, 3),
)
def test_a_token_is_hidden_however_often_it_is_encoded(token: str, times: int) -> None:
    link = f"/_conductor/auth/MARK{token}"
    for _ in range(times):
        link = quote(link, safe="/")
    assert "MARK" not in safe_path(link.encode())


_VALUE = st.binary(max_size=40).map(lambda data: re.sub(rb"[\x00-\x08\x0a-\x1f\x7f]", b"", data))


@given(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40),
    _VALUE,
    st.text(max_size=20),
    st.text(max_size=20),
)
@example('"\\', b'"\\" 200 1 "', 'a"b\r\nGET', "\ud800\x1b]0;x\x07\u2028")
def test_nothing_that_was_sent_breaks_a_line(path: str, agent: bytes, address: str, user: str) -> None:
    target = b"/" + path.replace("#", "").encode()
    entry = entry_of(b"GET " + target + b" HTTP/1.1\r\nHost: a.test\r\nUser-Agent: " + agent + b"\r\n")
    entry.address = address
    entry.admit(attrs.evolve(make_route(), user=user), OWNER)
    line = format_json(describe(entry))
    assert line[:-1].isascii() and line[:-1].isprintable() and json.loads(line)["address"] == address
    combined = format_combined(describe(entry))
    assert combined[:-1].isascii() and combined[:-1].isprintable()
    assert COMBINED.fullmatch(combined), combined


def test_the_combined_time_is_that_of_the_beginning() -> None:
    entry = attrs.evolve(entry_of(b"GET / HTTP/1.1\r\nHost: a.test\r\n"), at=1_700_000_000.25)
    found = COMBINED.fullmatch(format_combined(describe(entry)))
    assert found is not None
    at = datetime.strptime(found["time"], "%d/%b/%Y:%H:%M:%S %z")
    assert at.timestamp() == 1_700_000_000 and found["user"] == "-" and found["bytes"] == "-"


# The request's id.


def id_of(fields: bytes, peer: Peer) -> bytes:
    return entry_of(b"GET / HTTP/1.1\r\nHost: a.test\r\n" + fields, peer).request_id


def test_a_visitors_id_is_not_believed() -> None:
    assert id_of(b"X-Request-Id: forged\r\n", STRANGER) != b"forged"


def test_a_front_proxys_is() -> None:
    assert id_of(b"X-Request-Id: 4f7e-1b09\r\n", FRONT) == b"4f7e-1b09"


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"X-Request-Id: a b\r\n",
        b'X-Request-Id: "\r\n',
        b"X-Request-Id: " + b"x" * 129 + b"\r\n",
        b"X-Request-Id: a\r\n" * 2,
    ],
)
def test_unless_it_is_none(fields: bytes) -> None:
    assert re.fullmatch(rb"[0-9a-f]{12}-[0-9a-f]+", id_of(fields, FRONT))


def test_no_two_are_the_same() -> None:
    request = parse_request_head(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", max_fields=100)
    logs = [AccessLog(KeptLines()) for _ in range(2)]
    ids = {log.open_entry(request, STRANGER).request_id for log in logs for _ in range(100)}
    assert len(ids) == 200
