"""Apache and Caddy in front, as `contrib` has them; with nginx, the sign-on and what all of them must carry.

They keep their connections to us, and mix visitors and hosts on them.
"""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.access.grants import SingleSignOn
from tests.doubles.origin import OriginConnection
from tests.support.engine import Application, Response
from tests.support.fronts import (
    ALICE,
    BOB,
    FrontProxy,
    Opener,
    Person,
    open_apache,
    open_caddy,
    open_front,
    open_nginx,
    open_sign_on,
    request,
    shipped,
)
from tests.support.needs import require_program
from tests.support.programs import login_target, run_program
from tests.support.shares import make_named
from tests.support.websocket_ends import Application as WebSocketApplication
from tests.support.websocket_ends import shake_hands

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
HALF = 64 * 1024
BUFFERED = 4 * 1024  #: of an upload, by Caddy, until there is more
BOTH = pytest.mark.parametrize("opener", [open_apache, open_caddy])
ALL = pytest.mark.parametrize("opener", [open_nginx, open_apache, open_caddy])

VISITORS, ROUNDS = 4, 25


@BOTH
async def test_no_request_reaches_anothers_application_and_no_token_reaches_any(
    short_tmp: Path, opener: Opener
) -> None:
    alice, bob = Application(ALICE.answer), Application(BOB.answer)
    expected: dict[str, list[bytes]] = {"alice": [], "bob": []}

    async def visit(proxy: FrontProxy, number: int) -> None:
        choose = random.Random(number)
        async with proxy.visitor() as visitor:
            for turn in range(ROUNDS):
                person = choose.choice([ALICE, BOB])
                other = BOB if person is ALICE else ALICE
                kind = choose.choice(["get", "post", "chunked", "other's token", "nobody"])
                target = f"/{person.name}/{number}/{turn}"
                smuggled = b"GET /smuggled HTTP/1.1\r\nHost: %b\r\n\r\n" % other.host.encode()
                match kind:
                    case "get":
                        await visitor.send(request(person, target))
                    case "post":
                        length = b"Content-Length: %d\r\n" % len(smuggled)
                        await visitor.send(request(person, target, line="POST", fields=length) + smuggled)
                    case "chunked":
                        coding = b"Transfer-Encoding: chunked\r\nTrailer: Remote-User\r\n"
                        body = b"%x\r\n%b\r\n0\r\nRemote-User: eve\r\n\r\n" % (len(smuggled), smuggled)
                        await visitor.send(request(person, target, line="PUT", fields=coding) + body)
                    case "other's token":
                        await visitor.send(request(person, target, token=other.token))
                    case _:
                        await visitor.send(request(Person("carol"), target))
                response = await visitor.receive_response()
                if kind in ("get", "post", "chunked"):
                    assert (response.status, response.body.decode()) == (200, person.name)
                    expected[person.name].append(b"%b HTTP/1.1" % target.encode())
                else:
                    assert response.status == {"nobody": 404}.get(kind, 403)

    async with open_front(opener, short_tmp, alice, bob) as front:
        async with trio.open_nursery() as nursery:
            for number in range(VISITORS):
                nursery.start_soon(visit, front.proxy, number)
        assert front.connections < VISITORS * ROUNDS / 4, "it did not keep its connections"
    for person, application in ((ALICE, alice), (BOB, bob)):
        received = [message.line.split(b" ", 1)[1] for message in application.messages]
        assert sorted(received) == sorted(expected[person.name])
        for message in application.messages:
            assert message.values(b"host") == [person.host.encode()]
            assert message.trailers == () and not message.values(b"remote-user")
            assert b"secret" not in repr(message).encode()


