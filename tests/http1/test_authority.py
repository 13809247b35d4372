"""The Host field is read strictly, whoever asks: one host in one spelling, and a port that can be one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.authority import Authority, parse_authority


@pytest.mark.parametrize(
    ("value", "authority"),
    [
        (b"example.org", Authority(host="example.org", port=None)),
        (b"Example.ORG", Authority(host="example.org", port=None)),
        (b"example.org.", Authority(host="example.org", port=None)),
        (b"example.org:80", Authority(host="example.org", port=80)),
        (b"example.org.:65535", Authority(host="example.org", port=65535)),
        (b"example.org:", Authority(host="example.org", port=None)),
        (b"example.org:00080", Authority(host="example.org", port=80)),
        (b"127.0.0.1:8888", Authority(host="127.0.0.1", port=8888)),
        (b"[::1]:8888", Authority(host="[::1]", port=8888)),
        (b"[FE80::1]", Authority(host="[fe80::1]", port=None)),
    ],
)
def test_authorities(value: bytes, authority: Authority) -> None:
    assert parse_authority(value) == authority


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b":80",
        b"a b",
        b"a\tb",
        b" a",
        b"a ",
        b"a\n",
        b"a,b",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a@b",
        b"user@a:80",
        b"a:b",
        b"a:-1",
        b"a:+1",
        b"a:0",
        b"a:65536",
        b"a:999999",
        b"a:80:80",
        b"a%62",
        b"a\\b",
        b"[::1",
        b"::1",
        b"[::1]x",
        b"[]",
        b"[fe80::1%25eth0]",
        b"a\x00",
        b"\xff",
        "a\u212a".encode(),
    ],
)
def test_bad_authorities(value: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as error:
        parse_authority(value)
    assert error.value.status == 400
    if value:
        assert value.decode("latin-1") not in str(error.value)  # what a visitor sent is not echoed


@given(st.binary(max_size=20) | st.from_regex(rb"[a-zA-Z.:0-9\[\]]{0,12}", fullmatch=True))
def test_any_authority_gives_a_value_or_the_documented_error(value: bytes) -> None:
    try:
        authority = parse_authority(value)
    except RemoteProtocolError:
        return
    assert authority.host == authority.host.lower()
    assert authority.port is None or 0 < authority.port < 65536
    again = authority.host if authority.port is None else f"{authority.host}:{authority.port}"
    if not authority.host.endswith(".") and authority.host:
        assert parse_authority(again.encode()) == authority


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        (b"x.test", b"X.TEST.", True),
        (b"x.test", b"x.test:81", True),
        (b"x.test:81", b"x.test", True),
        (b"x.test:81", b"x.test:81", True),
        (b"x.test:81", b"x.test:82", False),
        (b"x.test", b"y.test", False),
    ],
)
def test_two_agree_where_neither_contradicts_the_other(one: bytes, other: bytes, agree: bool) -> None:
    assert parse_authority(one).agrees_with(parse_authority(other)) is agree
