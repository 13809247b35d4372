"""Fuzzing of the whole engine, visitor on one side and raw application on the other, bytes cut anywhere.

Valid messages are held to an exact model of the exchange; spoilt ones and noise to what must hold of anything:
an application gets whole unambiguous messages or nothing to act on, a visitor a well-formed sequence of responses,
both read as h11 reads them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from conductor_trio.limits.server import ServerLimits
from tests.doubles.origin import Origin, OriginConnection, OriginHandler
from tests.support.descriptors import open_descriptors
from tests.support.engine import (
    HOST,
    TOKEN,
    Ambiguous,
    Engine,
    Incomplete,
    Message,
    Response,
    Visitor,
    open_engine,
    request,
    take_message,
)
from tests.support.fuzzing import (
    NASTY_REQUEST_LINES,
    NASTY_RESPONSE_LINES,
    Asked,
    Told,
    fuzz,
    requests,
    responses,
    spoilt,
)
from tests.support.oracles import (
    Reading,
    read_requests,
    read_response,
    take_response,
)
from tests.support.strategies import cut, cuts

#: Whether the visitor is watched while the application thinks, and whether a small upload goes through a pipe.
all_limits = st.builds(
    ServerLimits,
    watch_delay=st.sampled_from([0.0, float("inf")]),
    splice_size=st.sampled_from([4, ServerLimits().splice_size]),
    max_token_failures=st.just(1000),
)


@asynccontextmanager
async def open_fuzzed(directory: Path, handler: OriginHandler, limits: ServerLimits) -> AsyncIterator[Engine]:
    """Run the engine while the block runs; nothing breaks inside, and no descriptor is left."""
    before = open_descriptors()
    async with open_engine(directory, handler, limits=limits) as engine:
        yield engine
    assert not open_descriptors() - before


async def send_pieces(stream: Visitor | OriginConnection, pieces: Iterable[bytes]) -> None:
    """Send each piece once everybody has done what there was to do with those before."""
    send = stream.send if isinstance(stream, Visitor) else stream.send_all
    for piece in pieces:
        if piece:
            await send(piece)
            await wait_all_tasks_blocked()


@attrs.frozen
class Transcript:
    """All that a visitor got, and whether its end was a reset."""

    data: bytes
    is_reset: bool


async def converse(visitor: Visitor, pieces: Sequence[bytes]) -> Transcript:
    """Send the pieces, end that direction, and return all that comes."""
    got = bytearray()
    is_reset = False

    async def receive() -> None:
        nonlocal is_reset
        try:
            while data := await visitor.stream.receive_some(65536):
                got.extend(data)
        except trio.BrokenResourceError:
            is_reset = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        try:
            await send_pieces(visitor, pieces)
            await visitor.send_eof()
        except trio.BrokenResourceError:
            pass  # the gateway wants no more, and has said so
    return Transcript(bytes(got), is_reset)


def received_messages(origin: Origin) -> list[Message]:
    """Return the whole messages that the application got, read strictly; one that is not whole is a last one."""
    messages = []
    for connection in origin.connections:
        data = bytes(connection.received)
        while data:
            try:
                message, data = take_message(data)
            except Incomplete:
                break
            messages.append(message)
    return messages


def by_name(fields: Iterable[bytes]) -> list[bytes]:
    """Return fields sorted by name; the order of one name's is kept (RFC 9110 section 5.3)."""
    return sorted(fields, key=lambda line: line.partition(b":")[0].lower())


# Valid messages: the exact model.


@attrs.define(eq=False)
class Answering:
    """An application that has an answer ready for each request, by its X-Id."""

    answers: dict[int, Told]

    async def __call__(self, connection: OriginConnection) -> None:
        """Serve one connection."""
        while True:
            try:
                message, rest = take_message(bytes(connection.unread))
            except Incomplete:
                if not await connection.receive_more():
                    return
                continue
            connection.unread[:] = rest
            told = self.answers[int(message.values(b"x-id")[0])]
            await send_pieces(connection, told.pieces)
            if told.closes:
                return
            if told.says_last:
                assert not await connection.receive_to_end(), "a request after the last one"


def check_answer(asked: Asked, told: Told, response: Response) -> None:
    """The visitor got what the application told."""
    assert response.status == told.status
    lines = {name + b": " + value for name, value in response.fields}
    assert {line for line in told.fields if not line.lower().startswith(b"date:")} <= lines
    names = {name.lower() for name, _ in response.fields}
    assert not names & {b"keep-alive", b"proxy-authenticate", b"upgrade", b"set-cookie"}
    if asked.method == b"HEAD" or told.status in (204, 304):
        assert response.body == b""
        return
    assert response.body == told.body
    if asked.is_http11:
        assert tuple(name + b": " + value for name, value in response.trailers) == told.trailers
    if told.length is not None:
        assert response.values(b"content-length") == [b"%d" % told.length]
    else:
        assert response.framing == ("chunked" if asked.is_http11 else "none")


