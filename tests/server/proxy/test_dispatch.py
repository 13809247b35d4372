"""What was ruled on a request is carried out: answered, shown, parked and ruled on again, forwarded, repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.control.messages import Takeover
from conductor_trio.server.proxy.answering import Answerer
from conductor_trio.server.proxy.cancellation import ConnectionScope
from conductor_trio.server.proxy.dispatch import Dispatcher, Served
from conductor_trio.server.proxy.exchange.exchange import Outcome
from conductor_trio.server.proxy.ports import SessionView
from conductor_trio.server.routing.states import Cause, Live, SessionState, Starting
from tests.doubles.origin import OriginConnection, answering, open_origin
from tests.support.engine import HOST, OK, TOKEN, request
from tests.support.exchange_bench import Bench, open_bench
from tests.support.routes import make_route

POST = b"POST / HTTP/1.1"
WRONG = b"Cookie: authorization=wrong\r\n"


@attrs.frozen(kw_only=True)
class Stage:
    """One visitor's dispatcher."""

    bench: Bench
    dispatcher: Dispatcher

    async def dispatch(self, data: bytes) -> Served:
        """Have the visitor send a request, and have it dispatched."""
        return await self.dispatcher.dispatch(self.bench.receive_request(data), is_complete=False)

    async def ask(self, data: bytes) -> bytes:
        """Return what the visitor is answered."""
        assert await self.dispatch(data) is Outcome.KEEP
        return await self.bench.sent_to_visitor()

    def another_dispatcher(self) -> Dispatcher:
        """Return that of another connection from the same address."""
        return make_dispatcher(self.bench)

    def end(self, cause: Cause) -> None:
        """Change the session's state."""
        self.bench.planes.routes.change(self.bench.route.id, cause)


def make_dispatcher(bench: Bench) -> Dispatcher:
    context = bench.context
    listener = bench.proxy.disconnects.listener(context.visitor, context.requests, ConnectionScope())
    return Dispatcher(context, listener, Answerer(context))


@contextmanager
def open_stage(relay_path: str | Path = "/nowhere/socket", state: SessionState | None = None) -> Iterator[Stage]:
    with open_bench(relay_path=str(relay_path), state=state) as bench:
        yield Stage(bench=bench, dispatcher=make_dispatcher(bench))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(b"OPTIONS * HTTP/1.1", auth=b""), 200),
        (request(b"GET /_conductor/status HTTP/1.1", auth=b""), 200),
        (request(b"GET /_conductor/ HTTP/1.1"), 200),
        (request(b"GET /_conductor/nothing HTTP/1.1"), 404),
        (request(b"GET /_conductor/auth/%b HTTP/1.1" % TOKEN, auth=b""), 302),
        (request(host=b"other-alice.test"), 404),
        (request(auth=b""), 403),
        (request(auth=WRONG), 403),
    ],
)
async def test_what_is_answered_in_the_applications_place(data: bytes, status: int) -> None:
    with open_stage() as stage:
        assert (await stage.ask(data)).startswith(b"HTTP/1.1 %d " % status)


async def test_a_session_that_is_starting_says_so() -> None:
    with open_stage(state=Starting(since=0.0)) as stage:
        assert (await stage.ask(request())).startswith(b"HTTP/1.1 503 ")


async def test_one_that_has_ended_says_so() -> None:
    with open_stage() as stage:
        stage.end(Cause.LEFT)
        assert (await stage.ask(request())).startswith(b"HTTP/1.1 410 ")


async def test_the_session_pages_socket_is_handed_on_with_what_came_after_it() -> None:
    fields = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
    with open_stage() as stage:
        served = await stage.dispatch(request(b"GET /_conductor/live HTTP/1.1", fields) + b"frames")
        assert isinstance(served, SessionView)
        assert served.route is stage.bench.route and served.trailing_data == b"frames"


