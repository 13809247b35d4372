"""Bodies come out of their framing the same however they are cut, and never beyond doubt otherwise."""

from __future__ import annotations

import h11
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import (
    CHUNKED_BODY,
    CLOSE_BODY,
    NO_BODY,
    Body,
    BodyReader,
    Framing,
    format_chunk,
    format_last_chunk,
    parse_content_length,
)
from conductor_trio.http1.fields import Field, Fields
from tests.support.strategies import cut, cuts

MAX_TRAILER = 300


def read(body: Body, pieces: list[bytes]) -> tuple[bytes, Fields | None, bytes]:
    """Return the payload, the trailers where the body came to its end, and what followed it."""
    reader = BodyReader(body, max_trailer=MAX_TRAILER, max_fields=5)
    payload, after = b"", b""
    for piece in pieces:
        if reader.end is not None:
            after += piece
            continue
        more, after = reader.decode(piece)
        payload += more
        if reader.end is None:
            assert after == b""
    return payload, reader.end.trailers if reader.end else None, after


def has_ended(reader: BodyReader) -> bool:
    return reader.end is not None


def read_with_h11(data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]] | None, bytes]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    assert isinstance(connection.next_event(), h11.Request)
    payload = b""
    while True:
        event = connection.next_event()
        match event:
            case h11.Data():
                payload += event.data
            case h11.EndOfMessage():
                return payload, event.headers.raw_items(), connection.trailing_data[0]
            case _:
                assert event is h11.NEED_DATA
                return payload, None, b""


chunk_lists = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
extensions = st.sampled_from([b"", b";", b";a", b";a=b", b';a="b;c"', b"; \t\xe9"])
zeros = st.sampled_from([b"", b"0", b"00000"])


