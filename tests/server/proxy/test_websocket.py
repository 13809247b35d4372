"""WebSockets through the engine are what they would be without it (RFC 6455, RFC 7692).

Real libraries are at both ends.
Each of two libraries talks to each, as a visitor over TCP, over TLS and over the UNIX socket.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from tests.doubles.origin import OriginConnection
from tests.support.engine import (
    HOST,
    OK,
    TOKEN,
    open_engine,
    request,
)
from tests.support.websocket_ends import (
    ABNORMAL,
    TOKEN_FIELD,
    Application,
    End,
    Fields,
    Message,
    Refused,
    WebsocketsEnd,
    dial,
    reach,
)

LIBRARIES = ("websockets", "trio-websocket")
WAYS = ("tcp", "tls", "unix")


class Pair(NamedTuple):
    """Which library is at which end, and how the visitor comes."""

    visitor: str
    application: str
    way: str = "tcp"

    def __str__(self) -> str:
        return f"{self.visitor} by {self.way} to {self.application}"


CLIENT_DEFLATE = [ClientPerMessageDeflateFactory(client_max_window_bits=True)]
SERVER_DEFLATE = [ServerPerMessageDeflateFactory()]

ALL_PAIRS = [Pair._make(row) for row in itertools.product(LIBRARIES, LIBRARIES, WAYS)]
every_pair = pytest.mark.parametrize("pair", ALL_PAIRS, ids=str)
every_way = pytest.mark.parametrize("way", WAYS)
both_libraries = pytest.mark.parametrize("library", LIBRARIES)


@asynccontextmanager
async def open_websocket(directory: Path, pair: Pair) -> AsyncIterator[tuple[End, End]]:
    """Hold a WebSocket: the visitor's end and the application's."""
    application = Application(pair.application)
    async with open_engine(directory, application) as engine:
        yield await dial(engine, pair.visitor, pair.way), await application.next_end()


async def exchange(sender: End, receiver: End, messages: Sequence[Message]) -> None:
    """Send all messages while they are received, and see that they are the same."""
    async with trio.open_nursery() as nursery:

        async def send_all() -> None:
            for message in messages:
                await sender.send(message)

        nursery.start_soon(send_all)
        for message in messages:
            # Not compared by pytest, which would explain the difference of megabytes for minutes.
            is_same = await receiver.receive() == message
            assert is_same


# Messages.

#: At and around where a frame's length takes another form (RFC 6455 section 5.2).
SIZES = (0, 1, 125, 126, 127, 65535, 65536, 65537)
MESSAGES: list[Message] = [
    "",
    "text",
    "ü€𝄞\0\r\n\r\n",
    *(b"\xff" * size for size in SIZES),
    *("ü" * (size // 2) for size in SIZES),
    bytes(range(256)),
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
]


@every_pair
async def test_text_and_binary_messages(short_tmp: Path, pair: Pair) -> None:
    async with open_websocket(short_tmp, pair) as (visitor, application):
        await exchange(visitor, application, MESSAGES)
        await exchange(application, visitor, MESSAGES)


@every_pair
async def test_many_small_messages_both_ways_at_once_stay_in_order(short_tmp: Path, pair: Pair) -> None:
    up: list[Message] = [f"up {n}" for n in range(500)]
    down: list[Message] = [b"down %d" % n for n in range(500)]
    async with open_websocket(short_tmp, pair) as (visitor, application), trio.open_nursery() as nursery:
        nursery.start_soon(exchange, visitor, application, up)
        nursery.start_soon(exchange, application, visitor, down)


LARGE_PAIRS = [Pair(*ends, "tcp") for ends in itertools.product(LIBRARIES, LIBRARIES)] + [
    Pair("trio-websocket", "trio-websocket", way) for way in ("tls", "unix")
]


@pytest.mark.parametrize("pair", LARGE_PAIRS, ids=str)
async def test_messages_of_16_mib(short_tmp: Path, pair: Pair) -> None:
    size = 16 * 1024 * 1024
    up: list[Message] = [bytes(range(256)) * (size // 256), "after"]
    down: list[Message] = [b"\xfe\xdc\xba" + bytes(size - 3), "after"]
    async with open_websocket(short_tmp, pair) as (visitor, application):
        await exchange(visitor, application, up)
        await exchange(application, visitor, down)
        if "websockets" not in (pair.visitor, pair.application):  # it does not read while it sends
            async with trio.open_nursery() as nursery:
                nursery.start_soon(exchange, visitor, application, up)
                nursery.start_soon(exchange, application, visitor, down)


@every_way
async def test_fragments_arrive_as_they_were_cut_and_before_the_message_is_whole(
    short_tmp: Path, way: str
) -> None:
    async with open_websocket(short_tmp, Pair("websockets", "websockets", way)) as ends:
        for sender, receiver in (ends, ends[::-1]):
            assert isinstance(sender, WebsocketsEnd) and isinstance(receiver, WebsocketsEnd)
            go_on = trio.Event()

            async def pieces(go_on: trio.Event = go_on) -> AsyncIterator[str]:
                yield "one"
                await go_on.wait()
                yield ""
                yield "three"

            async with trio.open_nursery() as nursery:
                nursery.start_soon(sender.connection.send, pieces())
                received = []
                async for fragment in receiver.connection.recv_streaming():
                    received.append(fragment)
                    if not go_on.is_set():
                        # Control frames may stand between the fragments of a message (section 5.4).
                        await sender.ping(b"in between")
                        await receiver.ping(b"and back")
                        go_on.set()
            assert received == ["one", "", "three", ""]


@both_libraries
async def test_fragments_are_one_message_to_whoever_does_not_ask(short_tmp: Path, library: str) -> None:
    async with open_websocket(short_tmp, Pair("websockets", library)) as (visitor, application):
        assert isinstance(visitor, WebsocketsEnd)
        await visitor.send([b"a", b"", b"b" * 70000, b"c"])
        assert await application.receive() == b"a" + b"b" * 70000 + b"c"


texts = st.text(st.characters(codec="utf-8"), max_size=40)
blobs = st.binary(max_size=40) | st.integers(0, 200_000).map(lambda size: b"\xa5" * size)
messages = st.lists(texts | blobs | st.lists(texts, min_size=1, max_size=4), max_size=12)


@settings(max_examples=50)
@given(down=messages, up=messages, way=st.sampled_from(WAYS), deflates=st.booleans())
async def test_any_messages_come_out_the_same_and_in_order(
    down: list[str | bytes | list[str]], up: list[str | bytes | list[str]], way: str, deflates: bool
) -> None:
    application = Application("websockets", extensions=SERVER_DEFLATE if deflates else [])
    with tempfile.TemporaryDirectory(prefix="ct-", dir="/tmp") as directory:
        async with open_engine(Path(directory), application) as engine:
            visitor = await dial(engine, "websockets", way, extensions=CLIENT_DEFLATE if deflates else [])
            other = await application.next_end()

            async def send(end: End, messages: list[str | bytes | list[str]]) -> None:
                assert isinstance(end, WebsocketsEnd)
                for message in messages:
                    await end.send(message)
                    await end.ping(b"")
                await end.send("end")

            async def receive(end: End, messages: list[str | bytes | list[str]]) -> None:
                for message in messages:
                    assert await end.receive() == ("".join(message) if isinstance(message, list) else message)
                assert await end.receive() == "end"

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send, visitor, up)
                nursery.start_soon(send, other, down)
                nursery.start_soon(receive, visitor, down)
                nursery.start_soon(receive, other, up)


@every_way
async def test_websockets_at_the_same_time_stay_apart(short_tmp: Path, way: str) -> None:
    application = Application("websockets")
    async with open_engine(short_tmp, application) as engine:
        pairs = []
        for _ in range(8):
            pairs.append((await dial(engine, "websockets", way), await application.next_end()))
        async with trio.open_nursery() as nursery:
            for number, (visitor, other) in enumerate(pairs):
                texts: list[Message] = [f"{number}: {n}" for n in range(50)]
                nursery.start_soon(exchange, visitor, other, texts)
                nursery.start_soon(exchange, other, visitor, texts)


# Control frames.


@every_pair
async def test_pings_and_pongs_both_ways(short_tmp: Path, pair: Pair) -> None:
    async with open_websocket(short_tmp, pair) as (visitor, application):
        for end in (visitor, application):
            for payload in (b"\0", b"\xff\xfe", b"p" * 125):
                await end.ping(payload)
        await exchange(visitor, application, ["after"])
        await exchange(application, visitor, ["after"])


CLOSES = [(1000, ""), (1001, "going away"), (1011, "ü" * 61), (3000, "r" * 123), (4999, "own")]


@pytest.mark.parametrize("closer", ["visitor", "application"])
@every_pair
async def test_a_close_shows_its_code_and_reason_at_the_other_end(
    short_tmp: Path, pair: Pair, closer: str
) -> None:
    application = Application(pair.application)
    async with open_engine(short_tmp, application) as engine:
        for code, reason in CLOSES:
            ends = await dial(engine, pair.visitor, pair.way), await application.next_end()
            ours, theirs = ends if closer == "visitor" else ends[::-1]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours.close, code, reason)
                closed = await theirs.wait_closed()
            assert (closed.code, closed.reason) == (code, reason)


@every_pair
async def test_what_was_said_before_a_close_arrives(short_tmp: Path, pair: Pair) -> None:
    last_words = [b"%d" % n * 50_000 for n in range(10)]
    application = Application(pair.application)
    async with open_engine(short_tmp, application) as engine:
        for closes_first in ("visitor", "application"):
            ends = await dial(engine, pair.visitor, pair.way), await application.next_end()
            ours, theirs = ends if closes_first == "visitor" else ends[::-1]

            async def say_all(end: End = ours) -> None:
                for message in last_words:
                    await end.send(message)
                await end.close(1001, "that was it")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(say_all)
                received, closed = await theirs.receive_all()
            assert received == last_words
            assert (closed.code, closed.reason) == (1001, "that was it")


# Ends without a good-bye.


async def close_raw(end: End) -> None:
    """Close the connection below the WebSocket."""
    await end.raw.aclose()


async def reset_raw(end: End) -> None:
    """Break it."""
    end.raw.reset()


async def half_close_raw(end: End) -> None:
    """End one direction only, which for a WebSocket means the end."""
    await end.raw.send_eof()


@pytest.mark.parametrize("ending", [close_raw, reset_raw, half_close_raw])
@every_pair
async def test_an_end_without_good_bye_is_seen_at_the_other(
    short_tmp: Path, pair: Pair, ending: Callable[[End], Awaitable[None]]
) -> None:
    application = Application(pair.application)
    async with open_engine(short_tmp, application) as engine:
        for ender in ("visitor", "application"):
            ends = await dial(engine, pair.visitor, pair.way), await application.next_end()
            ours, theirs = ends if ender == "visitor" else ends[::-1]
            await exchange(theirs, ours, ["hello"])
            await ours.send("last words")
            # A reset may overtake them, as it may without a gateway.
            assert await theirs.receive() == "last words"
            await ending(ours)
            assert (await theirs.wait_closed()).code == ABNORMAL


@every_pair
async def test_the_sessions_end_ends_its_websockets_and_no_others(short_tmp: Path, pair: Pair) -> None:
    application = Application(pair.application)
    async with open_engine(short_tmp, application) as engine:
        stays = await dial(engine, pair.visitor, pair.way), await application.next_end()
        with engine.another_route("lab-bob.test", engine.origin.path, TOKEN):
            visitor = await dial(engine, pair.visitor, "unix", host="lab-bob.test")
            goes = visitor, await application.next_end()
            await exchange(*goes, ["hello"])
        for end in goes:
            assert (await end.wait_closed()).code == ABNORMAL
        await exchange(*stays, ["still here"])
        await exchange(*stays[::-1], ["so am I"])


# The handshake.


@every_pair
async def test_the_subprotocol_is_the_applications_choice(short_tmp: Path, pair: Pair) -> None:
    for choice in ("lab.v2", None):
        application = Application(pair.application, subprotocol=choice)
        async with open_engine(short_tmp, application) as engine:
            offered = ["lab.v1", "lab.v2"] if choice or pair.application == "trio-websocket" else []
            visitor = await dial(engine, pair.visitor, pair.way, subprotocols=offered)
            other = await application.next_end()
            assert visitor.subprotocol == other.subprotocol == choice
            await exchange(visitor, other, ["hello"])


TEXT = "the same again, " * 60_000


@every_way
async def test_compression_is_negotiated_and_used_end_to_end(short_tmp: Path, way: str) -> None:
    application = Application("websockets", extensions=SERVER_DEFLATE)
    async with open_engine(short_tmp, application) as engine:
        visitor = await dial(engine, "websockets", way, extensions=CLIENT_DEFLATE)
        ends = (visitor, await application.next_end())
        assert [end.extensions for end in ends] == [["permessage-deflate"]] * 2
        for sender, receiver in (ends, ends[::-1]):
            await exchange(sender, receiver, [TEXT, "", b"\0" * 100_000, TEXT])
            assert receiver.raw.received < len(TEXT) / 10


async def test_the_parameters_of_compression_are_the_ends_affair(short_tmp: Path) -> None:
    # RFC 7692 section 7.1
    offer = ClientPerMessageDeflateFactory(
        server_no_context_takeover=True, server_max_window_bits=10, client_max_window_bits=True
    )
    answer = ServerPerMessageDeflateFactory(
        server_no_context_takeover=True,
        client_no_context_takeover=True,
        server_max_window_bits=9,
        client_max_window_bits=11,
    )
    application = Application("websockets", extensions=[answer])
    async with open_engine(short_tmp, application) as engine:
        visitor = await dial(engine, "websockets", extensions=[offer])
        other = await application.next_end()
        assert isinstance(visitor, WebsocketsEnd) and isinstance(other, WebsocketsEnd)
        assert visitor.connection.response is not None
        assert visitor.connection.response.headers["Sec-WebSocket-Extensions"] == (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=9; client_max_window_bits=11"
        )
        await exchange(visitor, other, [TEXT, TEXT])
        await exchange(other, visitor, [TEXT, TEXT])


@pytest.mark.parametrize(
    "pair", [Pair("websockets", "trio-websocket"), Pair("trio-websocket", "websockets")], ids=str
)
async def test_no_compression_where_one_end_has_none(short_tmp: Path, pair: Pair) -> None:
    application = Application(pair.application, extensions=SERVER_DEFLATE)
    async with open_engine(short_tmp, application) as engine:
        visitor = await dial(engine, pair.visitor, extensions=CLIENT_DEFLATE)
        other = await application.next_end()
        assert visitor.extensions == other.extensions == []
        await exchange(visitor, other, [TEXT])
        await exchange(other, visitor, [TEXT])


@every_pair
async def test_the_application_sees_the_visitors_request_without_the_token(short_tmp: Path, pair: Pair) -> None:
    application = Application(pair.application)
    async with open_engine(short_tmp, application) as engine:
        own_origin = ("Origin", "https://" + HOST.decode())
        await dial(engine, pair.visitor, pair.way, fields=[TOKEN_FIELD, own_origin, ("X-Own", "1")])
        await application.next_end()
        [fields] = application.requests
        assert TOKEN.decode() not in repr(fields)
        for field in (("Cookie", "theme=dark"), own_origin, ("X-Own", "1")):
            assert field in [(name.title(), value) for name, value in fields]


# No WebSocket.


@every_pair
async def test_a_refusal_of_the_application_passes_with_its_body(short_tmp: Path, pair: Pair) -> None:
    application = Application(pair.application, refusal=(403, b"not on a Sunday\n"))
    async with open_engine(short_tmp, application) as engine:
        with pytest.raises(Refused) as refused:
            await dial(engine, pair.visitor, pair.way)
        assert (refused.value.status, refused.value.body) == (403, b"not on a Sunday\n")


FOREIGN = {
    "no token": [],
    "a wrong token": [("Cookie", "authorization=wrong")],
    "a neighbour's page": [TOKEN_FIELD, ("Origin", "https://lab-bob.test")],
    "a page without an origin": [TOKEN_FIELD, ("Origin", "null")],
    "another port": [TOKEN_FIELD, ("Origin", f"http://{HOST.decode()}:8080")],
}


@pytest.mark.parametrize("fields", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("way", WAYS)
@both_libraries
async def test_who_may_not_get_in_does_not_reach_the_application(
    short_tmp: Path, library: str, way: str, fields: Fields
) -> None:
    application = Application("websockets")
    async with open_engine(short_tmp, application) as engine:
        host = f"{HOST.decode()}:8888" if any(":8080" in value for _, value in fields) else HOST.decode()
        with pytest.raises(Refused) as refused:
            await dial(engine, library, way, host=host, fields=fields)
        assert refused.value.status == 403
        assert engine.origin.connections == []


# Bytes that come early.


def handshake() -> bytes:
    """Return a visitor's upgrade request as the library writes it, with the token."""
    protocol = ClientProtocol(parse_uri("ws://" + HOST.decode()))
    opening = protocol.connect()
    opening.headers["Cookie"] = f"authorization={TOKEN.decode()}"
    protocol.send_request(opening)
    return b"".join(protocol.data_to_send())


