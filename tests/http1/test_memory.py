"""What is remembered of heads is what reading them says, holds no secret, is bounded, and goes with its route."""

from __future__ import annotations

import gc
import types

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.http1.body import EndOfMessage
from conductor_trio.http1.memory import HeadMemory, RouteMemory
from conductor_trio.http1.reader import RequestReader, ResponseReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.response import ResponseHead
from conductor_trio.limits.server import ServerLimits
from tests.support.messages import Event, read, requests
from tests.support.strategies import cut, cuts

LIMITS = ServerLimits(max_remembered=6, max_remembered_per_user=4)
KEY = b"0123456789abcdef"
FIRST = b"GET /first HTTP/1.1\r\nHost: x.test\r\n\r\n"
TOKEN = b"correct-horse"


def open_memory() -> tuple[HeadMemory, RouteMemory]:
    memory = HeadMemory(KEY, LIMITS)
    return memory, memory.open_route()


def get(fields: bytes, target: bytes = b"/") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: x.test\r\n" + fields + b"\r\n"


def read_later(memory: HeadMemory, data: bytes) -> RequestHead:
    """Return a request that is not its connection's first."""
    reader = RequestReader(LIMITS, memory)
    events, status = read(reader, [FIRST, data])
    assert status is None
    head = events[2]
    assert isinstance(head, RequestHead)
    return head


def read_and_remember(route: RouteMemory, memory: HeadMemory, data: bytes) -> list[Event]:
    """Return the events of one connection, whose requests are all remembered as soon as they have come."""
    reader = RequestReader(LIMITS, memory)
    reader.receive_data(data)
    events: list[Event] = []
    while (event := reader.next_event()) is not None:
        events.append(event)
        if isinstance(event, RequestHead):
            route.remember_request(event)
    return events


def cold(events: list[Event]) -> list[Event]:
    """Return the same as if nothing had been remembered, to be compared with such."""
    return [
        attrs.evolve(event, parsed=attrs.evolve(event.parsed, is_remembered=False))
        if isinstance(event, RequestHead)
        else event
        for event in events
    ]


def shown(head: RequestHead) -> tuple[object, ...]:
    """Return all that is cut from the bytes at hand."""
    parsed = head.parsed
    cut_out = (parsed.fields, parsed.end_to_end, parsed.forward_block, parsed.tokens, parsed.bearer)
    return (*cut_out, parsed.host_value, parsed.origin, parsed.accept)


@given(st.lists(requests(), min_size=1, max_size=3), cuts)
def test_what_is_remembered_equals_what_is_read(messages: list[bytes], sizes: list[int]) -> None:
    """In whatever order the same blocks come, on one connection or another, whole or in pieces."""
    data = FIRST + b"".join(messages)
    anew, status = read(RequestReader(LIMITS), [data])
    assert status is None
    memory, route = open_memory()
    for _ in range(2):
        assert cold(read_and_remember(route, memory, data)) == anew
    in_pieces, _ = read(RequestReader(LIMITS, memory), cut(data, sizes))
    assert cold(in_pieces) == anew
    later, _ = read(RequestReader(LIMITS, memory), [data])
    heads = [event for event in later if isinstance(event, RequestHead)]
    assert [shown(head) for head in heads] == [shown(head) for head in anew if isinstance(head, RequestHead)]
    assert all(head.parsed.is_remembered for head in heads)
    route.close()
    forgotten, _ = read(RequestReader(LIMITS, memory), [data])
    assert forgotten == anew
    assert not any(head.parsed.is_remembered for head in forgotten if isinstance(head, RequestHead))


COOKIES = [
    b"authorization=%b",
    b"a=b; authorization=%b",
    b"a=%b",
    b"authorization=%b;; c=%b",
    b"authorization=x; a=%b",
]


@pytest.mark.parametrize("cookie", COOKIES)
@pytest.mark.parametrize("name", [b"Cookie: ", b"cookie:", b"COOKIE:\t"])
def test_another_cookie_is_another_block(cookie: bytes, name: bytes) -> None:
    memory, route = open_memory()
    one, other = (
        get(b"X: y\r\n" + name + cookie.replace(b"%b", value) + b"\r\nZ: z\r\n") for value in (b"eins", b"zwei")
    )
    route.remember_request(read_later(memory, one))
    assert read_later(memory, one).parsed.is_remembered
    head = read_later(memory, other)
    assert not head.parsed.is_remembered
    assert shown(head) == shown(read_later(HeadMemory(KEY, LIMITS), other))
    route.remember_request(head)
    for data, value, absent in ((one, b"eins", b"zwei"), (other, b"zwei", b"eins")):
        head = read_later(memory, data)
        assert head.parsed.is_remembered
        everything = repr(shown(head)).encode()
        assert value in everything and absent not in everything