def check_interim(asked: Asked, told: Told, data: bytes) -> bytes:
    """The visitor got the interim responses, if it can read them; returns what follows."""
    for status, fields in told.interim if asked.is_http11 else ():
        head, _, data = data.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        assert line.startswith(b"HTTP/1.1 %d " % status)
        assert lines == list(fields)
    return data


def check_cut(asked: Asked, told: Told, transcript: Transcript, data: bytes) -> None:
    """What the visitor got looks cut short, and is what came of it."""
    try:
        response, rest = take_response(data, asked.method, is_http11=asked.is_http11)
    except Incomplete:
        return
    # To HTTP/1.0 nothing but the reset tells.
    assert response.framing == "none" and not asked.is_http11 and transcript.is_reset, response
    assert told.body.startswith(response.body) and not rest


def check_transcript(pipeline: list[Asked], answers: dict[int, Told], transcript: Transcript) -> list[Asked]:
    """Hold all that the visitor got to the model; returns the requests that were answered, by whomever."""
    data = transcript.data
    for count, asked in enumerate(pipeline, start=1):
        keeps, status, told = asked.keeps, asked.status, answers[asked.number]
        if asked.reaches is not None:
            data = check_interim(asked, told, data)
            if told.is_cut:
                check_cut(asked, told, transcript, data)
                return pipeline[:count]
            status = 502 if told.is_broken else told.status
        response, rest = take_response(data, asked.method, is_http11=asked.is_http11)
        assert response.status == status
        assert not response.interim
        if asked.reaches is not None and not told.is_broken:
            check_answer(asked, told, response)
            keeps = keeps and (asked.is_http11 or response.framing != "none" or response.body == b"")
        keeps = keeps and not (response.framing == "none" and response.values(b"connection") == [b"close"])
        assert (b"close" in response.values(b"connection")) is not keeps
        data = rest
        if not keeps:
            assert data == b""
            return pipeline[:count]
    assert data == b""
    return pipeline


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[list[Asked], dict[int, Told]]:
    pipeline = [draw(requests(number)) for number in range(draw(st.integers(1, 4)))]
    return pipeline, {asked.number: draw(responses(asked.method)) for asked in pipeline}


@fuzz
@given(exchange=exchanges(), sizes=cuts, limits=all_limits)
async def test_valid_messages_become_what_they_must(
    exchange: tuple[list[Asked], dict[int, Told]], sizes: list[int], limits: ServerLimits, short_tmp: Path
) -> None:
    pipeline, answers = exchange
    async with open_fuzzed(short_tmp, Answering(answers), limits) as engine:
        pieces = cut(b"".join(asked.raw for asked in pipeline), sizes)
        transcript = await converse(engine.connect(), pieces)
    answered = check_transcript(pipeline, answers, transcript)
    messages = received_messages(engine.origin)
    assert TOKEN not in b"".join(bytes(connection.received) for connection in engine.origin.connections)
    expected = [asked for asked in answered if asked.reaches is not None]
    got = Counter(int(message.values(b"x-id")[0]) for message in messages)
    assert set(got) == {asked.number for asked in expected}
    for asked in expected:
        # On a kept connection that ended without a word, a request that can be repeated is.
        assert got[asked.number] == 1 or (got[asked.number] == 2 and asked.is_repeatable)
        assert got[asked.number] == 1 or answers[asked.number].is_silent
    for message in messages:
        wanted = pipeline[int(message.values(b"x-id")[0])].reaches
        assert wanted is not None
        assert by_name(message.fields) == by_name(wanted.fields)
        assert (message.line, message.body, message.trailers) == (wanted.line, wanted.body, wanted.trailers)


# Spoilt requests: safety, and h11's reading.

#: What the gateway answers by itself: to requests that are unreadable, refused, its own, or failed.
OWN_STATUSES = {200, 302, 400, 403, 404, 405, 408, 414, 417, 431, 501, 502, 505}

#: A request that names these may be judged by what else they say.
_DECIDES = re.compile(rb"(?i)connection|upgrade|origin|expect|authorization:|cookie|host|content|transfer|te:")
_PLAIN_LINE = re.compile(
    rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PROPFIND) /[!$&-;=?-\[\]-~]*(?<!_conductor) HTTP/1\.1"
)


