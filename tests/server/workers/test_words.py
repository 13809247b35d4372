"""What is said on the internal socket."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.errors import UpstreamFault
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.workers.words import (
    FORWARD,
    LENGTH,
    MINE,
    Failure,
    Introduction,
    format_as_received,
    format_introduction,
    parse_introduction,
    read_reply,
)


def read(data: bytes) -> RequestHead:
    reader = RequestReader(ServerLimits())
    reader.receive_data(data)
    head = reader.next_event()
    assert isinstance(head, RequestHead)
    return head


@given(
    address=st.sampled_from(["", "192.0.2.1", "2001:db8::1"]),
    is_https=st.booleans(),
    may_return=st.booleans(),
    is_counted=st.booleans(),
    failure=st.none()
    | st.builds(
        Failure,
        route_id=st.text(max_size=5),
        status=st.integers(500, 504),
        fault=st.sampled_from(UpstreamFault),
        what=st.text(max_size=20),
        since=st.floats(0, 1e9),
    ),
)
def test_who_the_visitor_is_arrives(
    address: str, is_https: bool, may_return: bool, is_counted: bool, failure: Failure | None
) -> None:
    told = Introduction(
        address=address, is_https=is_https, may_return=may_return, is_counted=is_counted, failure=failure
    )
    written = format_introduction(told)
    (length,) = LENGTH.unpack(written[: LENGTH.size])
    assert length == len(written) - LENGTH.size
    assert parse_introduction(written[LENGTH.size :]) == told


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"address": None, "https": True, "may_return": True},
        {"address": "x" * 1000, "https": True, "may_return": True},
        {"address": "", "https": 1, "may_return": True},
        {"address": "", "https": True, "may_return": True, "failure": ["r", 502, "none such", "", 1.0]},
        {"address": "", "https": True, "may_return": True, "failure": "x"},
    ],
)
def test_what_is_no_introduction_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no "):
        parse_introduction(json.dumps(value).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a?b HTTP/1.1\r\nHost: x\r\nCookie: authorization=secret; a=b\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
        b"POST / HTTP/1.0\r\nContent-Length: 3\r\nauthorization: Bearer x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: y:81\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_a_head_goes_on_as_it_came(data: bytes) -> None:
    assert format_as_received(read(data)) == data


def test_a_name_that_stands_in_the_target_alone_goes_on() -> None:
    head = read(b"GET http://app.test:8080/a HTTP/1.0\r\nA: b\r\n\r\n")
    assert format_as_received(head) == b"GET /a HTTP/1.0\r\nHost: app.test:8080\r\nA: b\r\n\r\n"


def test_replies() -> None:
    assert read_reply(b"") is None
    assert read_reply(FORWARD[:-1]) is None
    assert read_reply(FORWARD) == (True, b"")
    assert read_reply(MINE + b"HTTP") == (False, b"HTTP")
    assert read_reply(b"HTTP/1.1 400") == (False, b"HTTP/1.1 400")