async def test_a_request_goes_to_the_application(short_tmp: Path) -> None:
    async with open_origin(short_tmp / "app", answering(OK, OK, close=False)) as origin:
        with open_stage(short_tmp / "app") as stage:
            assert (await stage.ask(request())).endswith(b"\r\n\r\nok")
            assert (await stage.ask(request(b"GET /next HTTP/1.1"))).endswith(b"\r\n\r\nok")
        assert len(origin.connections) == 1  # which is kept


# Failures.


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "without"),
        (b"rubbish\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", "Content-Length"),
    ],
)
async def test_why_the_application_failed_is_told_its_owner(answer: bytes, why: str, short_tmp: Path) -> None:
    async with open_origin(short_tmp / "app", answering(answer)):
        with open_stage(short_tmp / "app") as stage:
            for target in (b"/a", b"/b/c;s=secret?token=secret"):
                assert (await stage.ask(request(b"GET %b HTTP/1.1" % target))).startswith(b"HTTP/1.1 502 ")
            [told] = stage.bench.planes.service.describe_events(stage.bench.route.id)
            text = str(told["text"])
            assert text.startswith("Answered 502: ") and why.lower() in text.lower()
            assert text.endswith("; last for GET /b/c") and told["count"] == 2


async def test_so_it_is_where_nobody_listens() -> None:
    with open_stage("/nowhere/socket") as stage:
        await stage.ask(request(b"GET /%b HTTP/1.1" % (b"x" * 1000)))
        [told] = stage.bench.planes.service.describe_events(stage.bench.route.id)
        assert "cannot connect: No such file or directory; last for GET /xxx" in str(told["text"])
        assert len(str(told["text"])) < 300


# Guesses.


def guess(number: int) -> bytes:
    return request(auth=b"Cookie: authorization=guess%d\r\n" % number)


async def test_guessing_has_a_rate_and_is_told_the_owner(autojump_clock: MockClock) -> None:
    with open_stage(state=Starting(since=0.0)) as stage:
        limits = stage.bench.proxy.limits
        for number in range(limits.max_token_failures):
            assert (await stage.ask(guess(number))).startswith(b"HTTP/1.1 403 ")
        for number in range(100, 200):
            answer = await stage.ask(guess(number))
        assert trio.current_time() == 0
        assert answer.startswith(b"HTTP/1.1 429 ") and b"\r\nRetry-After: " in answer
        [told] = stage.bench.planes.service.describe_events(stage.bench.route.id)
        assert limits.max_token_failures <= int(str(told["count"])) <= limits.max_token_failures + 2
        assert stage.bench.proxy.counters.limited >= 98


async def test_who_was_let_in_on_a_connection_is_not_kept_out_by_the_guesses_of_others(
    autojump_clock: MockClock,
) -> None:
    with open_stage(state=Starting(since=0.0)) as stage:
        right = request()
        assert (await stage.ask(right)).startswith(b"HTTP/1.1 503 ")  # the application is starting
        other = attrs.evolve(stage, dispatcher=stage.another_dispatcher())
        for number in range(50):
            answer = await other.ask(guess(number))
        assert answer.startswith(b"HTTP/1.1 429 ")
        changed = request(fields=b"Accept: image/png\r\n")
        assert (await other.ask(changed)).startswith(b"HTTP/1.1 429 ")  # it could be anybody's
        await trio.sleep(stage.bench.proxy.limits.token_failure_interval)
        assert (await other.ask(changed)).startswith(b"HTTP/1.1 503 ")


# Parked requests.


async def test_a_parked_request_is_ruled_on_again_when_its_session_is_another(short_tmp: Path) -> None:
    async with open_origin(short_tmp / "app", answering(OK, close=False)):
        with open_stage() as stage:
            stage.end(Cause.LINK_LOST)
            answers: list[bytes] = []

            async def ask() -> None:
                answers.append(await stage.ask(request()))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await wait_all_tasks_blocked()
                assert stage.bench.proxy.parked.total == 1
                back = make_route(host=HOST.decode(), token=TOKEN, relay_path=str(short_tmp / "app"))
                stage.bench.planes.routes.register(back, Takeover.OWN)
            assert answers[0].endswith(b"\r\n\r\nok")


