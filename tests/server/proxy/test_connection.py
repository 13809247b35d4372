"""A visitor's connection: each request on its own, one after the other, under deadlines; and our own answers."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.limits.server import ServerLimits
from tests.doubles.origin import OriginConnection, open_origin
from tests.support.engine import (
    COOKIE,
    OK,
    TOKEN,
    Application,
    Visitor,
    open_engine,
    request,
)

LONG = 1e6  # patience with a clock that jumps
LINK = b"GET /_conductor/auth/" + TOKEN


# One request after the other.


async def test_requests_that_come_at_once_are_answered_in_order(short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        while head := await connection.receive_head():
            target = head.split(b" ")[1]
            await connection.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(b"".join(request(b"GET /%d HTTP/1.1" % number) for number in range(20)))
        for number in range(20):
            assert (await visitor.receive_response()).body == b"/%d" % number
        assert engine.context.counters.requests_total == 20


async def test_each_request_is_routed_and_authorised_on_its_own(short_tmp: Path) -> None:
    alices, bobs = Application(OK), Application(OK.replace(b"ok", b"ob"))
    async with open_engine(short_tmp, alices) as engine, open_origin(short_tmp / "b", bobs):
        with engine.another_route("lab-bob.test", str(short_tmp / "b"), b"bobs-token"):
            visitor = engine.connect()
            asked = [
                (request(), 200, b"ok"),
                (request(auth=b""), 403, None),
                (request(host=b"lab-bob.test"), 403, None),
                (request(host=b"lab-bob.test", auth=b"Cookie: authorization=bobs-token\r\n"), 200, b"ob"),
                (request(auth=b"Cookie: authorization=bobs-token\r\n"), 403, None),
                (request(host=b"none.test"), 404, None),
                (request(), 200, b"ok"),
            ]
            await visitor.send(b"".join(sent for sent, _, _ in asked))
            for _, status, body in asked:
                response = await visitor.receive_response()
                assert response.status == status
                assert body is None or response.body == body
            visitor.close()
    assert len(alices.messages) == 2
    assert len(bobs.messages) == 1
    assert b"token" not in repr(bobs.messages).encode()


@pytest.mark.one_process
async def test_heads_are_remembered_for_their_route_from_those_who_are_let_in(short_tmp: Path) -> None:
    alices, bobs = Application(OK), Application(OK)
    cookie = b"Cookie: authorization=bobs-token\r\n"
    async with open_engine(short_tmp, alices) as engine, open_origin(short_tmp / "b", bobs):
        requests, responses = engine.context.runtimes.heads.requests, engine.context.runtimes.heads.responses
        with engine.another_route("lab-bob.test", str(short_tmp / "b"), b"bobs-token"):
            visitor = engine.connect()
            asked = [
                (request(auth=b""), 403, 0),
                (request(host=b"none.test"), 404, 0),
                (request(b"GET /1 HTTP/1.1"), 200, 1),
                (request(b"GET /2 HTTP/1.1"), 200, 1),
                (request(host=b"lab-bob.test", auth=cookie), 200, 2),
                (request(fields=b"X: y\r\n"), 200, 3),
                (request(host=b"lab-bob.test", auth=cookie), 200, 3),
                (request(host=b"lab-bob.test"), 403, 3),
            ]
            for sent, status, remembered in asked:
                await visitor.send(sent)
                assert (await visitor.receive_response()).status == status
                assert len(requests) == remembered
            assert len(responses) == 2
        assert (len(requests), len(responses)) == (2, 1)
        visitor.close()
    assert (len(requests), len(responses)) == (0, 0)
    assert [message.line for message in alices.messages[:2]] == [b"GET /1 HTTP/1.1", b"GET /2 HTTP/1.1"]
    assert alices.messages[0].fields == alices.messages[1].fields
    assert bobs.messages[0] == bobs.messages[1]


async def test_a_request_after_a_body_begins_where_the_body_ended(short_tmp: Path) -> None:
    application = Application()
    async with open_engine(short_tmp, application) as engine:
        visitor = engine.connect()
        posts = [
            request(b"POST /1 HTTP/1.1", b"Content-Length: 5\r\n", b"hello"),
            request(b"POST /2 HTTP/1.1", b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
            request(b"POST /3 HTTP/1.1", b"Content-Length: 0\r\n"),
        ]
        await visitor.send(b"".join(posts) + request(b"GET /4 HTTP/1.1"))
        for _ in range(4):
            assert (await visitor.receive_response()).body == b"ok"
    assert [message.line.split()[1] for message in application.messages] == [b"/1", b"/2", b"/3", b"/4"]
    assert [message.body for message in application.messages] == [b"hello", b"hello", b"", b""]


async def test_a_head_may_come_in_pieces(short_tmp: Path) -> None:
    application = Application()
    async with open_engine(short_tmp, application) as engine:
        visitor = engine.connect()
        for byte in request():
            await visitor.send(bytes([byte]))
            await trio.lowlevel.checkpoint()
        assert (await visitor.receive_response()).body == b"ok"


async def test_nothing_after_the_last_request_is_read(short_tmp: Path) -> None:
    application = Application()
    async with open_engine(short_tmp, application) as engine:
        visitor = engine.connect()
        await visitor.send(request(fields=b"Connection: close\r\n") + request(b"GET /second HTTP/1.1"))
        assert (await visitor.receive_response()).values(b"connection") == [b"close"]
        await visitor.wait_closed()
    assert len(application.messages) == 1


# Deadlines.


async def test_an_idle_connection_is_closed(short_tmp: Path, autojump_clock: MockClock) -> None:
    async with open_engine(short_tmp, Application(), patience=LONG) as engine:
        timeout = engine.context.limits.idle_timeout
        for sends in (False, True):
            visitor = engine.connect()
            start = trio.current_time()
            if sends:
                await visitor.send(request())
                assert (await visitor.receive_response()).status == 200
            await visitor.wait_closed()
            assert 0.9 * timeout <= trio.current_time() - start <= 1.2 * timeout


async def test_a_late_head_is_answered(short_tmp: Path, autojump_clock: MockClock) -> None:
    async with open_engine(short_tmp, Application(), patience=LONG) as engine:
        visitor = engine.connect()
        await trio.sleep(30)
        start = trio.current_time()
        head = request()
        for at in range(5):  # a byte now and then does not help
            await visitor.send(head[at : at + 1])
            await trio.sleep(2)
        response = await visitor.receive_response()
        assert response.status == 408
        assert response.values(b"connection") == [b"close"]
        assert trio.current_time() - start == pytest.approx(engine.context.limits.head_timeout, abs=0.1)
        await visitor.send_eof()
        await visitor.wait_closed()


async def test_a_head_that_comes_just_as_the_time_is_over(short_tmp: Path, mock_clock: MockClock) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect(unix=True)
        await visitor.send(request()[:-1])
        await wait_all_tasks_blocked()
        # Both become known to the scheduler in the same round.
        visitor.send_at_once(b"\n")
        mock_clock.jump(engine.context.limits.head_timeout)
        await wait_all_tasks_blocked()
        mock_clock.autojump_threshold = 0
        assert (await visitor.receive_response()).status == 408
        assert not engine.origin.connections


async def test_a_long_exchange_does_not_make_the_next_one_late(short_tmp: Path, autojump_clock: MockClock) -> None:
    async def handle(connection: OriginConnection) -> None:
        while await connection.receive_head():
            await trio.sleep(200)
            await connection.send_all(OK)

    async with open_engine(short_tmp, handle, patience=LONG) as engine:
        visitor = engine.connect()
        head = request()
        for _ in range(2):
            await visitor.send(head[:10])
            await trio.sleep(10)
            await visitor.send(head[10:])
            assert (await visitor.receive_response()).body == b"ok"
            await trio.sleep(50)


# The end of the server.


async def test_draining(short_tmp: Path) -> None:
    answer_now = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await answer_now.wait()
        await connection.send_all(OK)
        await connection.receive_to_end()

    async with open_engine(short_tmp, handle) as engine:
        idle, fresh, busy, pipelining = (engine.connect() for _ in range(4))
        await busy.send(request())
        await pipelining.send(request() + request())
        await idle.send(request(b"OPTIONS * HTTP/1.1"))
        assert (await idle.receive_response()).status == 200
        await engine.origin.wait_connections(2)
        await wait_all_tasks_blocked()
        engine.begin_drain()
        await idle.wait_closed()
        await fresh.wait_closed()
        answer_now.set()
        for visitor in (busy, pipelining):
            response = await visitor.receive_response()
            assert response.body == b"ok"
            assert response.values(b"connection") == [b"close"]
            await visitor.wait_closed()
        assert len(engine.origin.connections) == 2


async def test_too_many_visitors(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), limits=ServerLimits(max_visitors=2)) as engine:
        visitors = []
        for _ in range(3):
            visitors.append(engine.connect())
            await wait_all_tasks_blocked()
        response = await visitors[2].receive_response()
        assert response.status == 503
        assert response.values(b"retry-after")
        await visitors[2].wait_closed()
        await visitors[0].send(request())
        assert (await visitors[0].receive_response()).status == 200
        visitors[0].close()
        await wait_all_tasks_blocked()
        another = engine.connect()
        await another.send(request())
        assert (await another.receive_response()).status == 200


# Our own answers.


async def ask(visitor: Visitor, sent: bytes, method: bytes = b"GET") -> tuple[int, dict[bytes, bytes], bytes]:
    await visitor.send(sent)
    response = await visitor.receive_response(method)
    fields = {name.lower(): value for name, value in response.fields}
    assert len(fields) == len(response.fields)
    return response.status, fields, response.body


async def test_the_login_link(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        status, fields, _ = await ask(visitor, request(LINK + b"?next=/lab/tree%3Fa=b HTTP/1.1", auth=b""))
        assert status == 302
        assert fields[b"location"] == b"/lab/tree?a=b"
        assert fields[b"set-cookie"] == b"authorization=%b; HttpOnly; Path=/; SameSite=Lax" % TOKEN
        assert fields[b"cache-control"] == b"no-store"
        assert fields[b"referrer-policy"] == b"no-referrer"
        status, fields, body = await ask(visitor, request(b"GET /_conductor/auth/wrong HTTP/1.1", auth=b""))
        assert status == 403
        assert b"set-cookie" not in fields
        assert b"wrong" not in body
        # Behind a proxy that speaks HTTPS with the visitor.
        proxied = engine.connect(unix=True)
        await proxied.send(request(LINK + b" HTTP/1.1", b"X-Forwarded-Proto: https\r\n", auth=b""))
        one = b"authorization=%b; HttpOnly; Path=/; SameSite=Lax; Secure" % TOKEN
        answer = await proxied.receive_response()
        assert answer.values(b"set-cookie") == [one, b"__Host-" + one + b"; Priority=High"]
        # Nobody else can say so.
        _, fields, _ = await ask(visitor, request(LINK + b" HTTP/1.1", b"X-Forwarded-Proto: https\r\n", auth=b""))
        assert b"Secure" not in fields[b"set-cookie"]


@pytest.mark.parametrize(
    ("following", "location"),
    [
        (b"", b"/"),
        (b"?next=", b"/"),
        (b"?next=lab", b"/"),
        (b"?next=//evil.example", b"/"),
        (b"?next=/%2Fevil.example", b"/"),
        (b"?next=%2F%2Fevil.example", b"/"),
        (b"?next=/\\evil.example", b"/"),
        (b"?next=/%5Cevil.example", b"/"),
        (b"?next=/%09/evil.example", b"/"),
        (b"?next=/a%0d%0aSet-Cookie:%20a=b", b"/"),
        (b"?next=/a%00", b"/"),
        (b"?next=https://evil.example", b"/"),
        (b"?next=%20//evil.example", b"/"),
        (b"?next=/a&next=//evil.example", b"/a"),
        (b"?other=x&next=/a%20b", b"/a%20b"),
        (b"?next=/a/%C3%A9", b"/a/%C3%A9"),
        (b"?next=/a?b=c%26d", b"/a?b=c&d"),
    ],
)
async def test_next_stays_on_this_host(following: bytes, location: bytes, short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        status, fields, _ = await ask(engine.connect(), request(LINK + following + b" HTTP/1.1", auth=b""))
        assert (status, fields[b"location"]) == (302, location)


@pytest.mark.one_process
async def test_the_counters(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        for sent in (request(), request(auth=b""), request(host=b"none.test"), request(LINK + b"x HTTP/1.1")):
            await ask(visitor, sent)
        status, fields, body = await ask(visitor, request(b"GET /_conductor/status HTTP/1.1", host=b"x", auth=b""))
        assert status == 200
        assert fields[b"content-type"] == b"application/json"
        expected = {
            "requestTotal": 5,
            "requestActive": 1,
            "unauthorized": 2,
            "noroute": 1,
            "broken": 0,
            "routesTotal": 1,
            "internalErrors": 0,
        }
        assert json.loads(body).items() >= expected.items()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (b"", b"text/plain; charset=utf-8"),
        (b"Accept: */*\r\n", b"text/plain; charset=utf-8"),
        (b"Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", b"text/html; charset=utf-8"),
        (b"Accept: application/json\r\n", b"application/json"),
    ],
)
async def test_answers_suit_who_asks(accept: bytes, content_type: bytes, short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        wanted = request(b"GET /<script>?secret HTTP/1.1", accept, auth=b"Cookie: authorization=<guess>\r\n")
        status, fields, body = await ask(visitor, wanted)
        assert status == 403
        assert fields[b"content-type"] == content_type
        assert fields[b"content-length"] == b"%d" % len(body)
        assert body
        for echoed in (b"script", b"secret", b"guess"):
            assert echoed not in body
        _, head_fields, nothing = await ask(visitor, wanted.replace(b"GET", b"HEAD", 1), b"HEAD")
        assert nothing == b""
        del fields[b"date"], head_fields[b"date"]
        assert head_fields == fields


async def test_an_answer_to_http_1_0(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        kept = request(b"GET / HTTP/1.0", b"Connection: keep-alive\r\n", auth=b"")
        _, fields, _ = await ask(visitor, kept)
        assert fields[b"connection"] == b"keep-alive"
        _, fields, _ = await ask(visitor, request(b"GET / HTTP/1.0", auth=b""))
        assert fields[b"connection"] == b"close"
        await visitor.wait_closed()


# Guessing tokens.


def show(guess: bytes, way: str) -> bytes:
    """Write a request that shows a token."""
    match way:
        case "cookie":
            return request(auth=b"Cookie: authorization=%b\r\n" % guess)
        case "bearer":
            return request(auth=b"Authorization: Bearer %b\r\n" % guess)
        case "link":
            return request(b"GET /_conductor/auth/%b HTTP/1.1" % guess, auth=b"")
        case "upgrade":
            fields = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
            return request(fields=fields, auth=b"Cookie: authorization=%b\r\n" % guess)
        case "session page":
            line = b"GET /_conductor/ HTTP/1.1"
            return request(line, auth=b"Cookie: authorization=%b\r\n" % guess)
        case "form":
            body = b"token=" + guess
            fields = b"Content-Length: %d\r\n" % len(body)
            return request(b"POST /_conductor/login HTTP/1.1", fields, body, auth=b"")
    raise AssertionError(way)


WAYS = ["cookie", "bearer", "link", "upgrade", "session page", "form"]


@pytest.mark.one_process
@pytest.mark.parametrize("way", WAYS)
async def test_guessing_has_a_rate_whichever_way_a_token_is_shown(
    short_tmp: Path, autojump_clock: MockClock, way: str
) -> None:
    async with open_engine(short_tmp, Application(), patience=LONG) as engine:
        # Without a kernel, in whose time to deliver something the clock would jump, and guesses be allowed anew.
        visitor = engine.connect_memory()
        limits = engine.context.limits
        statuses = [(await ask(visitor, show(b"guess%d" % number, way)))[0] for number in range(40)]
        assert statuses[: limits.max_token_failures] == [403] * limits.max_token_failures
        assert statuses[limits.max_token_failures + 2 :] == [429] * (38 - limits.max_token_failures)
        # No token at all is no guess.
        assert (await ask(visitor, request(auth=b"")))[0] == 403
        # What came in between is not owed for.
        await trio.sleep(limits.token_failure_interval)
        assert (await ask(visitor, request()))[0] == 200
        # From now on this connection is that of one who has the token.
        statuses = [
            (await ask(engine.connect_memory(), show(b"guess%d" % number, way)))[0] for number in range(50, 99)
        ]
        assert statuses[-1] == 429
        assert (await ask(visitor, request(fields=b"X-Other: %b\r\n" % way.encode())))[0] == 200
        assert (await ask(visitor, request(LINK + b" HTTP/1.1", auth=b"")))[0] == 302


async def test_a_page_left_open_with_an_old_token_locks_nobody_out(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        old = engine.connect()
        statuses = [(await ask(old, show(b"old", "cookie")))[0] for _ in range(40)]
        assert statuses[0] == 403 and statuses[-1] == 429
        assert (await ask(engine.connect(), request(LINK + b" HTTP/1.1", auth=b"")))[0] == 302


async def test_a_fronts_connection_is_not_that_of_one_visitor(short_tmp: Path, autojump_clock: MockClock) -> None:
    async with open_engine(short_tmp, Application(), patience=LONG) as engine:
        proxy = engine.connect(unix=True)
        assert (await ask(proxy, request(fields=b"X-Forwarded-For: 10.0.0.1\r\n")))[0] == 200
        statuses = []
        for number in range(30):
            auth = b"Cookie: authorization=guess%d\r\n" % number
            wrong = request(fields=b"X-Forwarded-For: 10.0.0.2\r\n", auth=auth)
            statuses.append((await ask(proxy, wrong))[0])
        assert statuses[0] == 403 and statuses[-1] == 429


async def test_one_who_guesses_keeps_nobody_else_out(short_tmp: Path, autojump_clock: MockClock) -> None:
    async with open_engine(short_tmp, Application(), patience=LONG) as engine:
        proxy = engine.connect(unix=True)
        for number in range(30):
            auth = b"Cookie: authorization=guess%d\r\n" % number
            wrong = request(fields=b"X-Forwarded-For: 2001:db8::%d\r\n" % number, auth=auth)
            status = (await ask(proxy, wrong))[0]
        assert status == 429
        for other in (b"2001:db8:0:1::1", b"10.0.0.2"):
            right = request(fields=b"X-Forwarded-For: %b\r\n" % other)
            assert (await ask(proxy, right))[0] == 200


async def test_each_token_that_is_shown_is_a_guess(short_tmp: Path, autojump_clock: MockClock) -> None:
    async with open_engine(short_tmp, Application(), patience=LONG) as engine:
        cookies = b";".join(b"authorization=guess%d" % number for number in range(200))
        assert (await ask(engine.connect(), request(auth=b"Cookie: " + cookies + b"\r\n")))[0] == 403
        cookies = b";".join(b"authorization=more%d" % number for number in range(200))
        many = request(auth=b"Cookie: " + cookies + b"\r\n")
        for _ in range(100):
            await trio.sleep(engine.context.limits.token_failure_interval)
            assert (await ask(engine.connect(), many))[0] == 429
        # Who shows one has their turn all the same.
        assert (await ask(engine.connect(), request()))[0] == 200


async def test_one_request_is_not_thousands_of_guesses(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        planted = b"authorization=x; " * 180
        sent = request(auth=b"Cookie: " + planted + b"authorization=" + TOKEN + b"\r\n")
        assert (await ask(engine.connect(), sent))[0] == 200
        sent = request(auth=b"Cookie: " + planted * 2 + b"authorization=" + TOKEN + b"\r\n")
        assert (await ask(engine.connect(), sent))[0] == 403


# Nothing that a visitor does stays.


@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize(
    "sent", [b"", b"GET", request()[:-2], request(b"POST / HTTP/1.1", b"Content-Length: 9\r\n")]
)
async def test_a_visitor_may_leave_at_any_point(how: str, sent: bytes, short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        if sent:
            await visitor.send(sent)
        await wait_all_tasks_blocked()
        match how:
            case "close":
                visitor.close()
            case "reset":
                visitor.reset()
            case "half":
                await visitor.send_eof()
                with trio.fail_after(2):
                    with contextlib.suppress(trio.BrokenResourceError):
                        await visitor.receive_to_end()
        with trio.fail_after(2):
            while engine.context.visitors:  # noqa: ASYNC110
                await trio.lowlevel.checkpoint()


async def test_a_refused_visitor_who_goes_on_sending_reads_the_answer(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine, trio.open_nursery() as nursery:
        visitor = engine.connect()

        async def flood() -> None:
            await visitor.send(b"POST / HTTP/1.1\r\nHost: a b\r\n" + COOKIE + b"\r\n")
            try:
                while True:
                    await visitor.send(bytes(100_000))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        nursery.start_soon(flood)
        await trio.sleep(0.05)
        response = await visitor.receive_response()
        assert response.status == 400
        assert await visitor.receive_to_end() == b""
        visitor.close()


PROXIED = b"X-Forwarded-Proto: https\r\n"


@pytest.mark.parametrize(("fields", "https"), [(PROXIED, True), (b"", False)])
async def test_a_browser_that_came_by_https_is_told_to_stay_with_it(
    short_tmp: Path, fields: bytes, https: bool
) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect(unix=True)
        for line in (b"GET / HTTP/1.1", LINK + b" HTTP/1.1", b"GET /_conductor/nothing HTTP/1.1"):
            await visitor.send(request(line, fields))
            told = (await visitor.receive_response()).values(b"strict-transport-security")
            assert [value.startswith(b"max-age=") for value in told] == [True] * https


async def test_what_an_application_says_of_https_itself_stands(short_tmp: Path) -> None:
    own = b"HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 0\r\n\r\n"
    async with open_engine(short_tmp, Application(own)) as engine:
        visitor = engine.connect(unix=True)
        for _ in range(3):  # what is remembered of the head among them
            await visitor.send(request(b"GET / HTTP/1.1", PROXIED))
            assert (await visitor.receive_response()).values(b"strict-transport-security") == [b"max-age=1"]


def bomb(count: int, size: int) -> bytes:
    """Return a Cookie field of as many planted cookies of that size."""
    return b"Cookie: " + b"; ".join(b"b%d=%b" % (number, b"x" * size) for number in range(count)) + b"\r\n"


async def test_cookies_that_leave_no_room_are_forgotten(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"GET / HTTP/1.1", b"Accept: text/html\r\n" + bomb(30, 3900), auth=b""))
        answer = await visitor.receive_response()
        assert answer.status == 431 and b"Too many cookies" in answer.body
        assert b'http-equiv="refresh"' in answer.body
        forgotten = answer.values(b"set-cookie")
        assert any(value.startswith(b"b0=; Max-Age=0") for value in forgotten)
        await visitor.wait_closed()
        # Who is no browser gets a line.
        visitor = engine.connect()
        await visitor.send(request(b"GET / HTTP/1.1", bomb(30, 3900), auth=b""))
        answer = await visitor.receive_response()
        assert answer.status == 431 and answer.body.startswith(b"431 Request Header Fields Too Large: Too many")
        # What else is too large is so as before.
        visitor = engine.connect()
        await visitor.send(request(b"GET / HTTP/1.1", b"X: " + b"x" * 70000 + b"\r\n", auth=b""))
        answer = await visitor.receive_response()
        assert answer.status == 431 and answer.values(b"set-cookie") == []


async def test_cookies_that_the_application_has_no_room_for_are_forgotten(short_tmp: Path) -> None:
    refusal = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n\r\n"
    async with open_engine(short_tmp, Application(refusal)) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"GET / HTTP/1.1", bomb(5, 3900)))
        answer = await visitor.receive_response()
        assert answer.status == 431
        assert {value.partition(b"=")[0] for value in answer.values(b"set-cookie")} == {
            b"b%d" % n for n in range(5)
        }


async def test_a_browser_forgets_planted_cookies_at_a_persons_wish(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        wish = request(
            b"POST /_conductor/cookies HTTP/1.1", b"Cookie: planted=x\r\nContent-Length: 0\r\n", auth=b""
        )
        await visitor.send(wish)
        answer = await visitor.receive_response()
        assert answer.status == 303 and answer.values(b"location") == [b"/"]
        assert all(b"=; Max-Age=0; Domain=" in value for value in answer.values(b"set-cookie"))
