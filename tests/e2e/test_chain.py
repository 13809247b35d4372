"""The main job over a real SSH server, with real users: what a visitor gets through the whole chain."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_client_stream
from wsproto.events import TextMessage

from scripts.private_sshd import PrivateSshd
from tests.support.chain import Chain, open_chain
from tests.support.chain_app import DOWNLOAD_SIZE, LAST_WORDS, download_chunks
from tests.support.programs import (
    PATIENCE,
    Program,
    ask,
    login_target,
)

pytestmark = pytest.mark.e2e

TOKEN = "a token/of 1 kind"
ENCODED_TOKEN = "a%20token%2Fof%201%20kind"
HOST = "app-ct-alice.localhost"


@pytest.fixture
async def chain(short_tmp: Path, sshd: PrivateSshd) -> AsyncIterator[Chain]:
    async with open_chain(short_tmp, sshd, "-v") as chain:
        yield chain


@pytest.fixture
async def client(chain: Chain) -> AsyncIterator[Program]:
    async with chain.open_client(chain.alice, token=TOKEN, options=["-v"]) as client:
        await client.wait_state("live")
        yield client


@asynccontextmanager
async def open_websocket(chain: Chain, token: str = TOKEN) -> AsyncIterator[WebSocketConnection]:
    """Open a WebSocket to Alice's application."""
    cookie = [(b"Cookie", f"authorization={token}".encode())]
    with trio.fail_after(PATIENCE):
        stream = await trio.open_tcp_stream("127.0.0.1", chain.server.port)
        async with stream, trio.open_nursery() as nursery:
            yield await wrap_client_stream(nursery, stream, HOST, "/ws", extra_headers=cookie)
            nursery.cancel_scope.cancel()


async def test_the_client_tells_each_step(chain: Chain, client: Program) -> None:
    execute, connect, control, live = client.events
    assert execute == {
        "state": "execute",
        "command": [str(w) for w in chain.command(chain.alice)],
        "pid": execute["pid"],
    }
    assert connect == {"state": "connect", "user": None, "host": "localhost", "port": chain.sshd.port}
    directory = control["banner"]["directory"]
    assert control["path"] == str(chain.server.control_socket)
    assert control["banner"]["status"] == "ok"
    assert "resume" in control["banner"]["extensions"]
    assert Path(directory) in chain.server.session_directories
    assert live["config"] == {"auth": TOKEN, "key": "app", "urls": [HOST]}
    answer = await ask(chain.server.port, HOST, "/", token=TOKEN)
    assert int(answer.body) == execute["pid"]


async def test_who_does_not_know_the_token_gets_nowhere(chain: Chain, client: Program) -> None:
    port = chain.server.port
    assert (await ask(port, HOST, "/")).status == 403
    assert (await ask(port, HOST, "/", token="wrong")).status == 403
    assert (await ask(port, HOST, login_target("wrong"))).status == 403
    assert (await ask(port, "app-ct-bob.localhost", "/", token=TOKEN)).status == 404
    with pytest.RaisesGroup(HandshakeError, flatten_subgroups=True):
        async with open_websocket(chain, token="wrong"):
            pass


async def test_the_application_does_not_see_the_token(chain: Chain, client: Program) -> None:
    fields = [("Cookie", f'one=1; authorization={ENCODED_TOKEN}; two="2"')]
    answer = await ask(chain.server.port, HOST, "/headers", fields=fields)
    got = json.loads(answer.body)
    assert [value for name, value in got if name.lower() == "cookie"] == ['one=1; two="2"']
    assert "token" not in answer.body.decode()


async def test_a_websocket_carries_text_and_binary_both_ways(chain: Chain, client: Program) -> None:
    async with open_websocket(chain) as socket:
        for message in ("text ✓", b"\0\xff binary", "", b"x" * 500_000):
            await socket.send_message(message)
            assert await socket.get_message() == message


async def test_a_websocket_message_in_fragments_stays_one(chain: Chain, client: Program) -> None:
    async with open_websocket(chain) as socket:
        # The library has no public way to send a fragment.
        await socket._send(TextMessage(data="one, ", message_finished=False))
        await socket.ping(b"in between")
        await socket._send(TextMessage(data="two", message_finished=True))
        assert await socket.get_message() == "one, two"


async def test_a_websocket_answers_pings(chain: Chain, client: Program) -> None:
    async with open_websocket(chain) as socket:
        await socket.ping(b"are you there?")


@pytest.mark.parametrize("code", [1000, 4321])
async def test_the_application_ends_a_websocket_with_its_code(chain: Chain, client: Program, code: int) -> None:
    async with open_websocket(chain) as socket:
        await socket.send_message(f"close {code}")
        with pytest.raises(ConnectionClosed) as caught:
            await socket.get_message()
    assert caught.value.reason is not None
    assert (caught.value.reason.code, caught.value.reason.reason) == (code, "as asked")


