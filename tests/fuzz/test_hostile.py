"""Requests made to be read in two ways: the application receives nothing, or exactly one message beyond doubt.

Each attack carries, where another reader would look for it, a second request that shows no token; the gateway
itself may find and refuse that, but no application may ever see it as a request of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.engine import (
    COOKIE,
    HOST,
    Application,
    Engine,
    open_engine,
    parse_strictly,
    request,
)

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: app-alice.test\r\n\r\n"

# What stands around a colon or a value and looks like white space to somebody.
BLANKS = [
    b"",
    b" ",
    b"\t",
    b"  ",
    b"\x00",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"\x1f",
    b"\x7f",
    b"\x85",
    b"\xa0",
    b"\xc2\xa0",
    b"\xe2\x80\x8b",
    b"\r",
    b"\n",
    b"\r\n ",
    b"\r\n\t",
    b"\n ",
    b"\r\r\n",
]

CODINGS = [
    b"chunked",
    b"Chunked",
    b"CHUNKED",
    b"xchunked",
    b"chunkedx",
    b"chun\x00ked",
    b"chun ked",
    b'"chunked"',
    b"'chunked'",
    b"chunked, identity",
    b"identity, chunked",
    b"chunked,",
    b",chunked",
    b", chunked",
    b"chunked, chunked",
    b"chunked;",
    b"chunked;q=0",
    b"chunked\x0b",
    b"\x0bchunked",
    b"chunked\r",
    b"identity",
    b"gzip, chunked",
    b"chunked, gzip",
    b"cow",
    b"",
    b"=chunked",
    b"{chunked}",
    b"chunke\xc4\x91",
    b"\xefchunked",
]

NAMES = [
    b"Transfer-Encoding",
    b"transfer-encoding",
    b"TRANSFER-ENCODING",
    b"Transfer_Encoding",
    b"Transfer Encoding",
    b"Transfer-Encoding ",
    b" Transfer-Encoding",
    b"\tTransfer-Encoding",
    b"Transfer-Encoding\x00",
    b"\x00Transfer-Encoding",
    b"Transfer-\x00Encoding",
    b"Transfer-Encoding\x0b",
    b"Transfer-Encoding\xa0",
    b"Transfer-Encod\xc4\xb1ng",
    b"Transfer\r\n -Encoding",
    b"X: x\nTransfer-Encoding",
    b"X: x\rTransfer-Encoding",
    b"X: x\r\n Transfer-Encoding",
    b"Transfer-Encoding:",
    b":Transfer-Encoding",
    b"Transfer-Encoding\r\n",
    b"Foo\r\n\r\nTransfer-Encoding",
]

LENGTHS = [
    b"4",
    b"04",
    b"+4",
    b"-4",
    b"4 ",
    b" 4",
    b"4,4",
    b"4, 4",
    b"4,0",
    b"0,4",
    b",4",
    b"4,",
    b"4;",
    b"4.0",
    b"4e0",
    b"0x4",
    b"0b100",
    b"0o4",
    b"1_0",
    b"4\x00",
    b"\x004",
    b"4\x0b",
    b"\x0b4",
    b"4\xa0",
    b"\xb2",
    b"\xd9\xa4",
    b'"4"',
    b"4 4",
    b"4\r",
    b"4\n",
    b"4\r\n 4",
    b"four",
    b"",
    b"99999999999999999999",
    b"18446744073709551620",
    b"4294967300",
    b"1e3",
    b"NaN",
]

CHUNKS = [
    b"0\r\n\r\n",
    b"4\r\nGET \r\n0\r\n\r\n",
    b"04\r\nGET \r\n0\r\n\r\n",
    b"0x4\r\nGET \r\n0\r\n\r\n",
    b"+4\r\nGET \r\n0\r\n\r\n",
    b"-4\r\nGET \r\n0\r\n\r\n",
    b"4 \r\nGET \r\n0\r\n\r\n",
    b" 4\r\nGET \r\n0\r\n\r\n",
    b"4\t\r\nGET \r\n0\r\n\r\n",
    b"4\x00\r\nGET \r\n0\r\n\r\n",
    b"4\x0b\r\nGET \r\n0\r\n\r\n",
    b"4\xa0\r\nGET \r\n0\r\n\r\n",
    b"4;\r\nGET \r\n0\r\n\r\n",
    b"4;a\r\nGET \r\n0\r\n\r\n",
    b'4;a="\r\n"\r\nGET \r\n0\r\n\r\n',
    b"4;a\nGET \r\n0\r\n\r\n",
    b"4;a\rGET \r\n0\r\n\r\n",
    b"4;\x00\r\nGET \r\n0\r\n\r\n",
    b"4\nGET \n0\n\n",
    b"4\rGET \r0\r\r",
    b"4\r\nGET \n0\r\n\r\n",
    b"4\r\nGET \r0\r\n\r\n",
    b"4\r\nGET 0\r\n\r\n",
    b"4\r\nGET AB0\r\n\r\n",
    b"4\r\nGET \n\r0\r\n\r\n",
    b"4\r\nGET \r\r0\r\n\r\n",
    b"4\r\nGET \n\n0\r\n\r\n",
    b"4\r\nGET \r\n\r\n0\r\n\r\n",
    b"4\r\nGET \r\n0\n\r\n",
    b"4\r\nGET \r\n0\r\n\n",
    b"4\r\nGET \r\n0\r\r\n\r\n",
    b"4\r\nGET \r\n00000000000000000\r\n\r\n",
    b"4\r\nGET \r\n0;\r\n\r\n",
    b"4\r\nGET \r\n0 \r\n\r\n",
    b"100000000000000004\r\nGET \r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFF\r\nGET \r\n0\r\n\r\n",
    b"4,4\r\nGET \r\n0\r\n\r\n",
    b"\xef\xbc\x94\r\nGET \r\n0\r\n\r\n",
    b"\r\n4\r\nGET \r\n0\r\n\r\n",
    b"4\r\n\r\nGET \r\n0\r\n\r\n",
    b"0\r\nContent-Length: 9\r\n\r\n",
    b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"0\r\nX: y\nZ: w\r\n\r\n",
    b"0\r\nX: y\r\n folded\r\n\r\n",
    b"0\r\nX : y\r\n\r\n",
    b"0\r\nX\x00: y\r\n\r\n",
    b"0\r\n: y\r\n\r\n",
    b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    b"0\r\nHost: app-bob.test\r\n\r\n",
]

VERSIONS = [
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/1.2",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/1.10",
    b"HTTP/01.1",
    b"HTTP/1,1",
    b"HTTP/1.1 ",
    b"HTTP/1.1\x00",
    b"HTTP/1.1\t",
    b"HTTP/1.1\x0b",
    b"HTTP/1.1x",
    b"HTTP /1.1",
    b"HTTP/ 1.1",
    b"HTTP/1. 1",
    b"http/1.1",
    b"HTTPS/1.1",
    b"HTTP/1.1 HTTP/1.0",
    b"HTTP/\xb9.1",
    b"HTTP/1.\xd9\xa1",
    b"HTTP/+1.1",
    b"HTTP/1",
    b"",
]

TARGETS = [
    b"/a\x00b",
    b"/a\tb",
    b"/a\x0bb",
    b"/a\rb",
    b"/a\nb",
    b"/a b",
    b"/a\x7f",
    b"/a\x85",
    b"/a\xa0",
    b"/a#b",
    b"/a?b#c",
    b"#",
    b"",
    b"a",
    b"\\a",
    b"*",
    b"http:",
    b"http:/",
    b"http://",
    b"http:///a",
    b"http:app-alice.test/",
    b"http:/app-alice.test/",
    b"http://app-bob.test/",
    b"http://app-alice.test:81/",
    b"http://app-alice.test@app-bob.test/",
    b"http://app-bob.test@app-alice.test/",
    b"http://app-alice.test\\@app-bob.test/",
    b"http://app-alice.test#@app-bob.test/",
    b"http://app-alice.test?@app-bob.test/",
    b"http://app-alice.test:80:80/",
    b"http://app-alice.test:/",
    b"http://app-alice.test./",
    b"http://app-alice.test,app-bob.test/",
    b"http://app-alice.test%00/",
    b"http://app-alice.test\x00/",
    b"http://[app-alice.test]/",
    b"HtTp://app-alice.test/",
    b"ws://app-alice.test/",
    b"gopher://app-alice.test/",
    b"//app-bob.test/",
    b"/http://app-bob.test/",
    b"app-alice.test:80",
]

HOST_LINES = [
    b"",
    b"Host: app-alice.test\r\nHost: app-alice.test\r\n",
    b"Host: app-alice.test\r\nHost: app-bob.test\r\n",
    b"Host: app-alice.test\r\nhost: app-bob.test\r\n",
    b"Host : app-bob.test\r\nHost: app-alice.test\r\n",
    b"Host: app-alice.test\r\n Host: app-bob.test\r\n",
    b" Host: app-bob.test\r\nHost: app-alice.test\r\n",
    b"Host:\tapp-alice.test\t\r\n",
    b"Host: app-alice.test, app-bob.test\r\n",
    b"Host: app-alice.test app-bob.test\r\n",
    b"Host: app-alice.test:80@app-bob.test\r\n",
    b"Host: app-bob.test#app-alice.test\r\n",
    b"Host: app-alice.test\\app-bob.test\r\n",
    b"Host: app-alice.test/app-bob.test\r\n",
    b"Host: app-alice.test?app-bob.test\r\n",
    b"Host: http://app-alice.test\r\n",
    b"Host: app-alice.test:\r\n",
    b"Host: app-alice.test:080\r\n",
    b"Host: app-alice.test:\xd9\xa1\r\n",
    b"Host: app-alice.test:99999999999\r\n",
    b"Host: app-alice.test..\r\n",
    b"Host: app\xadalice.test\r\n",
    b"Host: app-alice.test\x00.evil\r\n",
    b"Host: app-alice.test\x0b\r\n",
    b"Host:\r\n app-alice.test\r\n",
    b"Host: app-alice.test\nX: y\r\n",
    b"Host: app-alice.test\rX: y\r\n",
    b"Host\x00: app-alice.test\r\n",
    b"X-Forwarded-Host: app-bob.test\r\nHost: app-alice.test\r\nHost_: x\r\n",
]


def codings() -> Iterator[bytes]:
    """Content-Length beside a Transfer-Encoding of every kind, in either order, and alone."""
    body = b"0\r\n\r\n" + SMUGGLED
    for coding in CODINGS:
        line = b"Transfer-Encoding: " + coding + b"\r\n"
        length = b"Content-Length: %d\r\n" % len(body)
        for fields in (line, line + length, length + line, line + line):
            yield request(b"POST / HTTP/1.1", fields, body)
        yield request(b"POST / HTTP/1.1", line + b"Transfer-Encoding: identity\r\n", body)
        yield request(b"POST / HTTP/1.0", line + length, body)
    for name, short in product(NAMES, (b"5", b"%d" % len(body))):
        yield request(b"POST / HTTP/1.1", name + b": chunked\r\nContent-Length: " + short + b"\r\n", body)
    for before, after in product(BLANKS, BLANKS):
        line = b"Transfer-Encoding:" + before + b"chunked" + after + b"\r\n"
        yield request(b"POST / HTTP/1.1", line + b"Content-Length: 5\r\n", body)


def lengths() -> Iterator[bytes]:
    """Content-Length of every kind, alone, twice, and with another."""
    body = b"GET " + SMUGGLED
    for length in LENGTHS:
        line = b"Content-Length: " + length + b"\r\n"
        for fields in (line, line + line, line + b"Content-Length: 0\r\n", b"content-length: 4\r\n" + line):
            yield request(b"POST / HTTP/1.1", fields, body)
        yield request(fields=line, body=body)
    for blank in BLANKS:
        yield request(b"POST / HTTP/1.1", b"Content-Length" + blank + b": 4\r\n", body)
        yield request(b"POST / HTTP/1.1", b"Content-Length:" + blank + b"4\r\n", body)
        yield request(b"POST / HTTP/1.1", b"Content-Length: 4" + blank + b"\r\n", body)
        yield request(b"POST / HTTP/1.1", blank + b"Content-Length: 4\r\n", body)
        yield request(b"POST / HTTP/1.1", b"X: y" + blank + b"Content-Length: 4\r\n", body)


def chunks() -> Iterator[bytes]:
    """Chunked bodies of every kind."""
    for body in CHUNKS:
        yield request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked\r\n", body + SMUGGLED)
    for blank in BLANKS:
        for body in (
            b"4" + blank + b"\r\nGET ",
            blank + b"4\r\nGET ",
            b"4\r" + blank + b"\nGET ",
            b"4\r\nGET " + blank,
        ):
            yield request(
                b"POST / HTTP/1.1", b"Transfer-Encoding: chunked\r\n", body + b"\r\n0\r\n\r\n" + SMUGGLED
            )


def request_lines() -> Iterator[bytes]:
    """Versions, targets and separators of every kind."""
    for version in VERSIONS:
        yield request(b"GET / " + version) + SMUGGLED
    for target in TARGETS:
        yield request(b"GET " + target + b" HTTP/1.1") + SMUGGLED
        yield b"GET " + target + b" HTTP/1.1\r\n" + COOKIE + b"\r\n" + SMUGGLED
    for blank in BLANKS:
        yield request(b"GET" + blank + b"/ HTTP/1.1") + SMUGGLED
        yield request(b"GET " + blank + b"/ HTTP/1.1") + SMUGGLED
        yield request(b"GET /" + blank + b"HTTP/1.1") + SMUGGLED
        yield request(blank + b"GET / HTTP/1.1") + SMUGGLED
        yield request(b"GET / HTTP/1.1" + blank) + SMUGGLED


def hosts() -> Iterator[bytes]:
    """Host fields of every kind, with the origin-form and beside an absolute one."""
    for lines in HOST_LINES:
        for target in (b"/", b"http://app-alice.test/", b"http://app-bob.test/"):
            for version in (b"1.1", b"1.0"):
                yield b"GET " + target + b" HTTP/" + version + b"\r\n" + lines + COOKIE + b"\r\n" + SMUGGLED


def fields() -> Iterator[bytes]:
    """Every byte in every place of a field line, and line ends of every kind."""
    for code in range(256):
        byte = bytes([code])
        yield request(fields=b"X" + byte + b"Y: z\r\n") + SMUGGLED
        yield request(fields=b"X: y" + byte + b"z\r\n") + SMUGGLED
        yield request(fields=b"X: y\r\n" + byte + b"Z: w\r\n") + SMUGGLED
        yield request(fields=b"X: y\r" + byte + b"Z: w\r\n") + SMUGGLED
    for end in (
        b"\n",
        b"\r",
        b"\r\r\n",
        b"\n\r",
        b"\r\n\n",
        b"\x0b\r\n",
        b"\r\n\r\n",
        b"\r\n \r\n",
        b"\x85",
        b"\xe2\x80\xa8",
    ):
        yield request(fields=b"X: y" + end + b"Content-Length: 5\r\n", body=SMUGGLED)
        yield request(fields=b"X: y" + end)[:-4] + end + end + SMUGGLED
    for name in (
        b"Content_Length",
        b"content-length\x00",
        b"Content\xadLength",
        b"X-Forwarded-For ",
        b"Connection\x00",
    ):
        yield request(fields=name + b": 5\r\n", body=SMUGGLED)


ATTACKS = [codings, lengths, chunks, request_lines, hosts, fields]


async def execute_command(engine: Engine, attack: bytes) -> str | None:
    """Send an attack, and return what is wrong with what the application received, None where nothing is."""
    before = len(engine.origin.connections)
    visitor = engine.connect()
    try:
        await visitor.send(attack)
        await visitor.send_eof()
        await visitor.receive_to_end()
    except trio.BrokenResourceError:
        pass
    finally:
        visitor.close()
    await wait_all_tasks_blocked()
    received = b"".join(bytes(connection.received) for connection in engine.origin.connections[before:])
    try:
        messages = parse_strictly(received)
    except Exception as error:
        # What the visitor cut short itself reaches nobody as a message: the application sees it cut, too.
        cut = engine.origin.connections[-1].ended.is_set() and type(error).__name__ == "Incomplete"
        return None if cut else f"{error!r} in {received!r}"
    if len(messages) > 1:
        return f"{len(messages)} messages: {messages}"
    for message in messages:
        host = message.values(b"host")[0].lower().partition(b":")[0].removesuffix(b".")
        if host != HOST or b"/smuggled" in message.line:
            return f"another's message: {message}"
    return None


@pytest.mark.parametrize("attacks", ATTACKS, ids=lambda attacks: attacks.__name__)
async def test_no_application_receives_what_can_be_read_in_two_ways(attacks: object, short_tmp: Path) -> None:
    assert callable(attacks)
    tried = list(attacks())
    wrong = []
    application = Application(keeps=False)
    async with open_engine(short_tmp, application) as engine:
        for attack in tried:
            if (what := await execute_command(engine, attack)) is not None:
                wrong.append(f"{attack!r}: {what}")
    assert len(tried) > 90
    assert not wrong, f"{len(wrong)} of {len(tried)}:\n" + "\n".join(wrong[:20])


async def test_the_list_can_fail(short_tmp: Path) -> None:
    application = Application()
    async with open_engine(short_tmp, application) as engine:
        # Two honest requests of one visitor: what the check would say, were one of them smuggled.
        what = await execute_command(engine, request(b"GET /1 HTTP/1.1") + request(b"GET /2 HTTP/1.1"))
        assert what is not None and what.startswith("2 messages")