@BOTH
async def test_the_application_is_told_who_asks_by_the_proxy_and_not_by_the_visitor(
    short_tmp: Path, opener: Opener
) -> None:
    alice = Application(ALICE.answer)
    claims = (
        b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: evil.test\r\n"
        b"X-Forwarded-Port: 1\r\nX-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX_Forwarded_For: 10.0.0.1\r\n"
        b"X-Request-Id: another's\r\n"
    )
    target = "/a%2Fb//c/../d;e?q=" + "x" * 8_000
    async with open_front(opener, short_tmp, alice, alice) as front, front.proxy.visitor() as visitor:
        await visitor.send(request(ALICE, fields=claims))
        await visitor.receive_response()
        await visitor.send(request(ALICE, target, line="PATCH", fields=b"x_own_field: 1\r\n"))
        assert (await visitor.receive_response()).status == 200
        await visitor.send(request(ALICE, login_target(ALICE.token.decode(), next="/lab"), token=b""))
        response = await visitor.receive_response()
        assert (response.status, response.values(b"location")) == (302, [b"/lab"])
        assert b"Secure" in response.values(b"set-cookie")[0]
    first, second = alice.messages
    told = {
        b"X-Forwarded-For": [b"127.0.0.1"],
        b"X-Forwarded-Proto": [b"https"],
        b"X-Forwarded-Host": [ALICE.host.encode()],
        b"X-Real-IP": [b"127.0.0.1"],
        b"Forwarded": [],
        b"X_Forwarded_For": [],
        b"X-Request-Id": [],
        b"Cookie": [b"a=b; c=d"],
        b"Host": [ALICE.host.encode()],
    }
    assert {name: first.values(name) for name in told} == told
    assert first.values(b"x-forwarded-port") != [b"1"]
    assert second.line == b"PATCH %b HTTP/1.1" % target.encode()
    assert second.values(b"x_own_field") == [b"1"]


@BOTH
async def test_uploads_and_events_stream_and_who_goes_away_is_gone(short_tmp: Path, opener: Opener) -> None:
    half, arrived, gone = trio.Event(), trio.Event(), trio.Event()

    async def alice(connection: OriginConnection) -> None:
        while True:
            head = await connection.receive_head()
            if b"PUT" in head:
                await connection.receive_exactly(HALF - BUFFERED)
                half.set()
                await connection.receive_exactly(HALF + BUFFERED)
                await connection.send_all(ALICE.answer)
                continue
            kind = b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked"
            await connection.send_all(b"HTTP/1.1 200 OK\r\n%b\r\n\r\nc\r\ndata: one\n\n\0\r\n" % kind)
            await arrived.wait()
            await connection.send_all(b"c\r\ndata: two\n\n\0\r\n")
            with contextlib.suppress(trio.BrokenResourceError):
                while opener is open_apache:  # which notices with what it cannot pass on
                    await connection.send_all(b"c\r\ndata: etc\n\n\0\r\n")
                await connection.receive_to_end()
            gone.set()
            return

    async with open_front(opener, short_tmp, alice, alice) as front:
        async with front.proxy.visitor() as visitor:
            length = b"Content-Length: %d\r\n" % (2 * HALF)
            await visitor.send(request(ALICE, line="PUT", fields=length) + bytes(HALF))
            await half.wait()
            await visitor.send(bytes(HALF))
            assert (await visitor.receive_response()).status == 200
            await visitor.send(request(ALICE))
            assert (await visitor.receive_until(b"\0")).endswith(b"data: one\n\n\0")
            arrived.set()
            assert (await visitor.receive_until(b"\0")).endswith(b"data: two\n\n\0")
        await gone.wait()


@BOTH
async def test_websockets(short_tmp: Path, opener: Opener) -> None:
    alice, bob = (WebSocketApplication("websockets") for _ in range(2))
    async with open_front(opener, short_tmp, alice, bob) as front:
        for person, application in ((ALICE, alice), (BOB, bob)) * 2:
            fields = [
                ("Cookie", f"authorization={person.token.decode()}"),
                ("Origin", f"https://{person.host}"),
            ]
            raw, tls = await front.proxy.connect()
            nursery = front.engine.nursery
            visitor = await shake_hands(nursery, "websockets", raw, tls, host=person.host, fields=fields)
            other = await application.next_end()
            for message in (f"hello {person.name}", b"x" * MIB):
                await visitor.send(message)
                assert await other.receive() == message
                await other.send(message)
                assert await visitor.receive() == message
            await visitor.ping(b"up")
            async with trio.open_nursery() as closing:
                closing.start_soon(visitor.close, 4000, "good-bye")
                assert (await other.wait_closed()).code == 4000
            assert "secret" not in repr(application.requests)