@attrs.define(eq=False)
class Numbering:
    """An application that answers each whole request with its number, and is never sent an ambiguous one."""

    messages: list[Message] = attrs.field(factory=list)

    async def __call__(self, connection: OriginConnection) -> None:
        """Serve one connection."""
        while True:
            try:
                message, rest = take_message(bytes(connection.unread))
            except Incomplete:
                if not await connection.receive_more():
                    return
                continue
            connection.unread[:] = rest
            body = b"%d" % len(self.messages)
            self.messages.append(message)
            head = b"HTTP/1.1 200 OK\r\nX-Number: %b\r\nContent-Length: %d\r\n\r\n" % (body, len(body))
            await connection.send_all(head if message.line.startswith(b"HEAD ") else head + body)


def origin_form(target: bytes) -> bytes:
    """Return a target as it must go on (RFC 9112 section 3.2.2)."""
    match = re.fullmatch(rb"(?i:https?)://[^/?]*(.*)", target)
    if match is None:
        return target
    return match[1] if match[1].startswith(b"/") else b"/" + match[1]


def must_pass(data: bytes) -> bool:
    """Whether `data` begins with a request about which there are no two opinions; far from all such are known."""
    try:
        message, _ = take_message(data)
    except (Ambiguous, Incomplete):
        return False
    deciding = [line for line in message.fields if _DECIDES.search(line)]
    plain = [b"Host: " + HOST, b"Cookie: authorization=" + TOKEN]
    framing = [b"Content-Length: %d" % len(message.body)] if message.body else []
    return (
        _PLAIN_LINE.fullmatch(message.line) is not None
        and b"%" not in message.line
        and sorted(deciding) == sorted(plain + framing)
        and not message.trailers
    )


def check_spoilt(data: bytes, transcript: Transcript, messages: list[Message]) -> None:
    """Each answer is well-formed, and the application's were to what h11 reads in its place."""
    readings = read_requests(data)
    rest, numbers, is_kept = transcript.data, [], True
    for place in range(len(readings) + 1):
        reading = readings[place] if place < len(readings) else None
        if not rest:
            break
        assert is_kept, f"after the promised end: {rest!r}"
        method = reading.start[0] if reading and isinstance(reading.start, tuple) else b"GET"
        response, rest = take_response(rest, method)
        is_kept = response.values(b"connection") != [b"close"]
        if not response.values(b"x-number"):
            assert response.status in OWN_STATUSES and not response.interim
            if method == b"HEAD" and rest and not is_kept:
                rest = b""  # the answer to what could not be read as a request of any method
            continue
        assert reading is not None and reading.is_sure and isinstance(reading.start, tuple)
        numbers.append(int(response.values(b"x-number")[0]))
        message = messages[numbers[-1]]
        method, target = reading.start
        assert message.line == b"%b %b HTTP/1.1" % (method, origin_form(target))
        assert message.body == reading.body
        if not reading.is_complete:
            assert message.values(b"transfer-encoding"), reading
            return  # h11 takes framing fields among the trailers for the message's; from here on it reads nothing
    assert rest == b""
    assert numbers == list(range(len(messages))), "a request reached the application, and its answer nobody"


def check_no_token(messages: list[Message]) -> None:
    """Nothing in a field that holds credentials is the token."""
    for message in messages:
        for line in (*message.fields, *message.trailers):
            name, _, value = line.partition(b":")
            if name.lower() == b"cookie":
                assert b"authorization" not in {pair.partition(b"=")[0].strip() for pair in value.split(b";")}
            elif name.lower() in (b"authorization", b"proxy-authorization"):
                assert TOKEN not in value


@st.composite
def spoilt_pipelines(draw: st.DrawFn) -> bytes:
    whole = [draw(requests(number, is_welcome=True)).raw for number in range(draw(st.integers(1, 3)))]
    which = draw(st.integers(0, len(whole) - 1))
    whole[which] = draw(spoilt(whole[which], NASTY_REQUEST_LINES))
    return b"".join(whole)


#: Short ones, so that most mutations hit what matters.
PLAIN_REQUESTS = [
    request(),
    request(b"POST / HTTP/1.1", b"Content-Length: 5\r\n", b"hello"),
    request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n"),
    request(b"GET http://app-alice.test/ HTTP/1.0", b"Connection: keep-alive\r\n"),
]
spoilt_plain_requests = st.tuples(
    st.sampled_from(PLAIN_REQUESTS).flatmap(lambda raw: spoilt(raw, NASTY_REQUEST_LINES)),
    st.sampled_from([b"", request(b"GET /next HTTP/1.1")]),
).map(b"".join)
noise = st.binary(max_size=200)
spoilt_requests = st.one_of(*[spoilt_plain_requests] * 5, *[spoilt_pipelines()] * 4, noise)


