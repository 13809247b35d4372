"""The server's own pages as the data plane reaches them: each call ends in the page that it is for."""

from __future__ import annotations

import base64
import json

import pytest
import trio

from conductor_trio.access.decisions import RedeemOneTimeLink
from conductor_trio.access.grants import OWNER
from conductor_trio.access.reasons import Redirect
from tests.support.engine import TOKEN, request
from tests.support.exchange_bench import open_bench
from tests.support.guards import OpenGuard
from tests.support.shares import make_share

PATIENCE = 10.0


@pytest.mark.parametrize("is_whole", [True, False])
async def test_a_form_tells_whether_all_of_it_was_read(is_whole: bool) -> None:
    with open_bench() as bench:
        body = b"token=" + TOKEN if is_whole else b"x" * 5000
        fields = b"Content-Length: %d\r\n" % (len(body) if is_whole else 2 * len(body))
        head = bench.receive_request(request(b"POST /_conductor/login HTTP/1.1", fields, body, auth=b""))
        context = bench.context
        answer, has_read_all = await bench.proxy.own_pages.log_in(
            context.visitor, context.requests, head, bench.route, OpenGuard(), https=True
        )
        assert has_read_all is is_whole
        assert isinstance(answer.reason, Redirect) is is_whole


async def test_a_one_time_link_is_spent() -> None:
    with open_bench() as bench:
        share = make_share(is_once=True)
        bench.planes.routes.set_access(bench.route.id, bench.route.access.with_share(share))
        answer = bench.proxy.own_pages.redeem(RedeemOneTimeLink(share=share, next="/"), bench.route, https=True)
        assert isinstance(answer, Redirect) and all(b"; Secure" in cookie for cookie in answer.set_cookies)
        route = bench.planes.routes.get(bench.route.id)
        assert route is not None
        assert route.access.shares[0].token_hash is not None


async def test_who_looks_at_the_session_is_told_of_it_until_they_go() -> None:
    fields = b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n"
    with open_bench() as bench, trio.fail_after(PATIENCE):
        key = base64.b64encode(bytes(16))
        head = bench.receive_request(request(b"GET /_conductor/live HTTP/1.1", fields % key))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                bench.proxy.own_pages.serve_session_socket,
                bench.context.visitor,
                head,
                b"",
                bench.route,
                OWNER,
                "192.0.2.1",
                None,
            )
            got = b""
            while b'"now"' not in got:
                got += await bench.visitor.receive_some(65536)
            answer, _, frame = got.partition(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 101 ")
            session = json.loads(frame[frame.index(b"{") :])["session"]
            assert (session["key"], session["state"], session["you"]) == ("app", "live", OWNER)
            bench.visitor.close()
