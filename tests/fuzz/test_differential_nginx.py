"""The gateway and nginx in front of the same application: the same decision, the same message.

The rows are requests on which the RFC leaves no choice, or hardly one; where nginx decides otherwise, the row says
why, and the test holds that it still does. Generated requests follow, valid ones, and ones with a single mistake.
A request counts as passed if the application got it whole. Clauses are of RFC 9112 unless they name another.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import assume, given
from hypothesis import strategies as st

from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import SocketStream
from tests.support.engine import (
    PATIENCE,
    Application,
    Engine,
    Incomplete,
    Message,
    Visitor,
    open_engine,
    request,
)
from tests.support.fuzzing import fuzz, requests
from tests.support.needs import require_program
from tests.support.oracles import take_response

pytestmark = pytest.mark.e2e

#: nginx at its strictest towards requests, and passing all of their fields; whole bodies only, as we count.
CONFIGURATION = """
daemon off; master_process off; pid {directory}/pid; error_log stderr notice;
events {{ worker_connections 64; }}
http {{
    access_log off; error_log /dev/null crit;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;
    client_header_buffer_size 64k;
    server {{
        listen unix:{directory}/front;
        location / {{
            proxy_pass http://unix:{directory}/app:;
            proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection "";
        }}
    }}
}}
"""

#: What concerns one connection only, or what one of the two adds, sets or takes away.
NOT_COMPARED = re.compile(
    rb"(?i)connection|content-length|transfer-encoding|te|upgrade|expect|keep-alive|proxy-connection"
    rb"|cookie|authorization|forwarded|x[-_]forwarded[-_].*|x[-_]real[-_]ip|x-gone"
)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Give the directory of a running nginx, which listens at `front` in it and passes on to `app`."""
    nginx = require_program("nginx")
    directory = Path(tempfile.mkdtemp(prefix="ct-", dir="/tmp"))
    (directory / "nginx.conf").write_text(CONFIGURATION.format(directory=directory))
    command: list[str | Path] = [nginx, "-e", "stderr", "-p", directory, "-c", directory / "nginx.conf"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "getrlimit(RLIMIT_NOFILE)" in line:  # it listens by then
                break
        yield directory
        process.terminate()
    shutil.rmtree(directory)


@attrs.frozen
class Verdict:
    """What became of a request: the status, 0 without one, and what the application got whole."""

    status: int
    messages: list[Message]

    @property
    def has_passed(self) -> bool:
        """Whether the application got it."""
        return bool(self.messages)


@attrs.frozen
class Pair:
    """The gateway, and nginx beside it, in front of one application."""

    engine: Engine
    directory: Path
    application: Application

    async def ask_ours(self, data: bytes) -> Verdict:
        """Return what becomes of a request at the gateway."""
        return await self._ask(self.engine.connect(), data)

    async def ask_nginx(self, data: bytes) -> Verdict:
        """Return what becomes of a request at nginx."""
        sock = socket.socket(socket.AF_UNIX)
        visitor = Visitor(SocketStream(sock))
        with contextlib.closing(sock):
            sock.connect(str(self.directory / "front"))
            return await self._ask(visitor, data)

    async def _ask(self, visitor: Visitor, data: bytes) -> Verdict:
        self.application.messages.clear()
        await visitor.send(data)
        # nginx takes the visitor's half-close for an abort, so the answer itself has to tell where it ends.
        got, status = b"", 0
        with trio.fail_after(PATIENCE):
            while not status and (more := await visitor.stream.receive_some(65536)):
                got += more
                with contextlib.suppress(Incomplete):
                    status = take_response(got, data.lstrip().partition(b" ")[0])[0].status
        visitor.close()
        return Verdict(status, [comparable(message) for message in self.application.messages])


def comparable(message: Message) -> Message:
    """Return a message without what is between two connections, fields sorted by name."""
    pairs = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in message.fields)]
    kept = sorted((pair for pair in pairs if not NOT_COMPARED.fullmatch(pair[0])), key=lambda pair: pair[0])
    return Message(line=message.line, fields=tuple(b"%b: %b" % pair for pair in kept), body=message.body)


@asynccontextmanager
async def open_pair(directory: Path) -> AsyncIterator[Pair]:
    """Run the gateway beside nginx while the block runs."""
    application = Application()
    async with open_engine(directory, application, limits=ServerLimits(max_token_failures=10_000)) as engine:
        yield Pair(engine, directory, application)


