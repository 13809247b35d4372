"""nginx in front, as `contrib/nginx.conf` has it.

It keeps its connections to us, and mixes visitors and hosts on them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import random
import socket
import sys
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.net.stream import SocketStream
from tests.doubles.origin import OriginConnection
from tests.support import fronts
from tests.support.chain_app import download_chunks
from tests.support.engine import Application, Response, Truncated, Visitor
from tests.support.fronts import (
    ALICE,
    BOB,
    DOMAIN,
    Front,
    FrontProxy,
    Person,
    open_nginx,
    open_sign_on,
    request,
    shipped,
)
from tests.support.needs import require_program
from tests.support.programs import login_target, open_client, open_server, run_program
from tests.support.websocket_ends import Application as WebSocketApplication
from tests.support.websocket_ends import End, shake_hands

pytestmark = pytest.mark.e2e

CHAIN_APP = Path(__file__).parents[1] / "support" / "chain_app.py"
open_front = functools.partial(fronts.open_front, open_nginx)


# Whose request it is.

VISITORS, ROUNDS = 6, 60


async def test_no_request_reaches_anothers_application_and_no_token_reaches_any(short_tmp: Path) -> None:
    alice, bob = Application(ALICE.answer), Application(BOB.answer)
    expected: dict[str, list[bytes]] = {"alice": [], "bob": []}

    async def visit(nginx: FrontProxy, number: int) -> None:
        choose = random.Random(number)
        async with nginx.visitor() as visitor:
            for turn in range(ROUNDS):
                person = choose.choice([ALICE, BOB])
                other = BOB if person is ALICE else ALICE
                kind = choose.choice(
                    ["get", "post", "chunked", "bearer", "other's token", "no token", "own", "nobody"]
                )
                target = f"/{person.name}/{number}/{turn}"
                line = b"%b HTTP/1.1" % target.encode()
                match kind:
                    case "get":
                        await visitor.send(request(person, target))
                    case "post":
                        body = b"GET /smuggled HTTP/1.1\r\nHost: %b\r\n\r\n" % other.host.encode()
                        length = b"Content-Length: %d\r\n" % len(body)
                        await visitor.send(request(person, target, line="POST", fields=length) + body)
                    case "chunked":
                        coding = b"Transfer-Encoding: chunked\r\n"
                        await visitor.send(
                            request(person, target, line="PUT", fields=coding) + b"3\r\nabc\r\n0\r\n\r\n"
                        )
                    case "bearer":
                        fields = b"Authorization: Bearer %b\r\n" % person.token
                        await visitor.send(request(person, target, token=b"", fields=fields))
                    case "other's token":
                        await visitor.send(request(person, target, token=other.token))
                    case "no token":
                        await visitor.send(request(person, target, token=b""))
                    case "own":
                        await visitor.send(request(person, "/_conductor/status"))
                    case _:
                        await visitor.send(request(Person("carol"), target))
                response = await visitor.receive_response()
                if kind in ("get", "post", "chunked", "bearer"):
                    assert (response.status, response.body.decode()) == (200, person.name)
                    expected[person.name].append(line)
                else:
                    assert response.status == {"own": 200, "nobody": 404}.get(kind, 403)

    async with open_front(short_tmp, alice, bob) as front:
        async with trio.open_nursery() as nursery:
            for number in range(VISITORS):
                nursery.start_soon(visit, front.proxy, number)
        assert front.connections < VISITORS * ROUNDS / 4, "nginx did not keep its connections"
    for person, application in ((ALICE, alice), (BOB, bob)):
        received = [message.line.split(b" ", 1)[1] for message in application.messages]
        assert sorted(received) == sorted(expected[person.name])
        for message in application.messages:
            assert message.values(b"host") == [person.host.encode()]
            assert b"secret" not in repr(message).encode()


async def test_the_application_is_told_who_asks_by_nginx_and_not_by_the_visitor(short_tmp: Path) -> None:
    alice = Application(ALICE.answer)
    claims = (
        b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: evil.test\r\n"
        b"X-Forwarded-Port: 1\r\nX-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX_Forwarded_For: 10.0.0.1\r\n"
    )
    async with open_front(short_tmp, alice, alice) as front, front.proxy.visitor() as visitor:
        await visitor.send(request(ALICE, fields=claims))
        await visitor.receive_response()
    [message] = alice.messages
    told = {
        b"X-Forwarded-For": [b"127.0.0.1"],
        b"X-Forwarded-Proto": [b"https"],
        b"X-Forwarded-Host": [ALICE.host.encode()],
        b"X-Forwarded-Port": [b"%d" % front.proxy.port],
        b"X-Real-IP": [b"127.0.0.1"],
        b"Forwarded": [],
        b"X_Forwarded_For": [],
        b"Cookie": [b"a=b; c=d"],
        b"Host": [ALICE.host.encode()],
    }
    assert {name: message.values(name) for name in told} == told


async def test_what_applications_may_need_passes(short_tmp: Path) -> None:
    alice = Application(ALICE.answer)
    large = b"Cookie: state=%b\r\n" % (b"s" * 20_000)
    target = "/a%2Fb//c/../d;e?q=" + "x" * 12_000
    async with open_front(short_tmp, alice, alice) as front, front.proxy.visitor() as visitor:
        await visitor.send(request(ALICE, target, line="PATCH", fields=large + b"x_own_field: 1\r\n"))
        assert (await visitor.receive_response()).status == 200
    [message] = alice.messages
    assert message.line == b"PATCH %b HTTP/1.1" % target.encode()
    assert message.values(b"x_own_field") == [b"1"]
    assert len(b"".join(message.values(b"cookie"))) > 20_000


async def test_the_login_link_sets_a_cookie_for_https_only_and_is_not_logged(short_tmp: Path) -> None:
    alice = Application(ALICE.answer)
    link = login_target(ALICE.token.decode(), next="/lab")
    async with open_front(short_tmp, alice, alice) as front:
        # open_nginx looks whether the token was logged.
        async with front.proxy.visitor() as visitor:
            await visitor.send(request(ALICE, link, token=b""))
            response = await visitor.receive_response()
            assert (response.status, response.values(b"location")) == (302, [b"/lab"])
            cookie = b"authorization=%b; HttpOnly; Path=/; SameSite=Lax; Secure" % ALICE.token
            assert response.values(b"set-cookie") == [cookie, b"__Host-" + cookie + b"; Priority=High"]
            assert len(response.values(b"strict-transport-security")) == 1
            await visitor.send(request(ALICE, login_target("secret-guess"), token=b""))
            assert (await visitor.receive_response()).status == 403
        plain = Visitor(SocketStream(socket.create_connection(("127.0.0.1", front.proxy.plain_port))))
        with contextlib.closing(plain.stream):
            await plain.send(request(ALICE, link, token=b""))
            response = await plain.receive_response()
            assert response.status == 308
            assert response.values(b"location") == [f"https://{ALICE.host}{link}".encode()]
    assert alice.messages == []


async def test_a_page_of_the_neighbours_is_refused(short_tmp: Path) -> None:
    alice = Application(ALICE.answer)
    async with open_front(short_tmp, alice, alice) as front, front.proxy.visitor() as visitor:
        for origin, status in (
            (f"https://{BOB.host}", 403),
            (f"https://{ALICE.host}:8443", 403),
            (f"http://{ALICE.host}", 403),  # as which nobody comes here
            (f"https://{ALICE.host}:443", 200),
            (f"https://{ALICE.host}", 200),
        ):
            fields = b"Origin: %b\r\nContent-Length: 0\r\n" % origin.encode()
            await visitor.send(request(ALICE, line="POST", fields=fields))
            assert (await visitor.receive_response()).status == status


# What streams.


def planted(count: int) -> bytes:
    """Return the Cookie field of a browser for which a neighbour has planted as many large cookies."""
    return b"Cookie: " + b"; ".join(b"b%d=" % number + b"x" * 3900 for number in range(count)) + b"\r\n"


async def test_cookies_that_leave_no_room_are_forgotten_or_told_of(short_tmp: Path) -> None:
    async with open_front(short_tmp, Application(ALICE.answer), Application(BOB.answer)) as front:
        for count, is_forgotten in ((15, None), (25, True), (60, False)):
            async with front.proxy.visitor() as visitor:
                await visitor.send(request(ALICE, fields=planted(count)))
                answer = await visitor.receive_response()
                if is_forgotten is None:
                    assert answer.status == 200
                    continue
                assert answer.status == 431 and b"cookies" in answer.body
                forgotten = answer.values(b"set-cookie")
                assert bool(forgotten) is is_forgotten
                assert all(b"; Secure" in value for value in forgotten)


async def test_an_upload_streams(short_tmp: Path) -> None:
    half = trio.Event()

    async def alice(connection: OriginConnection) -> None:
        await connection.receive_head()
        assert await connection.receive_exactly(5) == b"first"
        half.set()
        assert await connection.receive_exactly(6) == b"second"
        await connection.send_all(ALICE.answer)

    async with open_front(short_tmp, alice, alice) as front, front.proxy.visitor() as visitor:
        await visitor.send(request(ALICE, line="PUT", fields=b"Content-Length: 11\r\n") + b"first")
        await half.wait()
        await visitor.send(b"second")
        assert (await visitor.receive_response()).status == 200


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/octet-stream"])
async def test_events_and_downloads_arrive_at_once(short_tmp: Path, kind: bytes) -> None:
    arrived = trio.Event()

    async def alice(connection: OriginConnection) -> None:
        await connection.receive_head()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % kind
        await connection.send_all(head + b"c\r\ndata: one\n\n\0\r\n")
        await arrived.wait()
        await connection.send_all(b"c\r\ndata: two\n\n\0\r\n0\r\n\r\n")

    async with open_front(short_tmp, alice, alice) as front, front.proxy.visitor() as visitor:
        await visitor.send(request(ALICE))
        assert (await visitor.receive_until(b"\0")).endswith(b"data: one\n\n\0")
        arrived.set()
        assert (await visitor.receive_until(b"\0")).endswith(b"data: two\n\n\0")


async def test_who_goes_away_is_gone_for_the_application(short_tmp: Path) -> None:
    reached, gone = trio.Event(), trio.Event()

    async def alice(connection: OriginConnection) -> None:
        await connection.receive_head()
        reached.set()
        with contextlib.suppress(trio.BrokenResourceError):
            await connection.receive_to_end()
        gone.set()

    async with open_front(short_tmp, alice, alice) as front:
        async with front.proxy.visitor() as visitor:
            await visitor.send(request(ALICE))
            await reached.wait()
        await gone.wait()


async def test_an_answer_cut_short_looks_cut_short(short_tmp: Path) -> None:
    async def alice(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")

    async with open_front(short_tmp, alice, alice) as front, front.proxy.visitor() as visitor:
        await visitor.send(request(ALICE))
        with pytest.raises(Truncated) as cut:
            await visitor.receive_response()
        assert cut.value.body == b"half"


@pytest.mark.parametrize("visitors_library", ["websockets", "trio-websocket"])
@pytest.mark.parametrize("applications_library", ["websockets", "trio-websocket"])
async def test_websockets(short_tmp: Path, visitors_library: str, applications_library: str) -> None:
    alice, bob = (WebSocketApplication(applications_library) for _ in range(2))

    async def dial(front: Front, person: Person) -> End:
        cookie = ("Cookie", f"authorization={person.token.decode()}")
        origin = ("Origin", f"https://{person.host}")
        raw, tls = await front.proxy.connect()
        nursery = front.engine.nursery
        return await shake_hands(nursery, visitors_library, raw, tls, host=person.host, fields=[cookie, origin])

    async with open_front(short_tmp, alice, bob) as front:
        ends = []
        for person, application in ((ALICE, alice), (BOB, bob)) * 3:
            ends.append((await dial(front, person), await application.next_end()))
        for number, (visitor, other) in enumerate(ends):
            for message in (f"hello {number}", b"x" * 1_000_000):
                await visitor.send(message)
                assert await other.receive() == message
                await other.send(message)
                assert await visitor.receive() == message
            await visitor.ping(b"up")
            await other.ping(b"down")
        for number, pair in enumerate(ends):
            closer, closed = pair if number % 2 else pair[::-1]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(closer.close, 4000 + number, "good-bye")
                said = await closed.wait_closed()
            assert (said.code, said.reason) == (4000 + number, "good-bye")
        for application in (alice, bob):
            assert "secret" not in repr(application.requests)


# All programs.


async def test_curl_nginx_the_server_the_client_and_an_application(short_tmp: Path, runtime_dir: Path) -> None:
    require_program("curl")
    server_socket, local_socket = short_tmp / "http", short_tmp / "app.sock"
    (short_tmp / "upload").write_bytes(b"".join(download_chunks()))
    digest = hashlib.sha256((short_tmp / "upload").read_bytes()).hexdigest()
    application: list[str | Path] = [sys.executable, CHAIN_APP, local_socket]
    pattern = "{key}-{user}." + DOMAIN
    async with (
        open_server(runtime_dir, "-s", server_socket, "-d", pattern) as server,
        open_nginx(short_tmp, server_socket) as nginx,
        open_client(server.control_socket, local_socket, application, key="lab", token="secret") as client,
    ):
        [host] = (await client.wait_state("live"))["config"]["urls"]

        async def curl(target: str, *options: str | Path) -> str:
            base: list[str | Path] = ["curl", "-sS", "--fail", "-L", "--cacert", short_tmp / "ca.pem"]
            jar: list[str | Path] = ["-b", short_tmp / "jar", "-c", short_tmp / "jar"]
            there = ["--resolve", f"{host}:{nginx.port}:127.0.0.1", f"https://{host}:{nginx.port}{target}"]
            program = await run_program([*base, *jar, *options, *there])
            assert program.process.returncode == 0, program.err.text
            return program.out.text.strip()

        fields = dict(json.loads(await curl(login_target("secret", next="/headers"))))
        assert fields["Host"] == fields["X-Forwarded-Host"] == f"{host}:{nginx.port}"
        assert fields["X-Forwarded-Proto"] == "https"
        assert "Cookie" not in fields
        assert await curl("/upload", "-T", short_tmp / "upload", "-X", "POST") == digest
        await curl("/download", "-o", short_tmp / "download")
        assert hashlib.sha256((short_tmp / "download").read_bytes()).hexdigest() == digest
        assert json.loads(await curl("/_conductor/status"))["internalErrors"] == 0


# A single sign-on.

SSO = SingleSignOn(user_field=b"x-forwarded-user")
SIGNED_IN = b"Cookie: a=b; _oauth2_proxy=%b; c=d\r\n"


@pytest.mark.parametrize("is_needed", [False, True])
async def test_owners_enter_by_the_single_sign_on_and_their_sign_in_stays_with_it(
    short_tmp: Path, is_needed: bool
) -> None:
    alice = Application(ALICE.answer)
    sso = attrs.evolve(SSO, is_needed=is_needed)
    async with (
        open_sign_on() as port,
        open_front(
            short_tmp,
            alice,
            alice,
            shipped("nginx-sso.conf", {"127.0.0.1:4180": f"127.0.0.1:{port}"}),
            sso=sso,
            stripped_cookies=("_oauth2_proxy*",),
        ) as front,
        front.proxy.visitor() as visitor,
    ):

        async def ask(fields: bytes, line: bytes = b"GET / HTTP/1.1") -> Response:
            await visitor.send(line + b"\r\nHost: " + ALICE.host.encode() + b"\r\n" + fields + b"\r\n")
            return await visitor.receive_response()

        welcome = await ask(SIGNED_IN % b"alice" + b"X-Forwarded-User: eve\r\nRemote-User: eve\r\n")
        assert (welcome.status, welcome.body) == (200, b"alice")
        [message] = alice.messages
        assert message.values(b"cookie") == [b"a=b; c=d"]
        assert message.values(b"x-forwarded-user") == [b"alice"]
        assert message.values(b"remote-user") == []
        # Nobody else is let in by it, whatever they say.
        refused = await ask(SIGNED_IN % b"eve" + b"X-Forwarded-User: alice\r\n")
        assert refused.status == 403
        assert (b"signed in as eve" in refused.body) is is_needed
        # And without a sign-in nobody comes as far as the gateway.
        stranger = await ask(b"X-Forwarded-User: alice\r\n")
        assert stranger.status == 302
        assert stranger.values(b"location")[0].split(b"?")[0].endswith(b"/oauth2/sign_in")
        # A link opens for others only where the gateway takes tokens.
        linked = await ask(SIGNED_IN % b"eve" + b"Authorization: Bearer " + ALICE.token + b"\r\n")
        assert linked.status == (403 if is_needed else 200)