@pytest.mark.parametrize("size", [1, 70_000, 1_000_000])
@pytest.mark.parametrize("way", WAYS)
@both_libraries
async def test_frames_sent_together_with_the_request(short_tmp: Path, library: str, way: str, size: int) -> None:
    application = Application(library)
    early = [Frame(Opcode.BINARY, b"%d" % n * size) for n in range(3)]
    async with open_engine(short_tmp, application) as engine:
        _, stream = await reach(engine, way)
        frames = b"".join(frame.serialize(mask=True) for frame in early)
        engine.nursery.start_soon(stream.send_all, handshake() + frames)
        end = await application.next_end()
        for frame in early:
            assert await end.receive() == frame.data
        await stream.send_all(Frame(Opcode.TEXT, b"late").serialize(mask=True))
        assert await end.receive() == "late"


@pytest.mark.parametrize("size", [1, 70_000, 1_000_000])
@every_way
@both_libraries
async def test_frames_sent_together_with_the_101(short_tmp: Path, library: str, way: str, size: int) -> None:
    early = [b"%d" % n * size for n in range(3)]

    async def application(connection: OriginConnection) -> None:
        protocol = ServerProtocol()
        protocol.receive_data(await connection.receive_head())
        [opening] = protocol.events_received()
        assert isinstance(opening, Request)
        protocol.send_response(protocol.accept(opening))
        for data in early:
            protocol.send_binary(data)
        await connection.send_all(b"".join(protocol.data_to_send()))
        await connection.receive_to_end()

    async with open_engine(short_tmp, application) as engine:
        visitor = await dial(engine, library, way)
        for data in early:
            assert await visitor.receive() == data


@every_way
async def test_a_websocket_on_a_connection_that_carried_requests(short_tmp: Path, way: str) -> None:
    websocket = Application("websockets")

    async def application(connection: OriginConnection) -> None:
        while b"Upgrade" not in (head := await connection.receive_head()):
            if not head:
                return
            await connection.send_all(OK)
        connection.unread[:0] = head
        await websocket(connection)

    async with open_engine(short_tmp, application) as engine:
        _, stream = await reach(engine, way)
        for _ in range(2):
            await stream.send_all(request())
            assert (await stream.receive_some()).endswith(b"ok")
        await stream.send_all(handshake() + Frame(Opcode.TEXT, b"hello").serialize(mask=True))
        end = await websocket.next_end()
        assert await end.receive() == "hello"
