"""Field blocks are read strictly, and what names a hop's business is known."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.fields import (
    NO_RULES,
    Field,
    FieldName,
    FieldRules,
    format_fields,
    is_not_forwarded,
    list_elements,
    parse_field_block,
    passable_trailers,
)
from conductor_trio.limits.constants import MAX_KNOWN_NAME, MAX_KNOWN_NAMES
from tests.support.messages import pairs


def field(name: bytes, value: bytes = b"") -> Field:
    return Field(name, name.lower(), value)


@given(pairs)
def test_what_is_written_is_read_again(written: list[tuple[bytes, bytes]]) -> None:
    fields = tuple(field(name, value) for name, value in written)
    assert parse_field_block(format_fields(fields), max_fields=10) == fields


@given(pairs, st.sampled_from([b"", b" ", b"\t", b" \t "]), st.sampled_from([b"", b" ", b"\t\t"]))
def test_white_space_around_a_value_is_no_part_of_it(
    written: list[tuple[bytes, bytes]], before: bytes, after: bytes
) -> None:
    block = b"".join(name + b":" + before + value + after + b"\r\n" for name, value in written)
    assert [(f.name, f.value) for f in parse_field_block(block, max_fields=10)] == written


@pytest.mark.parametrize(
    "block",
    [
        b"a: b",
        b"a: b\n",
        b"a: b\r",
        b"a : b\r\n",
        b"a\t: b\r\n",
        b": b\r\n",
        b"a\r\n",
        b"\r\n",
        b" a: b\r\n",
        b"a: b\r\n c\r\n",
        b"a: b\r\n\tc: d\r\n",
        b"a: b\rc\r\n",
        b"a: b\nc: d\r\n",
        b"a: b\x00\r\n",
        b"a: \x1b\r\n",
        b"a: \x7f\r\n",
        b"\xe9: b\r\n",
        b"a(b): c\r\n",
        b"a: b\r\n\r\nc: d\r\n",
    ],
)
def test_whatever_is_not_strict_is_refused(block: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_field_block(block, max_fields=100)
    assert caught.value.status == 400


def test_more_fields_than_allowed_are_refused() -> None:
    assert len(parse_field_block(b"a: b\r\n" * 5, max_fields=5)) == 5
    with pytest.raises(RemoteProtocolError) as caught:
        parse_field_block(b"a: b\r\n" * 6, max_fields=5)
    assert caught.value.status == 431


@given(
    st.one_of(
        st.binary(max_size=60),
        st.text("aA:;-_ \t\r\n\x00\x7f\xe9", max_size=30).map(lambda t: t.encode("latin-1")),
    )
)
@example(b"a: b\r\n")
def test_arbitrary_bytes_are_fields_that_h11_reads_alike_or_refused(block: bytes) -> None:
    try:
        fields = parse_field_block(block, max_fields=100)
    except RemoteProtocolError:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"GET / HTTP/1.0\r\n" + block + b"\r\n")
    if any(f.lower in (b"content-length", b"transfer-encoding") for f in fields):
        return  # h11 judges their values, too
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    assert request.headers.raw_items() == [(f.name, f.value) for f in fields]


@pytest.mark.parametrize(
    ("lower", "does"),
    [
        (b"connection", True),
        (b"te", True),
        (b"x-forwarded-for", True),
        (b"x_forwarded_for", True),
        (b"x-real_ip", True),
        (b"content_length", True),
        (b"transfer_encoding", True),
        (b"host", True),
        (b"x-forwarded-prefix", False),
        (b"content-type", False),
        (b"x_other", False),
        (b"cookie", False),
    ],
)
def test_fields_that_end_here(lower: bytes, does: bool) -> None:
    assert is_not_forwarded(lower) is does


@pytest.mark.parametrize("rules", [NO_RULES, FieldRules(identity=frozenset([b"x-user", b"x-forwarded-user"]))])
def test_what_a_name_says_is_the_same_however_many_others_come(rules: FieldRules) -> None:
    """Of a name in whatever spelling, known or forgotten, and of one that is too long to be known."""
    names = [b"Host", b"X-User", b"x_user", b"Accept", b"COOKIE", b"X-Forwarded-User", b"X" * (MAX_KNOWN_NAME + 1)]
    expected = [
        FieldName(
            lower=name.lower(),
            is_forwarded=not is_not_forwarded(name.lower()),
            has_meaning=rules.name_visitor(name.lower()) or name in (b"Host", b"COOKIE"),
            is_identity=name.lower() in rules.identity,
            is_hidden=rules.name_visitor(name.lower()) and name.lower() not in rules.identity,
        )
        for name in names
    ]
    for number in range(MAX_KNOWN_NAMES + 2):
        assert rules.find_name(b"X-%d" % number).lower == b"x-%d" % number
        assert [rules.find_name(name) for name in names] == expected


def test_list_elements() -> None:
    assert list_elements([b"A, b", b"", b" ,\tC ;q=1,,"]) == [b"a", b"b", b"c ;q=1"]


def test_trailers_that_may_go_on() -> None:
    passed = (field(b"X-Checksum", b"1"), field(b"Server-Timing", b"2"))
    names = (
        b"Content-Length Transfer-Encoding Host Set-Cookie Authorization Content_Length Trailer Connection Cookie"
    )
    dropped = tuple(map(field, [*names.split(), b"X-Forwarded-For", b"X_Real_IP", b"Expect", b"TE", b"Upgrade"]))
    assert passable_trailers((*dropped, *passed)) == passed
    assert FieldRules().passable_trailers((*dropped, *passed)) == passed


@pytest.mark.parametrize(
    "name",
    [
        b"Remote-User",
        b"REMOTE_USER",
        b"X-Forwarded-User",
        b"X_Forwarded-User",
        b"X-Auth-Request-Groups",
        b"OIDC_CLAIM_sub",
        b"OIDC-CLAIM_sub",
        b"Shib-Session-Id",
        b"X-My-User",
        b"X_My_User",
        b"X-Request-Id",
        b"X_Request_ID",
        b"Clear-Site-Data",
        b"NEL",
    ],
)
def test_no_trailer_of_a_request_says_who_the_visitor_or_what_the_request_is(name: bytes) -> None:
    rules = FieldRules(identity=frozenset([b"x-my-user", b"x-forwarded-user"]))
    passed = (field(b"X-Checksum"), field(b"X-My-User-Agent"))
    assert rules.passable_trailers((field(name), *passed)) == passed