@ALL
async def test_a_large_upload_and_the_versions_that_browsers_speak(short_tmp: Path, opener: Opener) -> None:
    curl = require_program("curl")
    size = 100 * MIB
    with (short_tmp / "large").open("wb") as file:
        file.truncate(size)

    async def alice(connection: OriginConnection) -> None:
        while True:
            head = (await connection.receive_head()).lower()
            if b"content-length: %d" % size in head:
                left = size
                while left:
                    left -= len(await connection.receive_exactly(min(left, MIB)))
            await connection.send_all(ALICE.answer)

    async with open_front(opener, short_tmp, alice, alice) as front:

        async def ask(*options: str) -> str:
            port = front.proxy.port
            where = ["--resolve", f"{ALICE.host}:{port}:127.0.0.1", f"https://{ALICE.host}:{port}/"]
            token = ["-H", f"Cookie: authorization={ALICE.token.decode()}"]
            said = ["-sS", "--cacert", str(short_tmp / "ca.pem"), "-w", " %{http_version} %{http_code}"]
            program = await run_program([curl, *said, *token, *options, *where])
            return program.out.text + program.err.text

        assert await ask("--http1.1", "-T", str(short_tmp / "large")) == "alice 1.1 200"
        speaks_two = opener is not open_nginx  # whose file leaves that to the operator
        assert await ask("--http2") == f"alice {2 if speaks_two else 1.1} 200"
        features = (await run_program([curl, "--version"])).out.text
        if opener is open_caddy and "HTTP3" in features:
            assert await ask("--http3-only") == "alice 3 200"


# A sign-on.

SSO = SingleSignOn(user_field=b"x-forwarded-user", groups_field=b"x-forwarded-groups")
FORGED = (
    b"X-Forwarded-User: alice\r\nX_Forwarded_User: alice\r\nRemote-User: alice\r\nX-Forwarded-Groups: staff\r\n"
    b"X-Auth-Request-User: alice\r\nX-Auth-Request-Groups: staff\r\nOIDC_CLAIM_sub: alice\r\n"
)
SHIPPED: dict[Opener, str] = {open_nginx: "nginx-sso.conf", open_caddy: "Caddyfile-sso"}


@pytest.mark.parametrize("opener", SHIPPED)
@pytest.mark.parametrize("is_needed", [False, True])
async def test_who_comes_by_a_sign_on_is_whom_it_names_and_nobody_else(
    short_tmp: Path, opener: Opener, is_needed: bool
) -> None:
    alice = Application(ALICE.answer)
    sso = attrs.evolve(SSO, is_needed=is_needed)
    async with open_sign_on() as port:
        text = shipped(SHIPPED[opener], {"127.0.0.1:4180": f"127.0.0.1:{port}"})
        if opener is open_caddy:
            (short_tmp / "sso").write_text(text)
            text = f"\timport {short_tmp}/sso"
        async with (
            open_front(
                opener, short_tmp, alice, alice, text, sso=sso, stripped_cookies=("_oauth2_proxy*",)
            ) as front,
            front.proxy.visitor() as visitor,
        ):
            [route] = [one for one in front.engine.routes.attached() if one.hosts[0] == ALICE.host]
            front.engine.routes.set_access(route.id, route.access.with_share(make_named("@staff")))

            async def ask(user: bytes, fields: bytes = b"") -> Response:
                cookie = b"Cookie: a=b; _oauth2_proxy=%b; c=d\r\n" % user if user else b""
                await visitor.send(
                    b"GET / HTTP/1.1\r\nHost: " + ALICE.host.encode() + b"\r\n" + cookie + fields + b"\r\n"
                )
                return await visitor.receive_response()

            assert (await ask(b"alice", FORGED.replace(b"alice", b"eve"))).status == 200
            assert (await ask(b"staff-zoe", FORGED)).status == 200
            assert (await ask(b"eve")).status == 403
            assert (await ask(b"eve", FORGED)).status == 403
            stranger = await ask(b"", FORGED)
            assert stranger.status == 302
            assert b"/oauth2/sign_in" in stranger.values(b"location")[0]
            linked = await ask(b"eve", b"Authorization: Bearer " + ALICE.token + b"\r\n")
            assert linked.status == (403 if is_needed else 200)
    told = [(m.values(b"x-forwarded-user"), m.values(b"x-forwarded-groups")) for m in alice.messages]
    assert told[:2] == [([b"alice"], []), ([b"staff-zoe"], [b"staff, dev"])]
    for message in alice.messages:
        assert message.values(b"cookie") == [b"a=b; c=d"]
        for name in (b"x_forwarded_user", b"remote-user", b"x-auth-request-user", b"oidc_claim_sub"):
            assert message.values(name) == []
