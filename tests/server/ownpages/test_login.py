"""The login form: read within its bounds, answered by its token, and a one-time link opens one browser by it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.access.decisions import RedeemOneTimeLink, Respond
from conductor_trio.access.grants import Share
from conductor_trio.access.reasons import BadRequest, Redirect, Refusal
from conductor_trio.access.tokens import hash_token
from conductor_trio.server.ownpages.login import LoginForm, redeem_link
from tests.support.engine import TOKEN, request
from tests.support.exchange_bench import Bench, open_bench
from tests.support.guards import OpenGuard
from tests.support.shares import LINK_TOKEN, make_share

LINE = b"POST /_conductor/login HTTP/1.1"
FIELD = b"token="


def length(size: int) -> bytes:
    """Write a body's length as a field."""
    return b"Content-Length: %d\r\n" % size


async def submit(bench: Bench, fields: bytes, body: bytes = b"") -> tuple[Respond, bool]:
    """Have a form read whose body has come so far, and return the answer, and whether it was read to its end."""
    head = bench.receive_request(request(LINE, fields, body, auth=b""))
    form = LoginForm(bench.context.visitor, bench.context.requests, bench.proxy.limits)
    planes = bench.planes
    answer = await form.submit(head, bench.route, planes.routes, planes.service, OpenGuard(), https=False)
    return answer, form.has_read_all


def give(bench: Bench, share: Share) -> None:
    """Let a share in at the bench's session."""
    bench.planes.routes.set_access(bench.route.id, bench.route.access.with_share(share))


async def test_a_right_token_lets_the_browser_in() -> None:
    with open_bench() as bench:
        body = FIELD + TOKEN
        answer, has_read_all = await submit(bench, length(len(body)), body)
        assert has_read_all
        assert isinstance(answer.reason, Redirect) and not answer.failed_token
        assert answer.reason.where == "/" and answer.reason.status == 303
        assert answer.reason.set_cookies[0].startswith(b"authorization=" + TOKEN + b";")


@pytest.mark.parametrize("body", [FIELD + b"wrong", FIELD, b"", b"other=" + TOKEN])
async def test_a_wrong_one_does_not_and_counts_as_a_guess(body: bytes) -> None:
    with open_bench() as bench:
        answer, has_read_all = await submit(bench, length(len(body)), body)
        assert answer == Respond(reason=Refusal.WRONG_FORM_TOKEN, failed_token=True)
        assert has_read_all


async def test_a_browser_that_asks_first_is_told_to_go_on_and_read_in_pieces() -> None:
    with open_bench() as bench, trio.fail_after(10):
        body = FIELD + TOKEN
        answers: list[Respond] = []

        async def read() -> None:
            answer, _ = await submit(bench, length(len(body)) + b"Expect: 100-continue\r\n")
            answers.append(answer)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            assert await bench.sent_to_visitor() == b"HTTP/1.1 100 Continue\r\n\r\n"
            for piece in (body[:8], body[8:]):
                await bench.visitor.send_all(piece)
                await wait_all_tasks_blocked()
        assert isinstance(answers[0].reason, Redirect)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_form_that_is_longer_than_any_token_is_not_read_on(is_chunked: bool) -> None:
    with open_bench() as bench:
        size = bench.proxy.limits.max_login_form + 1
        body = FIELD.ljust(size, b"x")
        fields = b"Transfer-Encoding: chunked\r\n" if is_chunked else length(10 * size)
        answer, has_read_all = await submit(bench, fields, b"%x\r\n%b\r\n" % (size, body) if is_chunked else body)
        assert answer == Respond(reason=BadRequest(status=413))
        assert not has_read_all


async def test_one_that_does_not_come_is_given_up(autojump_clock: MockClock) -> None:
    with open_bench() as bench:
        answer, has_read_all = await submit(bench, length(20), FIELD)
        assert answer == Respond(reason=BadRequest(status=408))
        assert not has_read_all
        assert trio.current_time() == bench.proxy.limits.head_timeout


async def test_one_that_is_cut_or_malformed_is_a_bad_request() -> None:
    with open_bench() as bench:
        await bench.visitor.send_eof()
        answer, has_read_all = await submit(bench, length(20), FIELD)
        assert answer == Respond(reason=BadRequest(status=400)) and not has_read_all
    with open_bench() as bench:
        answer, has_read_all = await submit(bench, b"Transfer-Encoding: chunked\r\n", b"no chunk\r\n")
        assert answer == Respond(reason=BadRequest(status=400)) and not has_read_all


async def test_a_one_time_link_opens_one_browser_with_a_token_of_its_own() -> None:
    body = FIELD + LINK_TOKEN
    with open_bench() as bench:
        give(bench, make_share(is_once=True))
        answer, _ = await submit(bench, length(len(body)), body)
        assert isinstance(answer.reason, Redirect) and answer.reason.status == 303
        token = answer.reason.set_cookies[0].partition(b";")[0].removeprefix(b"authorization=")
        assert token != LINK_TOKEN
        route = bench.planes.routes.get(bench.route.id)
        assert route is not None
        assert [share.token_hash for share in route.access.shares] == [hash_token(token)]
        again, _ = await submit(bench, length(len(body)), body)
        assert again == Respond(reason=Refusal.LINK_USED)


async def test_a_link_that_was_used_while_the_form_came_is_used() -> None:
    body = FIELD + LINK_TOKEN
    share = make_share(is_once=True)
    answers: list[Respond] = []
    with open_bench() as bench:
        give(bench, share)

        async def read() -> None:
            answer, _ = await submit(bench, length(len(body)))
            answers.append(answer)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            route = bench.planes.routes.get(bench.route.id)
            assert route is not None
            redeem_link(RedeemOneTimeLink(share=share, next="/"), route, bench.planes.service, https=False)
            await bench.visitor.send_all(body)
    assert answers == [Respond(reason=Refusal.LINK_USED)]


@pytest.mark.parametrize("https", [False, True])
async def test_the_cookie_of_a_redeemed_link_suits_how_the_browser_came(https: bool) -> None:
    with open_bench() as bench:
        share = make_share(is_once=True)
        give(bench, share)
        link = RedeemOneTimeLink(share=share, next="/notebook")
        answer = redeem_link(link, bench.route, bench.planes.service, https=https)
        assert answer.where == "/notebook"
        assert len(answer.set_cookies) == 1 + https
        assert all((b"; Secure" in cookie) is https for cookie in answer.set_cookies)
        [told] = bench.planes.service.describe_events(bench.route.id)
        assert "One-time link" in str(told["text"])


async def test_cancelled_it_reads_no_more() -> None:
    with open_bench() as bench:
        with trio.CancelScope() as scope:
            scope.cancel()
            await submit(bench, length(20), FIELD)
        assert scope.cancelled_caught
        await bench.visitor.send_all(b"left")
        assert await bench.context.visitor.receive_some(10) == b"left"
