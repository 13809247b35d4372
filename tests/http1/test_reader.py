"""Messages come out the same however the bytes are cut, agree with h11's reading, and nothing else gets out."""

from __future__ import annotations

import attrs
import h11
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import EndOfMessage
from conductor_trio.http1.reader import RequestReader, ResponseReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.response import ResponseHead
from conductor_trio.limits.server import ServerLimits
from tests.support.messages import HANDLED, Event, bodies, names, pairs, read, requests, spoil, spoilings
from tests.support.oracles import put_strictly
from tests.support.strategies import cut, cuts

LIMITS = ServerLimits()


@attrs.frozen(kw_only=True)
class Read:
    """What h11 and we have to agree on."""

    head: tuple[object, ...]
    payload: bytes
    trailers: list[tuple[bytes, bytes]] | None


def read_request_with_h11(data: bytes) -> Read:
    """Return the first request; h11 may still find fault with what follows the part that we accepted."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request), request
    payload, trailers = read_body_with_h11(connection)
    head = (request.method, request.target, spelled_by_h11(request.headers.raw_items()))
    return Read(head=head, payload=payload, trailers=trailers)


def read_body_with_h11(connection: h11.Connection) -> tuple[bytes, list[tuple[bytes, bytes]] | None]:
    payload = b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return payload, None
        match event:
            case h11.Data():
                payload += event.data
            case h11.EndOfMessage():
                return payload, event.headers.raw_items()
            case _:
                assert event in (h11.NEED_DATA, h11.PAUSED), event
                return payload, None


def spelled_by_h11(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Write transfer codings in lower case, as h11 does."""
    return [(name, value.lower() if name.lower() == b"transfer-encoding" else value) for name, value in fields]


def without_cookies(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in fields if name.lower() != b"cookie"]


def has_our_cookie(fields: list[tuple[bytes, bytes]]) -> bool:
    """Whether something may have been cut out of Cookie fields; test_fields is about that."""
    return any(name.lower() == b"cookie" and b"authorization" in value for name, value in fields)


def by_message(events: list[Event]) -> list[Read]:
    found: list[Read] = []
    for event in events:
        match event:
            case RequestHead():
                fields = spelled_by_h11([(field.name, field.value) for field in event.fields])
                found.append(Read(head=(event.method, event.target, fields), payload=b"", trailers=None))
            case ResponseHead():
                fields = spelled_by_h11([(field.name, field.value) for field in event.fields])
                found.append(Read(head=(event.status, event.reason, fields), payload=b"", trailers=None))
            case bytes():
                found[-1] = attrs.evolve(found[-1], payload=found[-1].payload + event)
            case EndOfMessage():
                trailers = [(field.name, field.value) for field in event.trailers]
                found[-1] = attrs.evolve(found[-1], trailers=trailers)
    return found


@given(st.lists(requests(), min_size=1, max_size=3), cuts)
def test_any_cut_of_requests_gives_the_same(messages: list[bytes], sizes: list[int]) -> None:
    data = b"".join(messages)
    whole = read(RequestReader(LIMITS), [data])
    assert whole[1] is None
    assert len(by_message(whole[0])) == len(messages)
    assert read(RequestReader(LIMITS), cut(data, sizes)) == whole
    assert read(RequestReader(LIMITS), cut(data, [1] * len(data))) == whole


@given(requests(), spoilings, cuts)
def test_what_is_accepted_of_spoiled_requests_h11_reads_alike(
    message: bytes, places: list[tuple[int, int, bytes]], sizes: list[int]
) -> None:
    data = spoil(message, places)
    events, _ = read(RequestReader(LIMITS), cut(data, sizes))
    ours = by_message(events)
    if not ours:
        return
    theirs = read_request_with_h11(data.lstrip(b"\r\n"))
    (method, target, fields), (our_method, our_target, our_fields) = theirs.head, ours[0].head
    assert isinstance(target, bytes) and isinstance(fields, list) and isinstance(our_fields, list)
    assert our_method == method
    assert our_target == target or not target.startswith(b"/")
    assert without_cookies(our_fields) == without_cookies(fields)
    assert has_our_cookie(fields) or our_fields == fields
    assert theirs.payload.startswith(ours[0].payload)
    if ours[0].trailers is not None:
        assert (ours[0].payload, ours[0].trailers) == (theirs.payload, theirs.trailers)