def test_the_request_line_is_always_read_anew() -> None:
    memory, route = open_memory()
    route.remember_request(read_later(memory, get(b"Expect: 100-continue\r\n", b"/one")))
    head = read_later(memory, get(b"Expect: 100-continue\r\n", b"/two"))
    assert (head.target, head.parsed.is_remembered) == (b"/two", True)
    reader = RequestReader(LIMITS, memory)
    block = get(b"Expect: 100-continue\r\n").partition(b"\r\n")[2]
    lines = [(b"GET / HTTP/2.0", 505), (b"GET /", 400), (b"CONNECT x:1 HTTP/1.1", 405), (b"GET /#a HTTP/1.1", 400)]
    for line, status in [*lines, (b"GET http://y.test/ HTTP/1.1", 400), (b"GET  / HTTP/1.1", 400)]:
        reader = RequestReader(LIMITS, memory)
        assert read(reader, [FIRST, line + b"\r\n" + block])[1] == status


def test_only_what_is_known_as_a_whole_is_remembered() -> None:
    memory, route = open_memory()
    route.remember_request(read_later(memory, get(b"A: b\r\n")))
    assert read_later(memory, get(b"A: b\r\n")).parsed.is_remembered
    for other in (b"A: c\r\n", b"a: b\r\n", b"A:  b\r\n", b"A: b \r\n", b"A: b\r\nC: d\r\n", b""):
        assert not read_later(memory, get(other)).parsed.is_remembered
    assert not read_later(HeadMemory(KEY, LIMITS), get(b"A: b\r\n")).parsed.is_remembered


def test_what_is_large_is_not_remembered() -> None:
    memory, route = open_memory()
    for size, is_remembered in ((LIMITS.max_remembered_head - 21, True), (LIMITS.max_remembered_head - 20, False)):
        data = get(b"A: " + b"b" * size + b"\r\n")  # 14 of Host, 5 around the value, an empty line
        route.remember_request(read_later(memory, data))
        assert read_later(memory, data).parsed.is_remembered is is_remembered


def known(memory: HeadMemory, numbers: range) -> list[int]:
    """Return which of these requests are remembered; asking counts as use."""
    return [number for number in numbers if read_later(memory, get(b"A: %d\r\n" % number)).parsed.is_remembered]


def remember_both_times(route: RouteMemory, memory: HeadMemory, number: int) -> None:
    """Have a request come often enough to be remembered where there is no room, too."""
    for _ in range(2):
        route.remember_request(read_later(memory, get(b"A: %d\r\n" % number)))


def test_a_full_route_forgets_what_was_not_used_longest() -> None:
    memory, route = open_memory()
    for number in range(4):
        route.remember_request(read_later(memory, get(b"A: %d\r\n" % number)))
    assert known(memory, range(1)) == [0]
    remember_both_times(route, memory, 4)
    assert known(memory, range(5)) == [0, 2, 3, 4]
    assert len(memory.requests) == 4


def test_what_comes_once_pushes_nothing_out() -> None:
    memory, route = open_memory()
    for number in range(50):
        route.remember_request(read_later(memory, get(b"A: %d\r\n" % number)))
        answer(route, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % number)
    assert known(memory, range(50)) == [0, 1, 2, 3]
    assert len(memory.requests) == len(memory.responses) == LIMITS.max_remembered_per_user
    last = b"HTTP/1.1 200 OK\r\nContent-Length: 49\r\n\r\n"
    assert answer(route, last) is answer(route, last)


def test_a_route_does_not_push_out_what_is_anothers() -> None:
    memory, flooded = open_memory()
    other = memory.open_route()
    other.remember_request(read_later(memory, get(b"A: 0\r\n")))
    for number in range(1, 50):
        remember_both_times(flooded, memory, number)
    assert known(memory, range(1)) == [0]
    third = memory.open_route()
    for number in range(50, 54):
        remember_both_times(third, memory, number)
    assert len(memory.requests) == LIMITS.max_remembered


def test_all_routes_of_a_user_have_one_bound() -> None:
    memory, other = open_memory()
    other.remember_request(read_later(memory, get(b"A: 0\r\n")))
    flooding = [memory.open_route("mallory") for _ in range(10)]
    for number in range(1, 50):
        remember_both_times(flooding[number % 10], memory, number)
    assert len(memory.requests) == 1 + LIMITS.max_remembered_per_user
    assert known(memory, range(1)) == [0]
    for route in flooding:
        route.close()
    assert known(memory, range(50)) == [0]
    again = memory.open_route("mallory")
    again.remember_request(read_later(memory, get(b"A: 1\r\n")))
    assert known(memory, range(2)) == [0, 1]