@st.composite
def chunked_bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A chunked body as others write it, and its payload."""
    chunks = draw(chunk_lists)
    lines = [
        draw(zeros)
        + draw(st.sampled_from([b"%x", b"%X"])) % len(chunk)
        + draw(extensions)
        + b"\r\n"
        + chunk
        + b"\r\n"
        for chunk in chunks
    ]
    trailer = draw(st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC:\r\n"]))
    return b"".join(lines) + b"0" + draw(extensions) + b"\r\n" + trailer + b"\r\n", b"".join(chunks)


@given(chunked_bodies(), st.binary(max_size=10), cuts)
def test_any_cut_of_a_chunked_body_gives_the_same(
    written: tuple[bytes, bytes], following: bytes, sizes: list[int]
) -> None:
    data, payload = written
    whole = read(CHUNKED_BODY, [data + following])
    assert whole[0] == payload
    assert whole[1] is not None
    assert whole[2] == following
    assert read(CHUNKED_BODY, cut(data + following, sizes)) == whole


@given(
    chunked_bodies(),
    st.integers(0),
    st.integers(0, 2),
    st.sampled_from([b"", b"\r", b"\n", b" ", b"0", b"\x00", b";", b"\r\n", b"AB", b"\n\r"]),
    cuts,
)
@example((b"1\r\nx\r\n0\r\n\r\n", b"x"), 4, 2, b"AB", [])
def test_what_is_accepted_of_a_spoiled_body_h11_reads_alike(
    written: tuple[bytes, bytes], place: int, count: int, spoil: bytes, sizes: list[int]
) -> None:
    data, _ = written
    place %= len(data)
    data = data[:place] + spoil + data[place + count :]
    try:
        payload, trailers, rest = read(CHUNKED_BODY, cut(data, sizes))
    except RemoteProtocolError:
        return
    if any(field.lower == b"content-length" for field in trailers or ()):
        return  # h11 looks at what a trailer says of the framing; here it is dropped, whatever it says
    theirs = read_with_h11(data)
    assert theirs[0] == payload
    if trailers is not None:
        assert theirs == (payload, [(field.name, field.value) for field in trailers], rest)


@given(st.binary(max_size=80), cuts)
def test_arbitrary_bytes_are_refused_alike_however_cut(data: bytes, sizes: list[int]) -> None:
    def outcome(pieces: list[bytes]) -> object:
        try:
            return read(CHUNKED_BODY, pieces)
        except RemoteProtocolError as error:
            return error.status

    whole = outcome([data])
    in_pieces = outcome(cut(data, sizes))
    if isinstance(whole, tuple) and whole[1] is None:
        assert isinstance(in_pieces, tuple) and in_pieces[1] is None
    else:
        assert in_pieces == whole


@given(
    chunk_lists, st.lists(st.tuples(st.sampled_from([b"A", b"b-C"]), st.sampled_from([b"", b"x y"])), max_size=3)
)
def test_what_is_written_is_read_again(chunks: list[bytes], trailers: list[tuple[bytes, bytes]]) -> None:
    fields = tuple(Field(name, name.lower(), value) for name, value in trailers)
    data = b"".join(map(format_chunk, chunks)) + format_last_chunk(fields)
    assert read(CHUNKED_BODY, [data]) == (b"".join(chunks), fields, b"")
    assert read_with_h11(data) == (b"".join(chunks), trailers, b"")


@given(st.binary(max_size=60), st.integers(0, 60), cuts)
def test_any_cut_of_a_body_of_known_length_gives_the_same(data: bytes, length: int, sizes: list[int]) -> None:
    assume(length <= len(data))
    assert read(Body(Framing.LENGTH, length), cut(data, sizes)) == (data[:length], (), data[length:])


def test_no_body_has_ended_from_the_start() -> None:
    assert read(NO_BODY, [b"next"]) == (b"", (), b"next")
    assert read(Body(Framing.LENGTH, 0), [b"next"]) == (b"", (), b"next")


def test_the_connections_end_ends_only_a_body_that_waits_for_it() -> None:
    reader = BodyReader(CLOSE_BODY, max_trailer=MAX_TRAILER, max_fields=5)
    assert reader.decode(b"abc") == (b"abc", b"")
    assert not has_ended(reader)
    reader.receive_eof()
    assert has_ended(reader)
    for body, data in [
        (Body(Framing.LENGTH, 5), b"abc"),
        (CHUNKED_BODY, b"3\r\nabc\r\n"),
        (CHUNKED_BODY, b"0\r\n"),
    ]:
        reader = BodyReader(body, max_trailer=MAX_TRAILER, max_fields=5)
        reader.decode(data)
        with pytest.raises(RemoteProtocolError):
            reader.receive_eof()


def test_payload_that_goes_past_the_reader_counts() -> None:
    reader = BodyReader(Body(Framing.LENGTH, 5), max_trailer=MAX_TRAILER, max_fields=5)
    assert reader.raw_remaining == 5
    assert reader.decode(b"ab") == (b"ab", b"")
    assert reader.raw_remaining == 3
    reader.skip(3)
    assert has_ended(reader)
    assert reader.raw_remaining is None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"0\r\n" + b"a: b\r\n" * 6 + b"\r\n", 431),
        (b"0\r\na: " + b"b" * MAX_TRAILER + b"\r\n\r\n", 431),
        (b"0\r\na: " + b"b" * MAX_TRAILER, 431),
        (b"1;" + b"a" * 4096, 400),
        (b"1" + b"0" * 16 + b"\r\n", 400),
    ],
)
def test_sizes_have_limits(data: bytes, status: int) -> None:
    for pieces in ([data], cut(data, [1] * len(data))):
        with pytest.raises(RemoteProtocolError) as caught:
            read(CHUNKED_BODY, pieces)
        assert caught.value.status == status


@pytest.mark.parametrize(
    "data",
    [
        b"5\nhello\n0\n\n",
        b"5\r\nhello\n0\r\nA: b\n\n",
        b"5\nhello\r\n0\nA: b\r\n\n",
        b"5 \t\r\nhello\r\n0  \r\n\r\n",
        b"5 ;a=b\r\nhello\r\n0\r\n\r\n",
        b"0" * 40 + b"5\r\nhello\r\n" + b"0" * 40 + b"\r\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 9 + b"\r\n",
        b"5\r\nhello\r\n0\r\nA: \x0bb\r\n\r\n",
    ],
)
def test_only_a_response_is_read_leniently(data: bytes) -> None:
    for pieces in ([data], cut(data, [1] * len(data))):
        with pytest.raises(RemoteProtocolError):
            read(CHUNKED_BODY, pieces)
        reader = BodyReader(CHUNKED_BODY, max_trailer=MAX_TRAILER, max_fields=None, is_lenient=True)
        assert b"".join(reader.decode(piece)[0] for piece in pieces) == b"hello"
        assert reader.end is not None
        assert {(field.name, field.value) for field in reader.end.trailers} <= {(b"A", b"b")}
        assert bool(reader.end.trailers) is (b"A" in data)


@pytest.mark.parametrize(
    "fault", [b" 5\r\n", b"x\r\n", b"5\r6", b"5 5\n", b"\n", b"0\n\r\r\n", b"0\n a: b\n\n", b"5\nhello!"]
)
def test_a_response_gives_what_came_before_a_fault(fault: bytes) -> None:
    reader = BodyReader(CHUNKED_BODY, max_trailer=MAX_TRAILER, max_fields=None, is_lenient=True)
    payload, rest = reader.decode(b"3\r\nabc\r\n" + fault)
    assert payload == (b"abchello" if b"hello" in fault else b"abc")
    assert rest
    with pytest.raises(RemoteProtocolError):
        reader.decode(rest)


@pytest.mark.parametrize("value", [b"", b"+1", b"-1", b"1 ", b"1,1", b"0x1", b"1_0", b"\xb9", b"9" * 19])
def test_malformed_lengths_are_refused(value: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_content_length([value])


def test_one_length_or_none() -> None:
    assert parse_content_length([]) is None
    assert parse_content_length([b"0"]) == 0
    assert parse_content_length([b"007"]) == 7
    assert parse_content_length([b"9" * 18]) == 10**18 - 1
    with pytest.raises(RemoteProtocolError):
        parse_content_length([b"1", b"1"])


def test_what_is_kept_for_the_next_bytes_is_known() -> None:
    reader = BodyReader(CHUNKED_BODY, max_trailer=MAX_TRAILER, max_fields=5)
    assert reader.partial_size == 0
    reader.decode(b"3\r\nabc\r\n0;exten")
    assert reader.partial_size == len(b"0;exten")
    reader.decode(b"sion\r\nA: b\r\n")
    assert reader.partial_size == len(b"A: b\r\n")
    reader.decode(b"\r\n")
    assert (reader.partial_size, has_ended(reader)) == (0, True)
    assert BodyReader(Body(Framing.LENGTH, 5), max_trailer=MAX_TRAILER, max_fields=5).partial_size == 0
