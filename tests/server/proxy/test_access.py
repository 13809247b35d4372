"""Who gets in: the token form, shares that end, one-time links, and that a share opens nothing but its own."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlencode

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.grants import OWNER, Access, Share
from conductor_trio.access.login_link import parse_login_form
from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.snapshot import Snapshot
from tests.doubles.origin import answering
from tests.support.engine import (
    HOST,
    OK,
    TOKEN,
    Application,
    Response,
    open_engine,
    request,
)
from tests.support.routes import make_route
from tests.support.shares import LINK_TOKEN, ask, cookie, give, make_share

NOW = 1_000_000.0
HTML = b"Accept: text/html\r\n"


def form(token: bytes, fields: bytes = b"", *, host: bytes = HOST) -> bytes:
    body = urlencode({"token": token}).encode()
    told = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n" % len(body)
    return request(b"POST /_conductor/login HTTP/1.1", told + fields, body, host=host, auth=b"")


def set_cookie_of(response: Response) -> bytes:
    (value,) = response.values(b"set-cookie")
    return value.partition(b";")[0].partition(b"=")[2]


# What a token lets in by.


@given(st.binary(min_size=1), st.lists(st.binary(min_size=1), max_size=3, unique=True), st.booleans())
def test_each_token_lets_in_by_its_own(owner: bytes, tokens: list[bytes], is_over: bool) -> None:
    tokens = [token for token in tokens if token != owner]
    shares = tuple(
        make_share(token, id=f"s{index}", expires=NOW if is_over else NOW + 1)
        for index, token in enumerate(tokens)
    )
    access = Access(owner_hash=hash_token(owner), shares=shares)
    assert access.find([b"?" + owner, owner], NOW) == OWNER
    for index, token in enumerate(tokens):
        assert access.find([token], NOW) == (None if is_over else f"s{index}")
        assert access.find_link(token, NOW) == (None if is_over else f"s{index}")
        assert access.without([f"s{index}"]).find([token], NOW) is None
    assert access.find([], NOW) is None


def test_the_token_of_a_one_time_link_is_no_cookie() -> None:
    access = Access(owner_hash=hash_token(b"o"), shares=(make_share(is_once=True),))
    assert access.find([LINK_TOKEN], NOW) is None
    found = access.find_link(LINK_TOKEN, NOW)
    assert isinstance(found, Share) and found.is_once


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (b"token=abc", b"abc"),
        (b"token=+abc%0A", b"abc"),
        (b"token=a%2Bb%26c", b"a+b&c"),
        (b"token=https%3A%2F%2Fx.test%2F_conductor%2Fauth%2Fabc%3Fnext%3D%2F", b"abc"),
        (b"token=https%3A%2F%2Fx.test%2F_conductor%2Fauth%2Fa%252Fb", b"a/b"),
        (b"", b""),
        (b"other=abc", b""),
        (b"&".join(b"a%d=" % number for number in range(20)), b""),
        (b"token=%ff", b"\xff"),
    ],
)
def test_what_a_form_may_hold(body: bytes, token: bytes) -> None:
    assert parse_login_form(body) == token


@given(st.binary())
def test_any_body_is_a_form_or_none(body: bytes) -> None:
    assert isinstance(parse_login_form(body), bytes)


# The form.


async def test_a_browser_is_asked_for_the_token_and_let_in_by_it(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        visitor = engine.connect()
        page = await ask(visitor, request(b"GET /somewhere?a=1 HTTP/1.1", b"Accept: text/html\r\n", auth=b""))
        assert page.status == 403
        assert b'action="/_conductor/login"' in page.body and b"/somewhere" not in page.body
        came_from = b"Referer: http://app-alice.test/somewhere?a=1\r\nOrigin: http://app-alice.test\r\n"
        answer = await ask(visitor, form(TOKEN, came_from), b"POST")
        assert answer.status == 303
        assert answer.values(b"location") == [b"/somewhere?a=1"]
        assert answer.values(b"cache-control") == [b"no-store"]
        assert set_cookie_of(answer) == TOKEN
        assert b"HttpOnly; Path=/; SameSite=Lax" in answer.values(b"set-cookie")[0]
        assert (await ask(visitor, request(auth=cookie(TOKEN)))).status == 200


@pytest.mark.parametrize(
    ("referer", "where"),
    [
        (b"", b"/"),
        (b"Referer: http://app-alice.test/_conductor/auth/wrong\r\n", b"/"),
        (b"Referer: http://app-alice.test/_conductor/login\r\n", b"/"),
        (b"Referer: http://app-alice.test//evil.test/\r\n", b"/"),
        (b"Referer: http://[\r\n", b"/"),
        (b"Referer: \xff\r\n", b"/"),
        (b"Referer: http://app-alice.test/a\r\nReferer: http://app-alice.test/b\r\n", b"/"),
        (b"Referer: http://elsewhere.test/page\r\n", b"/page"),  # a path is harmless on our host
    ],
)
async def test_where_the_form_leads(short_tmp: Path, referer: bytes, where: bytes) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        answer = await ask(engine.connect(), form(TOKEN, referer), b"POST")
        assert (answer.status, answer.values(b"location")) == (303, [where])


async def test_a_wrong_token_in_the_form_lets_nobody_in_and_has_a_rate(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), patience=1000) as engine:
        visitor = engine.connect_memory()
        statuses = []
        for number in range(40):
            answer = await ask(visitor, form(b"guess%d" % number), b"POST")
            assert answer.values(b"set-cookie") == []
            statuses.append(answer.status)
        assert statuses[0] == 403 and statuses[-1] == 429


@pytest.mark.parametrize("origin", [b"http://evil.test", b"null", b"http://lab-bob.test"])
async def test_another_sites_page_cannot_log_anybody_in(short_tmp: Path, origin: bytes) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        answer = await ask(engine.connect(), form(TOKEN, b"Origin: " + origin + b"\r\n"), b"POST")
        assert answer.status == 403 and answer.values(b"set-cookie") == []


async def test_a_form_is_read_at_any_pace_but_not_at_any_length(
    short_tmp: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_engine(short_tmp, Application(OK), patience=1000) as engine:
        visitor = engine.connect_memory()
        for byte in (data := form(TOKEN)):
            await visitor.send(bytes([byte]))
        assert (await visitor.receive_response(b"POST")).status == 303
        visitor = engine.connect_memory()
        assert (await ask(visitor, form(b"x" * 5000), b"POST")).status == 413
        visitor = engine.connect_memory()
        assert (await ask(visitor, data[:-1], b"POST")).status == 408


async def test_the_form_goes_with_chunks_and_continue(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        visitor = engine.connect()
        line = b"POST /_conductor/login HTTP/1.1"
        told = b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
        await visitor.send(request(line, told, auth=b""))
        assert await visitor.receive_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        body = b"token=" + TOKEN
        answer = await ask(visitor, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), b"POST")
        assert answer.status == 303
        assert (await ask(visitor, request(auth=cookie(TOKEN)))).status == 200


async def test_the_form_is_no_page_of_its_own(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        visitor = engine.connect()
        asked = await ask(visitor, request(b"GET /_conductor/login HTTP/1.1", auth=b""))
        assert asked.status == 403
        asked = await ask(visitor, request(b"PUT /_conductor/login HTTP/1.1", b"Content-Length: 0\r\n", auth=b""))
        assert asked.status == 405
        assert (await ask(visitor, form(TOKEN, host=b"nobody.test"), b"POST")).status == 404


# What shows no token is no guess.


@pytest.mark.parametrize(
    ("target", "fields", "counted"),
    [
        (
            b"/manifest.json",
            b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: manifest\r\n",
            0,
        ),
        (b"/font.woff2", b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: font\r\n", 0),
        (b"/", b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Purpose: prefetch\r\n", 30),
        (b"/favicon.ico", b"", 30),
        (b"/robots.txt", b"", 30),
        (b"/apple-touch-icon.png", b"", 30),
    ],
)
async def test_who_shows_no_token_is_neither_slowed_down_nor_told_of(
    short_tmp: Path, target: bytes, fields: bytes, counted: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_engine(short_tmp, Application(OK), patience=1000) as engine:
        visitor = engine.connect_memory()
        start = trio.current_time()
        for _ in range(30):
            assert (await ask(visitor, request(b"GET " + target + b" HTTP/1.1", fields, auth=b""))).status == 403
        assert trio.current_time() - start < 1
        record = engine.planes.sessions.records.get(engine.route_id)
        assert record is not None and record.event_log.describe() == []
        assert engine.planes.counters.unauthorized == counted


# Shares.


async def test_a_share_lets_in_until_it_is_revoked(short_tmp: Path) -> None:
    application = Application(OK)
    async with open_engine(short_tmp, application) as engine:
        give(engine, make_share())
        await engine.wait_known()
        visitor = engine.connect()
        link = b"GET /_conductor/auth/%b?next=/lab HTTP/1.1" % LINK_TOKEN
        opened = await ask(visitor, request(link, auth=b""))
        assert (opened.status, opened.values(b"location")) == (302, [b"/lab"])
        assert (await ask(visitor, request(auth=cookie(set_cookie_of(opened))))).status == 200
        bearer = b"Authorization: Bearer " + LINK_TOKEN + b"\r\n"
        assert (await ask(visitor, request(auth=bearer))).status == 200
        engine.routes.set_access(engine.route_id, engine.route.access.without(["s1"]))
        await engine.wait_known()
        assert (await ask(visitor, request(auth=cookie(LINK_TOKEN)))).status == 403
        assert (await ask(visitor, request(auth=bearer))).status == 403
        assert (await ask(visitor, request(link, auth=b""))).status == 403
        assert (await ask(visitor, request())).status == 200  # the owner's own
    for message in application.messages:
        assert not message.values(b"cookie") and not message.values(b"authorization")


async def test_a_share_is_no_key_to_anothers_application(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        give(engine, make_share())
        await engine.wait_known()
        with engine.another_route("lab-bob.test", engine.origin.path, b"bobs"):
            visitor = engine.connect()
            assert (await ask(visitor, request(host=b"lab-bob.test", auth=cookie(LINK_TOKEN)))).status == 403


async def test_a_share_that_is_over_lets_nobody_in(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        give(engine, make_share(expires=time.time() + 1000))
        await engine.wait_known()
        visitor = engine.connect()
        assert (await ask(visitor, request(auth=cookie(LINK_TOKEN)))).status == 200
        give(engine, make_share(expires=time.time()))
        await engine.wait_known()
        assert (await ask(visitor, request(auth=cookie(LINK_TOKEN)))).status == 403
        engine.routes.expire()
        assert engine.route.access.shares == ()


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello"


@pytest.mark.parametrize("how", ["revoked", "over"])
async def test_tunnels_end_with_the_share_that_opened_them(short_tmp: Path, how: str) -> None:
    async with open_engine(short_tmp, answering(SWITCH, close=False)) as engine:
        give(engine, make_share())
        await engine.wait_known()
        upgrade = b"Connection: upgrade\r\nUpgrade: x\r\n"
        friend, owner = engine.connect(), engine.connect()
        for visitor, auth in ((friend, cookie(LINK_TOKEN)), (owner, cookie(TOKEN))):
            await visitor.send(request(fields=upgrade, auth=auth))
            assert (await visitor.receive_response(upgrade=True)).status == 101
            assert await visitor.receive_exactly(5) == b"hello"
        assert sorted(engine.let_in()) == [OWNER, "s1"]
        if how == "revoked":
            engine.routes.set_access(engine.route_id, engine.route.access.without(["s1"]))
            await engine.wait_known()
        else:
            give(engine, make_share(expires=time.time() - 1))
            await engine.wait_known()
            engine.routes.expire()
        await friend.wait_closed()
        assert list(engine.let_in()) == [OWNER]
        await owner.send(b"still there")


async def test_a_response_under_way_is_cut_when_its_share_is_revoked(short_tmp: Path) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
    async with open_engine(short_tmp, answering(half, close=False)) as engine:
        give(engine, make_share())
        await engine.wait_known()
        friend = engine.connect()
        await friend.send(request(auth=cookie(LINK_TOKEN)))
        assert (await friend.receive_until(b"half")).endswith(b"half")
        engine.routes.set_access(engine.route_id, engine.route.access.without(["s1"]))
        await engine.wait_known()
        await friend.wait_closed()


async def test_a_one_time_link_opens_one_browser(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        give(engine, make_share(is_once=True))
        await engine.wait_known()
        visitor = engine.connect()
        link = b" /_conductor/auth/%b HTTP/1.1" % LINK_TOKEN
        # Who only looks, a mail scanner, a preview or a prefetch, does not use it up.
        for method, fields in ((b"HEAD", b""), (b"GET", b""), (b"GET", b"Sec-Purpose: prefetch\r\n")):
            looked = await ask(visitor, request(method + link, fields + HTML, auth=b""), method)
            assert looked.status == 200 and looked.values(b"set-cookie") == []
        assert b'<form method="post">' in looked.body
        posted = request(b"POST" + link, b"Content-Length: 0\r\nOrigin: http://lab-bob.test\r\n", auth=b"")
        assert (await ask(visitor, posted, b"POST")).status == 403
        posted = request(b"POST" + link, b"Content-Length: 0\r\nOrigin: http://app-alice.test\r\n", auth=b"")
        opened = await ask(visitor, posted, b"POST")
        assert (opened.status, opened.values(b"location")) == (303, [b"/"])
        token = set_cookie_of(opened)
        assert token != LINK_TOKEN
        assert (await ask(visitor, request(auth=cookie(token)))).status == 200
        assert (await ask(visitor, request(auth=cookie(LINK_TOKEN)))).status == 403
        for again in (
            request(b"GET" + link, HTML, auth=b""),
            posted.replace(b"\r\n\r\n", b"\r\n" + HTML + b"\r\n"),
        ):
            refused = await ask(visitor, again)
            assert refused.status == 403 and b"has been used" in refused.body
            assert refused.values(b"set-cookie") == []
        assert (await ask(visitor, form(LINK_TOKEN), b"POST")).status == 403
        engine.routes.set_access(engine.route_id, engine.route.access.without(["s1"]))
        await engine.wait_known()
        assert (await ask(visitor, request(auth=cookie(token)))).status == 403


async def test_a_one_time_token_can_be_typed_once_as_well(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        give(engine, make_share(is_once=True))
        await engine.wait_known()
        visitor = engine.connect()
        opened = await ask(visitor, form(LINK_TOKEN), b"POST")
        assert opened.status == 303
        assert (await ask(visitor, request(auth=cookie(set_cookie_of(opened))))).status == 200
        assert (await ask(visitor, form(LINK_TOKEN), b"POST")).status == 403


# They live as long as the session, not as its link.


async def test_shares_survive_a_lost_link_and_a_restart(short_tmp: Path) -> None:
    limits = attrs.evolve(ServerLimits(), park_timeout=0)
    async with open_engine(short_tmp, Application(OK), limits=limits) as engine:
        routes, path = engine.routes, engine.origin.path
        visitor = engine.connect()
        lab = b"lab-bob.test"
        with engine.another_route(lab.decode(), path, b"bobs", is_resumable=True) as route:
            routes.set_access(route.id, route.access.with_share(make_share()))
            assert (await ask(visitor, request(host=lab, auth=cookie(LINK_TOKEN)))).status == 200
        # Held, and not turned away: the visitor is known.
        assert (await ask(visitor, request(host=lab, auth=cookie(LINK_TOKEN)))).status == 503
        assert (await ask(visitor, request(host=lab, auth=cookie(b"x")))).status == 403
        with engine.another_route(lab.decode(), path, b"bobs"):
            assert (await ask(visitor, request(host=lab, auth=cookie(LINK_TOKEN)))).status == 200
            (saved,) = [one for one in routes.snapshot().routes if lab.decode() in one.hosts]
            assert saved.access == Access(owner_hash=hash_token(b"bobs"), shares=(make_share(),))
        # Ended, and started anew by the same owner; another's token brings nothing back.
        with engine.another_route(lab.decode(), path, b"bobs") as route:
            assert route.access.shares == (make_share(),)
        with engine.another_route(lab.decode(), path, b"another") as route:
            assert route.access.shares == ()
        restarted = make_route(host="r-bob.test", user="bob", token=b"bobs", shares=(make_share(),))
        routes.restore(Snapshot(since=0.0, routes=(restarted,)))
        with engine.another_route("r-bob.test", path, b"bobs"):
            assert (await ask(visitor, request(host=b"r-bob.test", auth=cookie(LINK_TOKEN)))).status == 200