# The table.


@attrs.frozen(kw_only=True)
class Row:
    """A request, whether it passes, and why nginx decides otherwise, if it does."""

    name: str
    clause: str
    sends: bytes
    passes: bool
    nginx_differs: str | None = None


def passes(name: str, clause: str, sends: bytes, nginx_differs: str | None = None) -> Row:
    return Row(name=name, clause=clause, sends=sends, passes=True, nginx_differs=nginx_differs)


def refused(name: str, clause: str, sends: bytes, nginx_differs: str | None = None) -> Row:
    return Row(name=name, clause=clause, sends=sends, passes=False, nginx_differs=nginx_differs)


def post(fields: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    return request(b"POST / " + version, fields, body)


CODING = b"Transfer-Encoding: chunked\r\n"


def chunked(body: bytes) -> bytes:
    return post(CODING, body)


def get(line: bytes = b"GET / HTTP/1.1", fields: bytes = b"") -> bytes:
    return request(line, fields)


ROWS = [
    passes("GET", "3", get()),
    passes("HEAD", "3", get(b"HEAD / HTTP/1.1")),
    passes("an extension method", "3.1", get(b"MKCOL /a HTTP/1.1")),
    passes("a method in lower case", "3.1", get(b"get / HTTP/1.1"), "knows methods of A-Z, _ and - only"),
    passes("a query", "3.2.1", get(b"GET /a?b=c&d=%20 HTTP/1.1")),
    passes("two slashes", "3.2.1", get(b"GET //a//b HTTP/1.1")),
    passes("absolute-form", "3.2.2", get(b"GET http://app-alice.test/a?b HTTP/1.1")),
    passes("absolute-form without a path", "3.2.2", get(b"GET http://app-alice.test HTTP/1.1")),
    passes("HTTP/1.0", "2.3", get(b"GET / HTTP/1.0")),
    passes("a later minor version", "2.3", get(b"GET / HTTP/1.2")),
    passes("an empty line before", "2.2", b"\r\n" + get()),
    passes("an empty value", "5", get(fields=b"X-Empty:\r\n")),
    passes("no space after the colon", "5", get(fields=b"X-A:b\r\n")),
    passes("spaces around the value", "5", get(fields=b"X-A:   b  c   \r\n")),
    passes("tabs around the value", "5", get(fields=b"X-A:\tb\t\r\n"), "takes tabs for a part of the value"),
    passes("a tab inside the value", "5", get(fields=b"X-A: b\tc\r\n")),
    passes("bytes above ASCII in a value", "RFC 9110 5.5", get(fields=b"X-A: \xc3\xa9\xff\r\n")),
    passes("all characters of a token in a name", "RFC 9110 5.1", get(fields=b"X-!#$%&'*+.^_`|~: b\r\n")),
    passes("one name twice", "RFC 9110 5.2", get(fields=b"X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n")),
    passes("Content-Length", "6.2", post(b"Content-Length: 5\r\n", b"hello")),
    passes("Content-Length 0", "6.2", post(b"Content-Length: 0\r\n")),
    passes("Content-Length with a leading zero", "6.2", post(b"Content-Length: 05\r\n", b"hello")),
    passes("no body", "6.3", post(b"")),
    passes("GET with a body", "RFC 9110 9.3.1", get(fields=b"Content-Length: 2\r\n") + b"hi"),
    passes("chunks", "7.1", chunked(b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n")),
    passes("chunk sizes with zeros", "7.1", chunked(b"0003\r\nabc\r\n000\r\n\r\n")),
    passes("chunk extensions", "7.1.1", chunked(b'3;a=b;c="d;e"\r\nabc\r\n0;f\r\n\r\n')),
    passes("trailers", "7.1.2", chunked(b"0\r\nX-A: b\r\n\r\n")),
    passes("Chunked in capitals", "7", post(b"TRANSFER-ENCODING: CHUNKED\r\n", b"0\r\n\r\n")),
    refused("no Host", "3.2", get().replace(b"Host: app-alice.test\r\n", b"")),
    refused("two Hosts", "3.2", get(fields=b"Host: app-bob.test\r\n")),
    refused("the same Host twice", "3.2", get(fields=b"Host: app-alice.test\r\n")),
    refused("a Host with a space", "3.2", request(host=b"app-alice.test x")),
    refused("a Host with a slash", "3.2", request(host=b"app-alice.test/x")),
    refused("no target", "3", get(b"GET HTTP/1.1")),
    refused("a space in the target", "3.2", get(b"GET /a b HTTP/1.1")),
    refused("a control character in the target", "3.2", get(b"GET /a\x01 HTTP/1.1")),
    refused("a relative path", "3.2", get(b"GET a HTTP/1.1")),
    refused("CONNECT", "RFC 9110 9.3.6", get(b"CONNECT app-alice.test:443 HTTP/1.1")),
    refused("HTTP/2.0", "2.3", get(b"GET / HTTP/2.0")),
    refused("a version in lower case", "2.3", get(b"GET / http/1.1")),
    refused("no version", "3", get(b"GET /"), "speaks HTTP/0.9"),
    refused("a space before the colon", "5.1", get(fields=b"X-A : b\r\n")),
    refused("a tab before the colon", "5.1", get(fields=b"X-A\t: b\r\n")),
    refused("a space inside a name", "5.1", get(fields=b"X A: b\r\n")),
    refused("no colon", "5", get(fields=b"X-A\r\n"), "takes the whole line for a name"),
    refused("no name", "5", get(fields=b": b\r\n")),
    refused("NUL in a value", "RFC 9110 5.5", get(fields=b"X-A: b\0c\r\n")),
    refused("a field that begins with a space", "2.2", get().replace(b"\r\nHost", b"\r\n Host")),
    refused("a folded line", "5.2", get(fields=b"X-A: b\r\n c\r\n")),
    refused("CR inside a value", "2.2", get(fields=b"X-A: b\rc\r\n")),
    # Which a recipient may take for one; it is where readings of the same bytes part most often.
    refused("LF as a line end", "2.2", get().replace(b"\r\n", b"\n"), "takes LF for a line end"),
    *[
        refused(f"Content-Length {value!r}", "6.3", post(b"Content-Length: " + value + b"\r\n", b"hello"))
        for value in [b"+5", b"-5", b"5a", b"0x5", b"5 5", b"5,6", b"5.0", b"9" * 30]
    ],
    refused("an empty Content-Length", "6.3", post(b"Content-Length:\r\n", b"hello")),
    refused("two Content-Lengths", "6.3", post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")),
    refused("Content-Length and chunks", "6.1", post(b"Content-Length: 5\r\n" + CODING, b"0\r\n\r\n")),
    refused("chunks and Content-Length", "6.1", post(CODING + b"Content-Length: 5\r\n", b"0\r\n\r\n")),
    *[
        refused(f"Transfer-Encoding {value!r}", "6.1", chunked(b"0\r\n\r\n").replace(b"chunked", value))
        for value in [b"gzip", b"identity", b"chunked, gzip", b"gzip, chunked", b"chunked, chunked", b"xchunked"]
    ],
    refused("two Transfer-Encodings", "6.1", post(CODING * 2, b"0\r\n\r\n")),
    refused("Transfer-Encoding in HTTP/1.0", "6.1", post(CODING, b"0\r\n\r\n", b"HTTP/1.0")),
    *[
        refused(f"chunks {body!r}", "7.1", chunked(body))
        for body in [
            b"g\r\nabc\r\n0\r\n\r\n",
            b"-3\r\nabc\r\n0\r\n\r\n",
            b"0x3\r\nabc\r\n0\r\n\r\n",
            b"\r\n3\r\nabc\r\n0\r\n\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"3\r\nabc0\r\n\r\n",
            b"1" * 20 + b"\r\nabc\r\n0\r\n\r\n",
        ]
    ],
    refused("LF in chunks", "7.1", chunked(b"3\nabc\n0\n\n"), "takes LF for a line end"),
    refused("two Authorizations", "RFC 9110 5.3", get(fields=b"Authorization: Basic YTpi\r\n" * 2)),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.clause} {row.name}"[:80])
async def test_row(row: Row, directory: Path) -> None:
    async with open_pair(directory) as pair:
        ours = await pair.ask_ours(row.sends)
        theirs = await pair.ask_nginx(row.sends)
    assert ours.has_passed is row.passes
    assert len(ours.messages) == row.passes
    if row.nginx_differs:
        assert theirs != ours, "nginx does not differ any more"
    elif row.passes:
        assert theirs.messages == ours.messages
    else:
        assert not theirs.has_passed
        assert theirs.status >= 400 and ours.status >= 400


# Generated requests.

#: Where nginx goes its own way: methods other than of A-Z, ``..`` above the root.
_OWN_WAY = re.compile(rb"\s*(?:[A-Z]*[^A-Z ]|[^ ]* [^ ]*/\.\.?[/? ])")

#: What visitors may not say of themselves; nginx is not told to take it away.
_FORWARDING = re.compile(rb"(?i)\r\n(?:x[-_]forwarded[-_]for|x[-_]real[-_]ip|forwarded):[^\r]*")


def without_opinions(raw: bytes) -> bytes:
    """Return a request without tabs, which nginx takes for a part of values, and forwarding fields."""
    head, end, body = raw.partition(b"\r\n\r\n")
    return _FORWARDING.sub(b"", head).replace(b"\t", b" ") + end + body


valid_requests = (
    requests(0)
    .filter(lambda asked: asked.reaches is not None and not _OWN_WAY.match(asked.raw))
    .map(lambda asked: without_opinions(asked.raw))
)


def in_head(pattern: bytes, replacement: bytes) -> Callable[[bytes], bytes]:
    """Return a mistake: the first match in the head replaced."""

    def spoil(raw: bytes) -> bytes:
        head, end, body = raw.partition(b"\r\n\r\n")
        return re.sub(pattern, replacement, head + b"\r\n", count=1).removesuffix(b"\r\n") + end + body

    return spoil


#: One mistake each, on which all must agree; applied where they can be.
MISTAKES: dict[str, Callable[[bytes], bytes]] = {
    "two Hosts": in_head(rb"\r\nX-Id", rb"\r\nHost: other.test\r\nX-Id"),
    "no Host": in_head(rb"(HTTP/1\.1\r\n(?s:.*?))Host:[^\r]*\r\n", rb"\1"),
    "a space before a colon": in_head(rb"\r\nX-Id:", rb"\r\nX-Id :"),
    "a name with a space": in_head(rb"\r\nX-Id:", rb"\r\nX Id:"),
    "NUL": in_head(rb"\r\nX-Id:", b"\r\nX-Id:\0"),
    "CR": in_head(rb"\r\nX-Id:", rb"\r\nX-Id:\r"),
    "a folded line": in_head(rb"\r\nX-Id:", rb"\r\n X-Id:"),
    "a malformed length": in_head(rb"(?i)(\r\ncontent-length: *)", rb"\1+"),
    "another length": in_head(rb"(?i)\r\n(content-length): *[0-9]+", rb"\g<0>\r\n\1: 77"),
    "a length with a coding": in_head(rb"(?i)\r\ntransfer-encoding:", rb"\r\nContent-Length: 5\g<0>"),
    "a coding with a length": in_head(rb"(?i)\r\ncontent-length:", rb"\r\nTransfer-Encoding: chunked\g<0>"),
    "another coding": in_head(rb"(?i)\r\n(transfer-encoding: *)chunked", rb"\r\n\1gzip"),
    "a coding twice": in_head(rb"(?i)\r\ntransfer-encoding:[^\r]*", rb"\g<0>\g<0>"),
    "no chunk size": lambda raw: re.sub(rb"(?i)(\r\ntransfer-encoding:(?s:.*?)\r\n\r\n)", rb"\1x", raw, count=1),
    "another major version": in_head(rb" HTTP/1", b" HTTP/2"),
    "a version without a number": in_head(rb" HTTP/1\.", b" HTTP/"),
    "no slash": in_head(rb"\A(\s*[^ ]+ )/+", rb"\1"),
}


@fuzz
@given(sent=valid_requests)
async def test_valid_requests_become_the_same_message(sent: bytes, directory: Path) -> None:
    async with open_pair(directory) as pair:
        ours = await pair.ask_ours(sent)
        theirs = await pair.ask_nginx(sent)
    assert ours == theirs
    assert ours.has_passed


@fuzz
@given(sent=valid_requests, mistake=st.sampled_from(list(MISTAKES)))
async def test_a_mistake_is_refused_by_both(sent: bytes, mistake: str, directory: Path) -> None:
    wrong = MISTAKES[mistake](sent)
    assume(wrong != sent)
    async with open_pair(directory) as pair:
        ours = await pair.ask_ours(wrong)
        theirs = await pair.ask_nginx(wrong)
    assert not ours.has_passed and ours.status >= 400
    assert not theirs.has_passed and theirs.status >= 400