def test_a_closed_route_leaves_nothing_and_gets_nothing() -> None:
    memory, route = open_memory()
    other = memory.open_route()
    request, response = get(b"A: b\r\n"), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    head = read_later(memory, request)
    other.remember_request(read_later(memory, get(b"C: d\r\n")))
    for _ in range(2):
        route.remember_request(head)
        read(ResponseReader(b"GET", LIMITS, route), [response])
        route.close()
        assert (len(memory.requests), len(memory.responses)) == (1, 0)
    assert read_later(memory, get(b"C: d\r\n")).parsed.is_remembered
    assert not read_later(memory, request).parsed.is_remembered


def test_the_same_block_is_one_entry() -> None:
    memory, route = open_memory()
    heads = [read_later(memory, get(b"A: b\r\n")) for _ in range(2)]
    for head in heads:
        route.remember_request(head)
    memory.open_route().remember_request(heads[0])
    assert len(memory.requests) == 1
    route.close()
    assert len(memory.requests) == 0


# Responses.


def answer(route: RouteMemory | None, data: bytes, method: bytes = b"GET") -> ResponseHead:
    reader = ResponseReader(method, LIMITS, route)
    reader.receive_data(data)
    head = reader.next_event()
    assert isinstance(head, ResponseHead)
    return head


def test_a_response_head_is_remembered_for_its_route_and_method() -> None:
    memory, route = open_memory()
    data = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\nETag: x\r\n\r\n"
    head = answer(route, data)
    assert answer(route, data) is head
    assert answer(None, data) == head
    assert answer(route, data, b"HEAD") == answer(None, data, b"HEAD") != head
    assert answer(memory.open_route(), data) is not head


@pytest.mark.parametrize(
    "field",
    [
        b"Set-Cookie: session=correct-horse",
        b"set-cookie: authorization=correct-horse",
        b"Location: /callback?code=correct-horse",
        b"Authorization: Bearer correct-horse",
        b"Authentication-Info: nextnonce=correct-horse",
        b"X-Auth-Token: correct-horse",
        b"X-CSRF-Token: correct-horse",
    ],
)
def test_a_response_with_a_secret_is_not_remembered(field: bytes) -> None:
    memory, route = open_memory()
    answer(route, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + field + b"\r\n\r\n")
    assert len(memory.responses) == 0


def test_a_large_response_head_is_not_remembered() -> None:
    memory, route = open_memory()
    answer(route, b"HTTP/1.1 200 OK\r\nETag: " + b"x" * LIMITS.max_remembered_head + b"\r\n\r\n")
    assert len(memory.responses) == 0


def texts_within(root: object) -> set[bytes]:
    """Return all bytes and texts that an object keeps alive, apart from code."""
    found: set[bytes] = set()
    seen: set[int] = set()
    todo = [root]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type | types.ModuleType | types.FunctionType):
            continue
        seen.add(id(one))
        if isinstance(one, bytes | bytearray):
            found.add(bytes(one))
        elif isinstance(one, str):
            found.add(one.encode())
        todo += gc.get_referents(one)
    return found


def test_nothing_that_is_remembered_holds_a_secret() -> None:
    memory, route = open_memory()
    data = get(
        b"Cookie: authorization=correct-horse; session=correct-horse\r\ncookie:a=b;authorization=correct-horse\r\n"
        b"Authorization: Bearer correct-horse\r\nProxy-Authorization: Basic correct-horse\r\n"
        b"X-Api-Key: correct-horse\r\nReferer: http://x.test/?token=correct-horse\r\n"
        b"Origin: http://correct-horse\r\nAccept: correct-horse\r\n",
        b"/?token=correct-horse",
    )
    head = read_later(memory, data)
    assert TOKEN in head.parsed.tokens and head.parsed.bearer == TOKEN
    route.remember_request(head)
    answer(route, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: session=correct-horse\r\n\r\n")
    answer(route, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
    assert any(TOKEN in text for text in texts_within(head))  # or this would look in the wrong places
    del head
    assert read_later(memory, data).parsed.is_remembered
    assert len(memory.responses) == 1
    texts = texts_within(memory) | texts_within(route)
    assert b"x.test" in texts
    assert not [text for text in texts if TOKEN in text]


def test_the_end_of_a_request_is_not_remembered_with_its_head() -> None:
    """Each request has a body of its own, whatever was remembered of its fields."""
    memory, route = open_memory()
    data = b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: 5\r\n\r\n"
    events = read_and_remember(route, memory, FIRST + data + b"helloX")
    assert events[3:] == [b"hello", EndOfMessage()]
    events, status = read(RequestReader(LIMITS, memory), [FIRST, data, b"wor", b"ld", data + b"again"])
    assert status is None
    assert events[3:5] + events[6:] == [b"world", EndOfMessage(), b"again", EndOfMessage()]