@fuzz
@given(data=spoilt_requests, sizes=cuts, limits=all_limits, unix=st.booleans())
async def test_spoilt_requests_are_one_message_or_none(
    data: bytes, sizes: list[int], limits: ServerLimits, unix: bool, short_tmp: Path
) -> None:
    application = Numbering()
    async with open_fuzzed(short_tmp, application, limits) as engine:
        transcript = await converse(engine.connect(unix=unix), cut(data, sizes))
    messages = received_messages(engine.origin)
    assert messages == application.messages
    check_spoilt(data, transcript, messages)
    check_no_token(messages)
    if must_pass(data):
        assert messages, transcript


# Spoilt responses.


def answering_with(pieces: list[bytes]) -> OriginHandler:
    """Return a handler that sends the pieces in answer to a connection's first request, and ends."""

    async def handle(connection: OriginConnection) -> None:
        if await connection.receive_head():
            await send_pieces(connection, pieces)

    return handle


def is_own_502(response: Response, method: bytes = b"GET") -> bool:
    """Whether the gateway said that."""
    body = b"" if method == b"HEAD" else b"502 Bad Gateway: "
    return response.status == 502 and response.body.startswith(body) and bool(response.values(b"cache-control"))


def check_spoilt_response(
    method: bytes, transcript: Transcript, reading: Reading | None, *, may_switch: bool
) -> None:
    """The visitor got what h11 reads, or 502, or something cut short; and after it only our own next answer."""
    try:
        response, rest = take_response(transcript.data, method)
    except Incomplete:
        assert b"\r\n\r\n" in transcript.data, "the visitor was told nothing"
        return
    assert not any(
        re.match(rb"\s*=?\s*authorization\s*(=|;|$)", value) for value in response.values(b"set-cookie")
    )
    if response.status == 101:
        assert may_switch and reading is not None and reading.start == 101
        return
    if not is_own_502(response, method):
        assert reading is not None
        assert (response.status, response.body) == (reading.start, reading.body)
        assert reading.is_complete
    if response.values(b"connection") == [b"close"]:
        assert rest == b""
        return
    following, rest = take_response(rest, b"OPTIONS")
    assert following.status == 200 and following.values(b"allow")
    assert rest == b""


@st.composite
def spoilt_responses(draw: st.DrawFn, method: bytes) -> bytes:
    return draw(spoilt(b"".join(draw(responses(method)).pieces), NASTY_RESPONSE_LINES))


@fuzz
@given(data=st.data(), sizes=cuts, limits=all_limits, method=st.sampled_from([b"GET", b"HEAD"]))
async def test_spoilt_responses_are_one_response_or_none(
    data: st.DataObject, sizes: list[int], limits: ServerLimits, method: bytes, short_tmp: Path
) -> None:
    answer = data.draw(st.one_of(*[spoilt_responses(method)] * 9, noise))
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n" if data.draw(st.booleans()) else b""
    async with open_fuzzed(short_tmp, answering_with(cut(answer, sizes)), limits) as engine:
        sent = request(method + b" / HTTP/1.1", upgrade) + request(b"OPTIONS * HTTP/1.1")
        transcript = await converse(engine.connect(), [sent])
    check_spoilt_response(method, transcript, read_response(answer, method), may_switch=bool(upgrade))


# Truncation at every byte.

WHOLE_RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n2\r\n56\r\n0\r\nA: b\r\n\r\n",
    "after an interim one": b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0",
}


@pytest.mark.parametrize("whole", WHOLE_RESPONSES.values(), ids=WHOLE_RESPONSES)
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_a_response_cut_at_any_byte_looks_cut(whole: bytes, version: bytes, short_tmp: Path) -> None:
    heads_end = whole.rindex(b"\r\n\r\n", 0, whole.index(b"200 OK") + 50) + 4
    for size in range(len(whole)):
        async with open_fuzzed(short_tmp, answering_with([whole[:size]]), ServerLimits()) as engine:
            transcript = await converse(engine.connect(), [request(b"GET / " + version)])
        try:
            response, rest = take_response(transcript.data, b"GET", is_http11=version == b"HTTP/1.1")
        except Incomplete:
            assert size >= heads_end
            continue
        assert rest == b""
        if size < heads_end:
            assert is_own_502(response)
        else:
            assert response.framing == "none" and transcript.is_reset