async def test_one_that_waits_too_long_hears_why(autojump_clock: MockClock) -> None:
    with open_stage() as stage:
        stage.end(Cause.LINK_LOST)
        answer = await stage.ask(request())
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert trio.current_time() == stage.bench.proxy.limits.park_timeout
        assert stage.bench.proxy.parked.total == 0


# An application that does not answer.


async def test_a_failing_application_is_told_with_its_since_until_it_answers(
    short_tmp: Path, autojump_clock: MockClock
) -> None:
    with open_stage(short_tmp / "app", state=Live(since=0.0)) as stage:
        runtime = stage.bench.runtime
        assert (await stage.ask(request())).startswith(b"HTTP/1.1 502 ")
        since = runtime.failing_since
        assert since is not None
        await stage.ask(request())
        assert runtime.failing_since == since
        async with open_origin(short_tmp / "app", answering(OK)):
            autojump_clock.autojump_threshold = float("inf")  # from here it is the kernel's turn
            assert (await stage.ask(request())).endswith(b"\r\n\r\nok")
        assert runtime.failing_since is None


# Requests whose session ends under them.


async def hang(connection: OriginConnection) -> None:
    await connection.receive_to_end()


@contextmanager
def cancelled(nursery: trio.Nursery) -> Iterator[None]:
    """Cancel what runs there after the block."""
    try:
        yield
    finally:
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("data", "may_repeat"),
    [(request(), True), (request(POST, b"Content-Length: 0\r\n"), False)],
    ids=["safe", "unsafe"],
)
async def test_what_is_under_way_may_be_repeated_so_often(short_tmp: Path, data: bytes, may_repeat: bool) -> None:
    async with open_origin(short_tmp / "app", hang) as origin:
        with open_stage(short_tmp / "app") as stage:
            dispatcher = stage.dispatcher
            async with trio.open_nursery() as nursery:
                with cancelled(nursery):
                    nursery.start_soon(stage.dispatch, data)
                    await origin.wait_connections()
                    await wait_all_tasks_blocked()
                    repeats = stage.bench.proxy.limits.max_repeats if may_repeat else 0
                    for _ in range(repeats):
                        assert dispatcher.take_interrupted() is not None
                    assert dispatcher.take_interrupted() is None
                    dispatcher.begin()
                    assert (dispatcher.take_interrupted() is not None) is may_repeat
                    stage.end(Cause.LEFT)  # nobody is there to repeat it to
                    dispatcher.begin()
                    assert dispatcher.take_interrupted() is None


async def test_one_that_is_not_repeated_hears_that_its_session_was_cut(
    short_tmp: Path, autojump_clock: MockClock
) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with open_origin(short_tmp / "app", hang) as origin:
        with open_stage(short_tmp / "app") as stage:
            async with trio.open_nursery() as nursery:
                with cancelled(nursery):
                    nursery.start_soon(stage.dispatch, request(POST, b"Content-Length: 0\r\n"))
                    await origin.wait_connections()
                    await wait_all_tasks_blocked()
            assert await stage.dispatcher.finish_cut() is Outcome.CLOSE
            assert (await stage.bench.sent_to_visitor()).startswith(b"HTTP/1.1 502 ")


async def test_between_requests_there_is_nothing_to_repeat_and_nothing_to_say() -> None:
    with open_stage() as stage:
        await stage.ask(request(auth=b""))
        assert stage.dispatcher.take_interrupted() is None
        assert await stage.dispatcher.finish_cut() is Outcome.CLOSE
        stage.bench.context.visitor.close()
        assert await stage.bench.sent_to_visitor() == b""