@given(st.one_of(st.binary(max_size=120), st.text("GET /HP1.0x:\r\n \t\x00", max_size=60).map(str.encode)), cuts)
@example(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", [])
def test_arbitrary_bytes_give_events_or_a_protocol_error(data: bytes, sizes: list[int]) -> None:
    for pieces in (cut(data, sizes), [data]):
        _, status = read(RequestReader(LIMITS), pieces)
        assert status in (None, 400, 405, 414, 417, 431, 501, 505)
        _, status = read(ResponseReader(b"GET", LIMITS), pieces)
        assert status in (None, 400, 431)


# Responses.


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A final response that is beyond doubt, after interim ones."""
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 X\r\nLink: a\r\n\r\n"]))
    line = draw(
        st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 404", b"HTTP/1.1 299 \xe9 a\tb", b"HTTP/1.1 204 "])
    )
    fields, body = draw(bodies) if not line.endswith(b"204 ") else (b"", b"")
    others = b"".join(b"%b: %b\r\n" % pair for pair in draw(pairs)[:4] if pair[0].lower() not in HANDLED)
    return interim + line + b"\r\n" + others + fields + b"\r\n" + body


def read_response_with_h11(method: bytes, data: bytes) -> list[Read]:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    upgrade = [(b"Connection", b"upgrade"), (b"Upgrade", b"x")]
    connection.send(h11.Request(method=method, target="/", headers=[(b"Host", b"x"), *upgrade]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    found: list[Read] = []
    while True:
        try:
            head = connection.next_event()
        except h11.RemoteProtocolError:
            return found
        if not isinstance(head, h11.Response | h11.InformationalResponse):
            assert head in (h11.NEED_DATA, h11.PAUSED), head
            return found
        what = (head.status_code, bytes(head.reason), spelled_by_h11(head.headers.raw_items()))
        if isinstance(head, h11.InformationalResponse):
            found.append(Read(head=what, payload=b"", trailers=None))
            continue
        payload, trailers = read_body_with_h11(connection)
        return [*found, Read(head=what, payload=payload, trailers=trailers)]


@given(responses(), cuts)
def test_any_cut_of_a_response_gives_the_same(message: bytes, sizes: list[int]) -> None:
    whole = read(ResponseReader(b"GET", LIMITS), [message])
    assert whole[1] is None
    assert read(ResponseReader(b"GET", LIMITS), cut(message, sizes)) == whole
    assert read(ResponseReader(b"GET", LIMITS), cut(message, [1] * len(message))) == whole


def without_unused_length(head: tuple[object, ...]) -> tuple[object, ...]:
    """Leave out a Content-Length beside the chunked coding, which holds, as h11 knows, too."""
    status, reason, fields = head
    assert isinstance(fields, list)
    names = {name.lower() for name, _ in fields}
    if b"transfer-encoding" not in names:
        return head
    return status, reason, [(name, value) for name, value in fields if name.lower() != b"content-length"]


@given(responses(), spoilings, st.sampled_from([b"GET", b"HEAD"]), cuts)
def test_any_cut_of_a_spoiled_response_gives_the_same(
    message: bytes, places: list[tuple[int, int, bytes]], method: bytes, sizes: list[int]
) -> None:
    data = spoil(message, places)
    events, status = read(ResponseReader(method, LIMITS), [data])
    for pieces in (cut(data, sizes), [data[at : at + 1] for at in range(len(data))]):
        assert read(ResponseReader(method, LIMITS), pieces) == (events, status)


@given(responses(), st.lists(st.booleans(), min_size=1, max_size=9), cuts)
def test_bare_line_ends_mean_the_same_in_a_response(message: bytes, bare: list[bool], sizes: list[int]) -> None:
    lines = message.split(b"\r\n")
    ends = [b"\n" if bare[at % len(bare)] else b"\r\n" for at in range(len(lines) - 1)]
    sloppy = b"".join(line + end for line, end in zip(lines, [*ends, b""], strict=True))
    assume(b"2\r\n\r\n\r\n" not in message)  # a chunk of a line end, whose payload must stay
    strict = read(ResponseReader(b"GET", LIMITS), [message])
    assert by_message(read(ResponseReader(b"GET", LIMITS), cut(sloppy, sizes))[0]) == by_message(strict[0])


@given(responses(), spoilings, st.sampled_from([b"GET", b"HEAD"]), cuts)
@example(b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", [(8, 0, b" "), (29, 0, b" ")], b"GET", [])
def test_what_is_accepted_of_spoiled_responses_h11_reads_alike(
    message: bytes, places: list[tuple[int, int, bytes]], method: bytes, sizes: list[int]
) -> None:
    data = spoil(message, places)
    events, _ = read(ResponseReader(method, LIMITS), cut(data, sizes))
    ours = by_message(events)
    if not ours:
        return
    theirs = read_response_with_h11(method, put_strictly(data))
    assert len(ours) <= len(theirs)
    for one, other in zip(ours, theirs, strict=False):
        assert one.head == without_unused_length(other.head)
        assert other.payload.startswith(one.payload)
        if one.trailers is not None:
            assert (one.payload, one.trailers) == (other.payload, other.trailers)


# What readers do beside reading.


@given(names)
def test_a_head_of_any_size_costs_little_byte_by_byte(name: bytes) -> None:
    reader = RequestReader(LIMITS)
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX-" + name + b": y\r\n\r\n"
    assert read(reader, cut(head, [1] * len(head)))[1] is None


def test_empty_lines_before_a_request_are_left_out() -> None:
    reader = RequestReader(LIMITS)
    assert read(reader, [b"\r\n\r\n", b"\r", b"\n"]) == ([], None)
    assert reader.is_between_messages
    assert read(reader, [b"\r", b"\nGET / HTTP/1.0\r\n\r\n"])[1] is None
    assert read(reader, [b"\r\rGET"])[1] == 400
    assert read(RequestReader(LIMITS), [b"\nGET / HTTP/1.0\r\n\r\n"])[1] == 400


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01", 400),
        (b"GET / HTTP/1.1\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\rc", 400),
        (b"GET /" + b"a" * (LIMITS.max_target + 64), 414),
        (b"GET /" + b"a" * LIMITS.max_target + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * LIMITS.max_head, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431),
    ],
)
def test_what_cannot_become_a_request_is_refused_early(data: bytes, status: int) -> None:
    assert read(RequestReader(LIMITS), [data]) == ([], status)


def test_what_follows_a_head_is_kept() -> None:
    requests = RequestReader(LIMITS)
    requests.receive_data(b"GET / HTTP/1.0\r\n\r\nearly")
    assert isinstance(requests.next_event(), RequestHead)
    assert isinstance(requests.next_event(), EndOfMessage)
    assert requests.trailing_data == b"early"
    assert not requests.is_between_messages
    responses = ResponseReader(b"GET", LIMITS)
    assert read(responses, [b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly"])[1] is None
    assert responses.is_complete
    assert responses.trailing_data == b"early"


def test_surplus_is_no_event() -> None:
    responses = ResponseReader(b"GET", LIMITS)
    events, status = read(responses, [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n"])
    assert status is None
    assert events[1:] == [b"ok", EndOfMessage()]
    assert responses.trailing_data == b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ],
)
def test_an_end_that_cuts_a_response_short_is_an_error(data: bytes) -> None:
    responses = ResponseReader(b"GET", LIMITS)
    assert read(responses, [data])[1] is None
    with pytest.raises(RemoteProtocolError):
        responses.receive_eof()


def test_an_end_that_ends_a_response() -> None:
    responses = ResponseReader(b"GET", LIMITS)
    assert read(responses, [b"HTTP/1.1 200 OK\r\n\r\nabc"])[1] is None
    responses.receive_eof()
    assert isinstance(responses.next_event(), EndOfMessage)
    assert responses.is_complete


def test_what_is_in_memory_is_known_and_can_be_taken_over() -> None:
    reader = RequestReader(LIMITS)
    reader.receive_data(b"GET / HTTP/1.1\r\nHost: x")
    assert reader.next_event() is None
    assert reader.partial_size == len(b"GET / HTTP/1.1\r\nHost: x")
    reader.receive_data(b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b")
    assert isinstance(reader.next_event(), RequestHead)
    assert reader.next_event() is None
    assert reader.partial_size == len(b"A: b")
    reader.receive_data(b"\r\n\r\nmore")
    assert isinstance(reader.next_event(), EndOfMessage)
    assert reader.take_trailing_data() == b"more"
    assert reader.trailing_data == b"" and reader.partial_size == 0
