"""The dashboard's host name at a gateway: who finds what there, and that no session has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.constants import MAX_DASHBOARDS
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.admin.messages import MakeLink, RevokeLinks
from conductor_trio.server.orders.blocks import Block, Blocked
from tests.support.dashboards import ADMIN, ROOT, open_dashboard_engine
from tests.support.engine import HOST, OK, Application, open_engine, request
from tests.support.shares import ask

OWN = b"Origin: http://admin.test\r\n"
FORM = b"Content-Length: 0\r\n" + OWN
LIVE = b"GET /_conductor/live HTTP/1.1"
SOCKET = (
    b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def test_a_link_opens_the_page_and_a_preview_does_not_spend_it(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        link = dashboard.make_link()
        for _ in range(2):
            preview = await dashboard.ask(b"GET " + link + b" HTTP/1.1", b"Accept: text/html\r\n")
            assert preview.status == 200 and b"Open the dashboard" in preview.body
            assert preview.values(b"set-cookie") == []
        answer = await dashboard.ask(b"POST " + link + b" HTTP/1.1", FORM)
        assert (answer.status, answer.values(b"location")) == (303, [b"/"])
        [cookie] = re.findall(rb"conductor-admin=([-\w]+);", answer.values(b"set-cookie")[0])
        page = await dashboard.ask(b"GET / HTTP/1.1", cookie=cookie.decode())
        assert page.status == 200 and page.body.startswith(b"<!doctype html>")
        assert (await dashboard.ask(b"POST " + link + b" HTTP/1.1", FORM)).status == 403
        assert [line["by"] for line in dashboard.audit.events("operator_link", "dashboard_entered")] == [
            "root"
        ] * 2


async def test_it_is_at_its_own_host_name_alone(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        cookie = await dashboard.enter()
        for host in (b"ADMIN.test", b"admin.test.", b"admin.test:8443"):
            assert (await dashboard.ask(b"GET / HTTP/1.1", cookie=cookie, host=host)).status == 200
        link = b"GET " + dashboard.make_link() + b" HTTP/1.1"
        for host in (b"other.test", b"x.admin.test", b"admin.test.evil.test"):
            assert (await dashboard.ask(b"GET / HTTP/1.1", cookie=cookie, host=host)).status == 404
            assert (await dashboard.ask(link, host=host)).status == 404
        assert (await dashboard.ask(b"GET / HTTP/1.1", cookie=cookie, host=HOST)).status == 403
        assert (await dashboard.ask(b"GET /_conductor/status HTTP/1.1")).status == 200
        assert (await dashboard.ask(b"OPTIONS * HTTP/1.1")).status == 200
    async with open_engine(short_tmp, Application(OK)) as engine:
        answer = await ask(engine.connect(), request(host=ADMIN))
        unknown = await ask(engine.connect(), request(host=b"unknown.test"))
        assert (answer.status, answer.body) == (unknown.status, unknown.body) and answer.status == 404


async def test_no_session_gets_its_name_or_its_requests(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp, admin_host="admin-alice.test:8443") as dashboard:
        naming = dashboard.engine.planes.sessions.naming
        with pytest.raises(RegistrationRefused, match="gateway's own"):
            naming.check("admin", "alice")
        naming.check("admin", "bob")
        # One that an earlier server left, whose file did not have the name yet.
        path = dashboard.engine.origin.path
        with dashboard.engine.another_route("admin-alice.test", path, b"t", user="alice"):
            for line in (b"GET / HTTP/1.1", b"GET /tree HTTP/1.1", b"POST / HTTP/1.1"):
                answer = await dashboard.ask(line, b"Authorization: Bearer t\r\n", host=b"admin-alice.test")
                assert answer.status in (403, 404, 405)


async def test_who_comes_from_elsewhere_finds_nothing(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp, admin_networks=("10.0.0.0/8",)) as dashboard:
        link = dashboard.make_link()
        for line in (b"GET / HTTP/1.1", b"GET " + link + b" HTTP/1.1", b"POST " + link + b" HTTP/1.1"):
            assert (await dashboard.ask(line)).status == 404
            assert (
                await dashboard.ask(line, b"X-Forwarded-For: 10.1.1.1\r\n")
            ).status == 404  # who says so is nobody
        inside = b"X-Forwarded-For: 10.1.1.1\r\n"
        assert (await dashboard.ask(b"GET " + link + b" HTTP/1.1", inside, unix=True)).status == 200
        outside = b"X-Forwarded-For: 10.1.1.1, 192.0.2.1\r\n"
        assert (await dashboard.ask(b"GET " + link + b" HTTP/1.1", outside, unix=True)).status == 404


async def test_wrong_links_are_throttled_and_told_by_rate(short_tmp: Path) -> None:
    limits = ServerLimits(max_token_failures=3)
    async with open_dashboard_engine(short_tmp, limits=limits) as dashboard:
        statuses = [
            (await dashboard.ask(b"GET /_conductor/auth/wrong%d HTTP/1.1" % number)).status for number in range(6)
        ]
        assert statuses[:3] == [403] * 3 and 429 in statuses
        [told] = dashboard.audit.events("wrong_tokens")
        assert (told["host"], told["address"], told["count"]) == ("admin.test", "127.0.0.1", 1)


async def test_the_page_is_its_own_and_nobody_elses(short_tmp: Path) -> None:
    portal = b"https://portal.test"
    async with open_dashboard_engine(short_tmp, allowed_origins=(portal.decode(),)) as dashboard:
        cookie = await dashboard.enter()
        page = await dashboard.ask(b"GET / HTTP/1.1", b"Origin: " + portal + b"\r\n", cookie=cookie)
        names = {name.lower() for name, _ in page.fields}
        assert not [name for name in names if name.startswith(b"access-control")]
        [policy] = page.values(b"content-security-policy")
        assert b"unsafe" not in policy and b"default-src 'none'" in policy and b"frame-ancestors 'none'" in policy
        assert page.values(b"cache-control") == [b"no-store"]
        asked = b"Origin: " + portal + b"\r\nAccess-Control-Request-Method: POST\r\n"
        preflight = await dashboard.ask(b"OPTIONS /_conductor/live HTTP/1.1", asked, cookie=cookie)
        assert not [name for name, _ in preflight.fields if name.lower().startswith(b"access-control")]
        for origin in (portal, b"http://app-alice.test", b"null"):
            answer = await dashboard.ask(LIVE, SOCKET + b"Origin: " + origin + b"\r\n", cookie=cookie)
            assert answer.status == 403


async def test_the_single_sign_on_lets_members_of_its_groups_in(short_tmp: Path) -> None:
    sso = SingleSignOn(user_field=b"x-user", groups_field=b"x-groups", admin_groups=("ops", "hpc admins"))
    async with open_dashboard_engine(short_tmp, sso=sso) as dashboard:

        async def status(fields: bytes, *, unix: bool = True) -> int:
            return (await dashboard.ask(b"GET / HTTP/1.1", fields, unix=unix)).status

        assert await status(b"X-User: eve\r\nX-Groups: staff, hpc admins\r\n") == 200
        assert await status(b"X-User: eve\r\nX-Groups: ops\r\n") == 200
        assert await status(b"X-User: eve\r\nX-Groups: ops\r\n", unix=False) == 403  # from no trusted proxy
        for fields in (
            b"X-User: eve\r\n",
            b"X-User: eve\r\nX-Groups: opsx, xops, OPS\r\n",
            b"X-Groups: ops\r\n",
            b"X-User: eve\r\nX-Groups: staff\r\nX-Groups: ops\r\n",
            b"X-User: \r\nX-Groups: ops\r\n",
        ):
            assert await status(fields) == 403
        assert [one["user"] for one in dashboard.entries.describe(0)] == ["eve"]


async def test_signing_out_ends_the_entry(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        cookie = await dashboard.enter()
        evil = b"Content-Length: 0\r\nOrigin: http://app-alice.test\r\n"
        assert (await dashboard.ask(b"POST /_conductor/leave HTTP/1.1", evil, cookie=cookie)).status == 403
        assert (await dashboard.ask(b"GET / HTTP/1.1", cookie=cookie)).status == 200
        left = await dashboard.ask(b"POST /_conductor/leave HTTP/1.1", FORM, cookie=cookie)
        assert left.status == 303 and b"Max-Age=0" in left.values(b"set-cookie")[0]
        assert (await dashboard.ask(b"GET / HTTP/1.1", cookie=cookie)).status == 403
        assert dashboard.audit.events("dashboard_left")[0]["by"] == "root"


async def test_a_revocation_closes_what_is_open(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard, dashboard.open_page() as page:
        await page.section("now")
        answer = dashboard.service.execute(RevokeLinks(), ROOT)
        assert answer.fields() == {"links": 0, "entries": 1}
        await page.wait_closed()
        assert dashboard.audit.events("operator_links_revoked")[0]["entries"] == 1


async def test_a_network_that_is_blocked_is_cut_off(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard, dashboard.open_page() as page:
        await page.section("now")
        orders = dashboard.engine.context.orders
        orders.block(Block(kind=Blocked.NETWORK, name="127.0.0.0/8", since=0.0))
        await page.wait_closed()
        assert not orders.unblock(Blocked.USER, "nobody")
        orders.unblock(Blocked.NETWORK, "127.0.0.0/8")


async def test_there_are_only_so_many(short_tmp: Path) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        cookie = await dashboard.enter()
        updates = dashboard.console.updates
        watchers = [updates.watching() for _ in range(MAX_DASHBOARDS)]
        for watcher in watchers:
            watcher.__enter__()
        assert (await dashboard.ask(LIVE, SOCKET + OWN, cookie=cookie)).status == 429
        for watcher in watchers:
            watcher.__exit__(None, None, None)
        assert dashboard.service.execute(MakeLink(), ROOT).fields()["link"]
