"""Messages made up, and messages spoilt, for fuzzing.

`requests` and `responses` draw valid messages together with what must become of them. `spoilt` mutates bytes as
someone would who knows the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.engine import (
    COOKIE,
    HOST,
    TOKEN,
    Message,
    forwarding_for,
)
from tests.support.strategies import cut, cuts

#: For what goes through the whole engine. Each example gives back itself what it opened, so a fixture's directory
#: may serve them all.
fuzz = settings(
    max_examples=max(300, settings().max_examples),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


# Valid requests.


@attrs.frozen(kw_only=True)
class Asked:
    """A valid request: its bytes, what the application must receive, or the status of the gateway's own answer."""

    number: int
    raw: bytes
    method: bytes
    is_http11: bool
    is_repeatable: bool
    keeps: bool
    reaches: Message | None
    status: int


METHODS = st.sampled_from([b"GET", b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PROPFIND", b"m-!#~"])
SAFE = (b"GET", b"HEAD", b"OPTIONS")
ABSENT_HOST = b"none-alice.test"
HOSTS = [HOST, HOST, HOST.upper(), HOST + b".", HOST + b":8080", ABSENT_HOST]

_text = st.text([chr(code) for code in (9, *range(32, 127), *range(128, 256))], max_size=20)
values = _text.map(lambda text: text.encode("latin-1").strip(b" \t"))
_names = st.text("abcXYZ019!#$%&'*+.^_`|~-", min_size=1, max_size=6).map(lambda text: b"X-" + text.encode())
# Not our own paths, which Hypothesis finds in the source.
_paths = st.text([chr(code) for code in range(33, 127) if chr(code) not in '#?%"\\'], max_size=20).filter(
    lambda path: "_conductor" not in path
)
_queries = st.sampled_from(["", "?", "?a=b&c=%20", '?"/_conductor/'])
_targets = st.tuples(st.just("/"), _paths, _queries).map("".join)
_padding = st.sampled_from([b"", b" ", b"\t", b" \t "])
_SPELLINGS: list[Callable[[bytes], bytes]] = [bytes, bytes.lower, bytes.upper, bytes.swapcase]
_spelling = st.sampled_from(_SPELLINGS)
_extension = st.sampled_from([b"", b"", b";a=b", b'; a="b;c"', b";\xff\t "])
bodies = st.binary(max_size=40) | st.sampled_from([b"0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", bytes(5000)])

#: Credentials as they are sent, and as they are passed on; the last ones are none.
CREDENTIALS = [
    (COOKIE, ()),
    (b"cookie:  a=b;authorization=%b ; c=\xff\r\n" % TOKEN, (b"cookie: a=b; c=\xff",)),
    (b"Cookie: a=b\r\nCookie: c=d; authorization=%b\r\n" % TOKEN, (b"Cookie: a=b", b"Cookie: c=d")),
    (b"Authorization: Bearer %b\r\n" % TOKEN, ()),
    (COOKIE + b"Authorization: Basic YTpi\r\n", (b"Authorization: Basic YTpi",)),
    (b"Cookie: authorization=wrong\r\n", None),
    (b"", None),
]

#: Lines that end at the gateway.
_ENDING = [
    b"Keep-Alive: timeout=5\r\n",
    b"Proxy-Connection: keep-alive\r\n",
    b"X-Forwarded-For: 10.0.0.1\r\n",
    b"X_Real_IP: 10.0.0.1\r\n",
    b"forwarded: for=10.0.0.1;host=evil\r\n",
]
_BAD_TRAILERS = [b"Content-Length: 3\r\n", b"Host: evil\r\n", b"X-Forwarded_For: 10.0.0.1\r\n", b"TE: x\r\n"]


def _draw_fields(draw: st.DrawFn, ending: list[bytes]) -> tuple[bytes, list[bytes]]:
    """Return field lines as they are sent, and those of them that pass."""
    sent, passed = b"", []
    for name, value in draw(st.lists(st.tuples(_names, values), max_size=4)):
        sent += name + b":" + draw(_padding) + value + draw(_padding) + b"\r\n"
        passed.append(name + b": " + value)
    for line in draw(st.lists(st.sampled_from(ending), max_size=2)):
        sent += line
    return sent, passed


def _draw_chunks(draw: st.DrawFn, body: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a body in the chunked coding, and the trailers that pass."""
    written = b""
    for piece in cut(body, [size + 1 for size in draw(cuts)]):
        if piece:
            size = draw(st.sampled_from([b"%x", b"%X", b"00%x"])) % len(piece)
            written += size + draw(_extension) + b"\r\n" + piece + b"\r\n"
    sent, passed = _draw_fields(draw, _BAD_TRAILERS) if draw(st.booleans()) else (b"", [])
    return written + draw(st.sampled_from([b"0", b"000"])) + draw(_extension) + b"\r\n" + sent + b"\r\n", tuple(
        passed
    )


@attrs.frozen(kw_only=True)
class _Payload:
    field: bytes  # as it is sent
    written: bytes
    passed: tuple[bytes, ...]  # the field as it goes on
    length: int | None = None
    body: bytes = b""
    trailers: tuple[bytes, ...] = ()


def _draw_payload(draw: st.DrawFn, *, may_chunk: bool) -> _Payload:
    framing = draw(st.sampled_from(["none", "length", "chunked"] if may_chunk else ["none", "length"]))
    spell = draw(_spelling)
    if framing == "none":
        return _Payload(field=b"", written=b"", passed=())
    body = draw(bodies)
    if framing == "length":
        field = spell(b"Content-Length") + b":" + draw(_padding) + b"%d\r\n" % len(body)
        return _Payload(
            field=field, written=body, passed=(b"Content-Length: %d" % len(body),), length=len(body), body=body
        )
    written, trailers = _draw_chunks(draw, body)
    field = spell(b"Transfer-Encoding") + b":" + draw(_padding) + spell(b"chunked") + b"\r\n"
    passed = (b"Transfer-Encoding: chunked",)
    return _Payload(field=field, written=written, passed=passed, body=body, trailers=trailers)


#: Fields of a connection's own, and as what they go on.
_OPTIONS: dict[bytes, tuple[bytes, tuple[bytes, ...]]] = {
    b"close": (b"", ()),
    b"keep-alive": (b"", ()),
    b"X-Gone": (b"X-Gone: 1\r\n", ()),
    b"TE": (b"TE: gzip, Trailers\r\n", (b"TE: trailers",)),
    b"Upgrade": (b"Upgrade: websocket\r\n", (b"Upgrade: websocket",)),
}
_FOREIGN = b"Origin: http://evil.test"


def _passed_options(options: list[bytes], *, upgrades: bool) -> list[bytes]:
    kept = [option for option in (b"Upgrade", b"TE") if option in options and (upgrades or option != b"Upgrade")]
    lines = [line for option in kept for line in _OPTIONS[option][1]]
    return [*lines, b"Connection: " + b", ".join(kept)] if kept else []


@st.composite
def requests(draw: st.DrawFn, number: int, *, is_welcome: bool = False) -> Asked:
    """Draw a valid request; its field X-Id has that number. One that is welcome goes on to the application."""
    method = draw(METHODS)
    is_http11 = draw(st.sampled_from([True, True, True, False]))
    host = draw(st.sampled_from(HOSTS[: -1 if is_welcome else None]))
    target = draw(_targets).encode()
    asked_target = draw(st.sampled_from([b"", b"", b"http://" + host.lower()])) + target
    credentials, passed_credentials = draw(st.sampled_from(CREDENTIALS[: -2 if is_welcome else None]))
    options = draw(st.lists(st.sampled_from(list(_OPTIONS)), max_size=2, unique=True))
    fields, passed = _draw_fields(draw, _ENDING)
    payload = _draw_payload(draw, may_chunk=is_http11)
    upgrades = b"Upgrade" in options and is_http11 and not payload.written
    is_foreign = not is_welcome and draw(st.sampled_from([False, False, False, True]))

    lines = [b"Host:" + draw(_padding) + host + draw(_padding) + b"\r\n", b"X-Id: %d\r\n" % number]
    lines += [credentials, fields, payload.field, (_FOREIGN + b"\r\n") * is_foreign]
    lines += [_OPTIONS[option][0] for option in options]
    lines += [b"Connection: " + draw(_spelling)(b" ,".join(options)) + b"\r\n"] * bool(options)
    version = b"HTTP/1.1" if is_http11 else b"HTTP/1.0"
    head = b"%b %b %b\r\n%b\r\n" % (method, asked_target, version, b"".join(draw(st.permutations(lines))))

    by_bearer = credentials.startswith(b"Authorization")
    is_refused = passed_credentials is None or (is_foreign and not by_bearer and (upgrades or method not in SAFE))
    status = 404 if host == ABSENT_HOST else 403 if is_refused else 200
    message = Message(
        line=b"%b %b HTTP/1.1" % (method, target),
        fields=(
            *(b"Host: " + host, b"X-Id: %d" % number, *(passed_credentials or ()), *passed, *payload.passed),
            *[_FOREIGN] * is_foreign,
            *_passed_options(options, upgrades=upgrades),
            *forwarding_for(host).splitlines(),
        ),
        body=payload.body,
        trailers=payload.trailers,
    )
    keeps = b"close" not in options and (is_http11 or b"keep-alive" in options)
    return Asked(
        number=number,
        raw=draw(st.sampled_from([b"", b"", b"\r\n"])) + head + payload.written,
        method=method,
        is_http11=is_http11,
        is_repeatable=method in SAFE and not payload.written and not upgrades,
        keeps=keeps and (status == 200 or not payload.written),  # the body of what is refused is not read
        reaches=message if status == 200 else None,
        status=status,
    )


# Valid responses, and broken ones.


@attrs.frozen(kw_only=True)
class Told:
    """An application's answer: the pieces in which it is sent, and what the visitor must make of it.

    `is_broken`: nothing of a final response may reach the visitor, who is told 502. `is_cut`: the final response
    is cut short, and so must look what the visitor gets.
    """

    pieces: list[bytes]
    status: int
    fields: tuple[bytes, ...] = ()
    body: bytes = b""
    trailers: tuple[bytes, ...] = ()
    interim: tuple[tuple[int, tuple[bytes, ...]], ...] = ()
    length: int | None = None
    closes: bool = False
    says_last: bool = False  # that it will read no further request from this connection
    is_broken: bool = False
    is_cut: bool = False

    @property
    def is_silent(self) -> bool:
        """Whether not a byte is sent."""
        return not b"".join(self.pieces)


#: What no visitor may be sent anything of.
MALFORMED_RESPONSES = [
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/2 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\rContent-Length: 0\r\r",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
]

_NOT_FOR_VISITORS = [
    b"Keep-Alive: timeout=5\r\n",
    b"Proxy-Authenticate: Basic\r\n",
    b"Set-Cookie: authorization=stolen; Path=/\r\n",
    b"Upgrade: h2c\r\n",
]
_reasons = st.sampled_from([b" OK", b" ", b"", b" \xe9\t!"])


def _draw_interim(draw: st.DrawFn) -> tuple[int, list[bytes], bytes]:
    status = draw(st.sampled_from([100, 102, 103]))
    sent, passed = _draw_fields(draw, _NOT_FOR_VISITORS)
    return status, passed, b"HTTP/1.1 %d%b\r\n%b\r\n" % (status, draw(_reasons), sent)


def _draw_delivery(draw: st.DrawFn, told: Told, heads: list[bytes], payload: bytes, *, by_close: bool) -> Told:
    """Return the answer as it is sent: whole, with too much after it, or broken off anywhere."""
    head, whole = len(b"".join(heads)), b"".join(heads) + payload
    manner = draw(st.sampled_from(["whole", "whole", "whole", "surplus", "broken off"]))
    closes = by_close or draw(st.booleans())
    if manner != "broken off":
        pieces = [piece for piece in cut(whole, draw(cuts)) if piece]
        if manner == "surplus" and not by_close:
            # With the last piece: what comes later may be taken for the answer to the next request by anyone.
            pieces[-1] += draw(st.binary(max_size=20) | st.just(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        return attrs.evolve(told, pieces=pieces, closes=closes)
    size = draw(st.integers(0, len(whole) - 1))
    told = attrs.evolve(told, pieces=cut(whole[:size], draw(cuts)), closes=True)
    if size >= head:
        body = payload[: size - head] if by_close else told.body
        return attrs.evolve(told, body=body, is_cut=not by_close)
    complete = sum(len(b"".join(heads[: count + 1])) <= size for count in range(len(told.interim)))
    return attrs.evolve(told, interim=told.interim[:complete], is_broken=True)


@st.composite
def responses(draw: st.DrawFn, method: bytes) -> Told:
    """Draw what an application says to a request of that method."""
    if draw(st.sampled_from(["valid"] * 5 + ["malformed"])) == "malformed":
        raw = draw(st.sampled_from(MALFORMED_RESPONSES))
        return Told(pieces=cut(raw, draw(cuts)), status=502, is_broken=True, closes=True)
    interim = [_draw_interim(draw) for _ in range(draw(st.sampled_from([0, 0, 1, 2])))]
    status = draw(st.sampled_from([200, 200, 204, 206, 299, 304, 404, 500]))
    is_http11 = draw(st.sampled_from([True, True, True, False]))
    fields, passed = _draw_fields(draw, _NOT_FOR_VISITORS)
    payload = _draw_payload(draw, may_chunk=is_http11)
    option = draw(st.sampled_from([b"", b"", b"Connection: close\r\n", b"connection: Keep-Alive\r\n"]))
    lines = b"".join(draw(st.permutations([fields, payload.field, option])))
    version = b"HTTP/1.1" if is_http11 else b"HTTP/1.0"
    heads = [written for *_, written in interim]
    heads.append(b"%b %d%b\r\n%b\r\n" % (version, status, draw(_reasons), lines))
    told = Told(
        pieces=[],
        status=status,
        fields=tuple(passed),
        interim=tuple((number, tuple(lines)) for number, lines, _ in interim),
        length=payload.length,
        says_last=b"close" in option or (not is_http11 and b"Keep" not in option),
    )
    if method == b"HEAD" or status in (204, 304):
        return _draw_delivery(draw, told, heads, b"", by_close=False)
    if not payload.field:  # its end is the connection's
        body = draw(bodies)
        return _draw_delivery(draw, attrs.evolve(told, body=body), heads, body, by_close=True)
    told = attrs.evolve(told, body=payload.body, trailers=payload.trailers)
    return _draw_delivery(draw, told, heads, payload.written, by_close=False)


# Spoiling bytes.

_SPOILERS = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b"\x01",
    b"\x0b",
    b"\x7f",
    b"\x85",
    b" ",
    b"\t",
    b":",
    b",",
]
_SPOILERS += [b"xy", b"\r\n ", b"\n\t", b";", b"0", b"-", b"+", b"_", b"chunked", b"\r\n0\r\n\r\n"]

#: Lines that make a request ambiguous, and those that only look so.
NASTY_REQUEST_LINES = [
    b"Content-Length: 3\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: +3\r\n",
    b"Content-Length: 3, 3\r\n",
    b"Content_Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b" Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Host: none-alice.test\r\n",
    b"Host : app-alice.test\r\n",
    b"Connection: Host, Content-Length, Transfer-Encoding, close\r\n",
    b"Connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n",
    b"Authorization: Bearer %b\r\n" % TOKEN,
    COOKIE,
    b"Origin: null\r\n",
    b"GET http://none-alice.test/ HTTP/1.1\r\n",
    b"0\r\n",
    b"3;\r\nabc\r\n",
    b"\r\n",
]
NASTY_RESPONSE_LINES = [
    *[line for line in NASTY_REQUEST_LINES if line.startswith((b"Content", b"Transfer", b" ", b"0", b"3", b"\r"))],
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"Connection: close\r\n",
    b"Connection: content-length, transfer-encoding\r\n",
    b"Set-Cookie: authorization=stolen\r\n",
]


#: A chunk's size, or a Content-Length.
_SIZE = re.compile(rb"(?m)^[0-9A-Fa-f]{1,4}(?=[;\r])|(?<=-Length:)[0-9]+")


_MUTATIONS = ["insert", "overwrite", "resize", "resize", "cut out", "LF", "nasty", "nasty", "drop", "duplicate"]
_MUTATIONS += ["swap", "case"]


@st.composite
def spoilt(draw: st.DrawFn, message: bytes, nasty: list[bytes]) -> bytes:
    """Draw what becomes of a message by a few mutations, most of them at its joints."""
    for _ in range(draw(st.integers(0, 3))):
        mutation = draw(st.sampled_from(_MUTATIONS))
        if mutation in ("nasty", "drop", "duplicate", "swap", "case"):
            message = _mutate_lines(draw, message, mutation, nasty)
        elif mutation == "resize":
            sizes = list(_SIZE.finditer(message))
            if sizes:
                size = draw(st.sampled_from(sizes))
                other = b"%x" % max(0, int(size[0], 16) + draw(st.sampled_from([-1, 1, 2])))
                message = message[: size.start()] + other + message[size.end() :]
        else:
            message = _mutate_bytes(draw, message, mutation)
    return message


def _mutate_bytes(draw: st.DrawFn, message: bytes, mutation: str) -> bytes:
    found = list(re.finditer(rb"\r\n|[:;,=] ?|^[^ ]* |HTTP/1", message))
    joints = [match.end() for match in found] + [match.start() for match in found] or [0]
    at = draw(st.sampled_from(joints) | st.integers(0, len(message)))
    piece = draw(st.sampled_from(_SPOILERS))
    match mutation:
        case "insert":
            return message[:at] + piece + message[at:]
        case "overwrite":
            return message[:at] + piece + message[at + len(piece) :]
        case "cut out":
            return message[:at] + message[at + draw(st.integers(1, 3)) :]
        case _:  # LF as a line end
            return message[:at].removesuffix(b"\r\n") + b"\n" + message[at:]


def _mutate_lines(draw: st.DrawFn, message: bytes, mutation: str, nasty: list[bytes]) -> bytes:
    lines = message.splitlines(keepends=True) or [b""]
    head = message.partition(b"\r\n\r\n")[0].count(b"\n")
    line = min(draw(st.integers(0, head) | st.integers(0, len(lines) - 1)), len(lines) - 1)
    match mutation:
        case "nasty":
            lines.insert(line + 1, draw(st.sampled_from(nasty)))
        case "drop":
            del lines[line]
        case "duplicate":
            lines.insert(draw(st.integers(0, len(lines))), lines[line])
        case "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[line], lines[other] = lines[other], lines[line]
        case _:  # other capitals
            lines[line] = lines[line].swapcase()
    return b"".join(lines)