async def test_a_large_download_arrives_as_it_was_sent(chain: Chain, client: Program) -> None:
    expected = hashlib.sha256()
    for piece in download_chunks():
        expected.update(piece)
    answer = await ask(chain.server.port, HOST, "/download", token=TOKEN)
    assert len(answer.body) == DOWNLOAD_SIZE
    assert hashlib.sha256(answer.body).digest() == expected.digest()


async def test_a_large_upload_arrives_as_it_was_sent(chain: Chain, client: Program) -> None:
    body = b"".join(download_chunks())
    answer = await ask(chain.server.port, HOST, "/upload", token=TOKEN, method="POST", body=body)
    assert answer.body.decode() == hashlib.sha256(body).hexdigest()


def make_request(line: bytes, fields: bytes) -> bytes:
    cookie = b"Cookie: authorization=" + TOKEN.encode() + b"\r\n"
    return line + b" HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n" + cookie + fields + b"\r\n"


async def test_last_words_arrive_while_the_visitor_is_sending(chain: Chain, client: Program) -> None:
    """When the application closes, sshd shuts down one direction of the relay connection, its words under way."""
    for _ in range(15):
        with trio.fail_after(PATIENCE):
            async with (
                await trio.open_tcp_stream("127.0.0.1", chain.server.port) as visitor,
                trio.open_nursery() as nursery,
            ):
                await visitor.send_all(
                    make_request(b"GET /last-words", b"Connection: Upgrade\r\nUpgrade: words\r\n")
                )
                received = bytearray()
                while b"\r\n\r\n" not in received:
                    received += await visitor.receive_some()

                async def keep_sending(visitor: trio.SocketStream = visitor) -> None:
                    with contextlib.suppress(trio.BrokenResourceError):
                        while True:
                            await visitor.send_all(bytes(1000))
                            await trio.sleep(0.0002)

                nursery.start_soon(keep_sending)
                while piece := await visitor.receive_some():
                    received += piece
                nursery.cancel_scope.cancel()
        assert received.partition(b"\r\n\r\n")[2] == LAST_WORDS


async def test_an_early_refusal_of_an_upload_is_whole(chain: Chain, client: Program) -> None:
    for _ in range(10):
        with trio.fail_after(PATIENCE):
            async with (
                await trio.open_tcp_stream("127.0.0.1", chain.server.port) as visitor,
                trio.open_nursery() as nursery,
            ):
                await visitor.send_all(
                    make_request(b"POST /refused", b"Connection: close\r\nContent-Length: 3000000\r\n")
                )

                async def upload(visitor: trio.SocketStream = visitor) -> None:
                    with contextlib.suppress(trio.BrokenResourceError):
                        await visitor.send_all(bytes(3_000_000))

                nursery.start_soon(upload)
                received = bytearray()
                while piece := await visitor.receive_some():
                    received += piece
        assert received.startswith(b"HTTP/1.1 413 ")
        assert received.endswith(b"file is too large\n\r\n0\r\n\r\n")


async def test_events_arrive_one_by_one(chain: Chain, client: Program) -> None:
    port = chain.server.port
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(
                f"GET /events HTTP/1.1\r\nHost: {HOST}\r\nCookie: authorization={ENCODED_TOKEN}\r\n\r\n".encode()
            )
            received = b""
            # Each is caused only once the one before it has arrived, so none can have been held back.
            for expected in (b"data: begun\n\n", b"data: poke 1\n\n", b"data: poke 2\n\n"):
                while expected not in received:
                    received += await stream.receive_some()
                assert (await ask(port, HOST, "/poke", token=TOKEN, method="POST")).status == 200


async def test_no_token_in_any_log(chain: Chain, client: Program) -> None:
    port = chain.server.port
    await ask(port, HOST, login_target(TOKEN, next="/"))
    await ask(port, HOST, login_target("wrong"))
    await ask(port, HOST, "/", token=TOKEN)
    await ask(port, HOST, "/", fields=[("Authorization", f"Bearer {ENCODED_TOKEN}")])
    await ask(port, HOST, "/nothing", token=TOKEN)
    async with open_websocket(chain):
        pass
    await client.end()
    await chain.server.program.wait_logged("ended")
    digest = json.dumps(hashlib.blake2b(TOKEN.encode()).hexdigest())
    for log in (chain.server.program.err.text, client.err.text, chain.sshd.log):
        assert log
        for secret in (TOKEN, ENCODED_TOKEN, digest, "wrong", "/_conductor/auth"):
            assert secret not in log


@pytest.mark.one_process  # workers tell of what they did up to half a second later
async def test_the_counters_tell_what_happened(chain: Chain, client: Program) -> None:
    port = chain.server.port
    await ask(port, HOST, "/", token=TOKEN)
    await ask(port, HOST, "/", token="wrong")
    await ask(port, "nobody.localhost", "/")
    counters = json.loads((await ask(port, HOST, "/_conductor/status")).body)
    expected = {
        "requestTotal": 4,
        "requestActive": 1,
        "unauthorized": 1,
        "noroute": 1,
        "broken": 0,
        "internalErrors": 0,
        "routesTotal": 1,
    }
    assert {name: counters[name] for name in expected} == expected
