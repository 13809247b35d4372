"""Whatever a peer says, at either end: numbers beyond a float's range, NaN, depth, lone surrogates, not ASCII.

At the server no session and no page fails (`internalErrors`); at the client nothing is raised but its own errors.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.grants import describe_saved
from conductor_trio.access.hostnames import user_label
from conductor_trio.access.tokens import hash_token
from conductor_trio.client.doctor.probes import parse_address
from conductor_trio.client.output import events
from conductor_trio.client.session.channel import ControlChannel
from conductor_trio.client.session.listing import (
    describe_share,
    format_sessions,
    format_shares,
    parse_sessions,
    parse_share,
)
from conductor_trio.control.events import Ping
from conductor_trio.control.machine import ServerProtocol
from conductor_trio.control.messages import EXTENSIONS, Banner, Registration
from conductor_trio.control.owner_commands import (
    Command,
    ListSessions,
    RevokeShare,
    ShareSession,
    StopSession,
    parse_answer,
    parse_command,
)
from conductor_trio.errors import ConductorError, RegistrationRefused, format_text
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.lifecycle.access_feed import apply_access_line
from conductor_trio.server.routing.snapshot import Snapshot, format_snapshot, parse_lent_v1, parse_snapshot
from conductor_trio.server.sessions.owner_service import OwnerService
from conductor_trio.server.sessions.records import SessionRecords
from tests.doubles.streams import memory_stream_pair
from tests.support.engine import TOKEN, Application, open_engine, request
from tests.support.fuzzing import fuzz
from tests.support.odd_json import each_odd_object, odd_lines, odd_objects
from tests.support.routes import make_table
from tests.support.session_bench import LIMITS, TOKEN_HASH, open_bench
from tests.support.shares import give, make_share

NOW = 1_800_000_000.0
OTHER = hash_token(b"another")

SOUND_REGISTRATION = {
    "auth": TOKEN_HASH,
    "key": "app",
    "extensions": sorted(EXTENSIONS),
    "takeover": "any",
    "starting": True,
    "node": "node-1",
    "until": NOW,
}
SOUND_COMMANDS: list[dict[str, object]] = [
    {"command": "list"},
    {"command": "stop", "key": "app"},
    {"command": "revoke", "key": "app", "id": "x"},
    {"command": "share", "key": "app", "auth": OTHER, "label": "x", "for": 60, "once": False},
]
REGISTRATION = odd_objects(SOUND_REGISTRATION)
COMMANDS = st.one_of([odd_objects(sound) for sound in SOUND_COMMANDS])
CLIENT_EVENTS = odd_objects({"event": "pong", "ends": NOW}) | odd_objects({"event": "ready"})


# The server.


@pytest.mark.parametrize("sound", [SOUND_REGISTRATION, *SOUND_COMMANDS], ids=len)
def test_each_odd_field_of_a_request_is_read_or_refused(sound: dict[str, object]) -> None:
    for line in each_odd_object(sound):
        protocol = ServerProtocol(max_surplus=1)
        protocol.send(Banner(directory="/d"))
        protocol.receive_data(line + b"\n")
        with contextlib.suppress(RegistrationRefused):
            event = protocol.next_event()
            assert isinstance(event, Registration | Command)
            json.dumps(vars(event), default=str).encode()


async def test_each_odd_field_of_a_share_is_taken_or_refused(short_tmp: Path) -> None:
    async with open_bench(short_tmp / "run", limits=LIMITS) as bench:
        with bench.connect() as live:
            await live.go_live(key="app")
            service, [route] = OwnerService(bench.context), bench.routes.attached()
            for line in each_odd_object(SOUND_COMMANDS[-1]):
                with contextlib.suppress(RegistrationRefused):
                    command = parse_command(line)
                    if isinstance(command, ShareSession | StopSession | RevokeShare):
                        service.execute_for(route, command)
                current = bench.routes.get(route.id)
                assert current is not None
                assert json.dumps(service.describe(current)).isascii()
                bench.routes.set_access(
                    route.id, current.access.without(share.id for share in current.access.shares)
                )
            bench.routes.expire()


@fuzz
@given(
    request_line=REGISTRATION | COMMANDS | odd_lines,
    more=st.lists(COMMANDS | CLIENT_EVENTS | odd_lines, max_size=4),
)
async def test_what_comes_over_the_control_channel_fails_no_session(
    short_tmp: Path, request_line: bytes, more: list[bytes]
) -> None:
    async with open_bench(short_tmp / "run", limits=LIMITS) as bench:
        with bench.connect() as client, contextlib.suppress(trio.BrokenResourceError):
            await client.greet()
            client.listen()
            for line in (request_line, *more):
                await client.send(line.replace(b"\n", b" ") + b"\n")
            await client.send_eof()
            while await client.receive() is not None:
                for route in bench.routes.attached():
                    json.dumps(OwnerService(bench.context).describe(route))
        assert bench.context.counters.internal_errors == 0


PAGE = (
    odd_objects({"do": "prove", "proof": "x"})
    | odd_objects({"do": "share", "label": "x", "for": 60, "once": True})
    | odd_objects({"do": "revoke", "id": "x"})
    | odd_lines
)
HANDSHAKE = {
    b"Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Version": b"13",
    b"Sec-WebSocket-Protocol": b"a, b",
    b"Sec-WebSocket-Extensions": b"permessage-deflate; client_max_window_bits",
    b"Origin": b"http://app-alice.test",
    b"Cookie": b"a=b",
    b"Forwarded": b"for=1.2.3.4",
    b"X-Forwarded-For": b"1.2.3.4",
    b"X-Forwarded-Proto": b"https",
    b"Referer": b"http://app-alice.test/x",
    b"Accept": b"text/html",
    b"Sec-Fetch-Site": b"same-origin",
}
ODD_BYTES = st.sampled_from(
    [
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc2\xb2",
        b"",
        b",",
        b'"',
        b"http://[",
        b"http://\xe9.test",
        b"9" * 5000,
        b"%00%ff",
    ]
) | st.binary(max_size=20).map(lambda value: value.translate(None, bytes([*range(32), 127])).strip())
ODD_FIELDS = st.dictionaries(st.sampled_from(sorted(HANDSHAKE)), ODD_BYTES, max_size=4)


def mask(payload: bytes, opcode: int) -> bytes:
    """Write a frame as a client does, with a mask of zeros (RFC 6455 section 5.2)."""
    assert len(payload) < 65536
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([opcode]) + length + bytes(4) + payload


@fuzz
@given(
    fields=st.just({}) | ODD_FIELDS,
    frames=st.lists(
        st.builds(mask, PAGE, st.sampled_from([0x81, 0x82, 0x81, 0x01, 0x80, 0x89, 0x88, 0x83, 0xF1]))
    ),
    rest=st.binary(max_size=30),
)
async def test_what_comes_from_the_session_page_fails_no_page(
    short_tmp: Path, fields: dict[bytes, bytes], frames: list[bytes], rest: bytes
) -> None:
    async with open_engine(short_tmp, Application(), limits=ServerLimits(page_update_pause=0.001)) as engine:
        lines = b"".join(b"%b: %b\r\n" % pair for pair in (HANDSHAKE | fields).items())
        lines += b"Connection: upgrade\r\nUpgrade: websocket\r\n"
        visitor = engine.connect(unix=True)
        with contextlib.suppress(trio.BrokenResourceError):
            await visitor.send(request(b"GET /_conductor/live HTTP/1.1", lines) + b"".join(frames) + rest)
            await visitor.send_eof()
            while await visitor.stream.receive_some(65536):
                pass


@fuzz
@given(
    path=st.sampled_from(
        [b"", b"auth/x?next=", b"auth/%b?next=/" % TOKEN, b"auth/%ff?next=%ff", b"login", b"status", b"x"]
    ).map(lambda path: b"/_conductor/" + path),
    method=st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS"]),
    fields=ODD_FIELDS,
    tail=st.binary(max_size=10).map(
        lambda tail: tail.translate(None, bytes([*range(33), 127, *range(128, 256), 35]))
    ),
    body=st.sampled_from([b"", b"token=%ff", b"token=\xff&token=\xe9", b"&" * 50]),
    shows_token=st.booleans(),
)
async def test_odd_fields_fail_no_page(
    short_tmp: Path,
    path: bytes,
    method: bytes,
    fields: dict[bytes, bytes],
    tail: bytes,
    body: bytes,
    shows_token: bool,
) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        give(engine, make_share(is_once=True))
        lines = b"".join(b"%b: %b\r\n" % pair for pair in fields.items())
        if method == b"POST":
            lines += b"Content-Length: %d\r\n" % len(body)
        auth = b"Authorization: Bearer %b\r\n" % TOKEN if shows_token else b""
        visitor = engine.connect(unix=True)
        with contextlib.suppress(trio.BrokenResourceError):
            await visitor.send(
                request(
                    b"%b %b HTTP/1.1" % (method, path + tail), lines, body if method == b"POST" else b"", auth=auth
                )
            )
            await visitor.send_eof()
            while await visitor.stream.receive_some(65536):
                pass


ROUTE = {
    "id": "r1",
    "user": "alice",
    "key": "app",
    "hosts": ["app-alice.test"],
    "auth": TOKEN_HASH,
    "shares": [json.loads(json.dumps(describe_saved(make_share())))],
    "state": "live",
    "since": NOW,
    "relay": "/run/socket",
    "resumable": True,
    "node": "n",
    "until": NOW,
}


def test_each_odd_field_of_what_is_left_is_a_route_or_a_value_error() -> None:
    limits = ServerLimits()
    header = b'{"snapshot": 2, "since": 1, "routes": 1}'
    saved = describe_saved(make_share())
    odd_shares = [{**ROUTE, "shares": [json.loads(line)]} for line in each_odd_object(saved) if is_json(line)]
    lines = [*each_odd_object(ROUTE), *(json.dumps(route).encode() for route in odd_shares)]
    for line in lines:
        with contextlib.suppress(ValueError):
            [route] = parse_snapshot([header, line], limits).routes
            user_label(route.user or "")
            b"".join(format_snapshot(Snapshot(since=1.0, routes=(route,))))
            for share in route.access.shares:
                share.is_over(NOW)
                assert not math.isnan(share.expires or 0.0)


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


@given(
    st.lists(
        odd_objects({"snapshot": 2, "since": NOW, "routes": 1}) | odd_objects(ROUTE) | odd_lines,
        min_size=1,
        max_size=3,
    )
)
async def test_what_is_left_or_handed_over_is_a_snapshot_or_a_value_error(lines: list[bytes]) -> None:
    limits = ServerLimits()
    table = make_table(limits)
    records = SessionRecords(table)
    for read in (
        lambda: table.restore(parse_snapshot(lines, limits)),
        lambda: parse_lent_v1(lines[0], NOW),
        lambda: apply_access_line(lines[0], table, records),
    ):
        with contextlib.suppress(ValueError):
            read()
    table.expire()


# The client.

BANNER = odd_objects({"status": "ok", "directory": "/d", "extensions": sorted(EXTENSIONS), "more": 1})
REPLY = odd_objects({"status": "ok", "urls": ["app.test"], "key": "app"}) | odd_objects(
    {"status": "error", "reason": "no", "what": "no", "advice": "do"}
)
EVENT = odd_objects({"event": "ping", "idle": 1.5, "visitors": 1}) | odd_objects({"event": "move"})
SHARE = {"id": "x", "label": "x", "created": NOW, "expires": NOW, "once": True, "used": False, "visitors": 1}
SESSION = {
    "key": "app",
    "urls": ["app.test"],
    "state": "live",
    "since": NOW,
    "node": "n",
    "until": NOW,
    "idleUntil": NOW,
    "visitors": 1,
    "bytesIn": 1,
    "bytesOut": 1,
    "shares": [SHARE],
}


def odd_answers(name: str, *sound: dict[str, object]) -> st.SearchStrategy[bytes]:
    """Return answers to commands that hold such objects."""
    one = st.one_of([odd_objects(each) for each in sound])
    return st.lists(one, max_size=2).map(
        lambda found: b'{"status": "ok", "%b": [%b]}' % (name.encode(), b",".join(found))
    )


@fuzz
@given(banner=BANNER | odd_lines, reply=REPLY | odd_lines, following=st.lists(EVENT | odd_lines, max_size=4))
async def test_a_servers_words_raise_nothing_at_the_client_but_its_own_errors(
    banner: bytes, reply: bytes, following: list[bytes]
) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(b"".join(line.replace(b"\n", b" ") + b"\n" for line in (banner, reply, *following)))
    await theirs.send_eof()
    channel = ControlChannel(ours, ClientLimits())
    try:
        greeting = await channel.receive_banner()
        events.format_event(events.ControlConnect(path="/p", banner=greeting.raw))
        accepted = await channel.register(
            Registration(auth=OTHER, key=None, extensions=greeting.extensions, node="", until=None)
        )
        events.format_event(events.Live(token="t", key=accepted.key, urls=accepted.urls))
        for url in accepted.urls:
            with contextlib.suppress(ConductorError):
                parse_address(url)
        while (event := await channel.next_event()) is not None:
            if isinstance(event, Ping):
                round(event.idle or 0.0)
    except ConductorError as error:
        format_text(error.what, error.advice).encode("utf-8", "backslashreplace")


@pytest.mark.parametrize("sound", [SESSION, SHARE], ids=["session", "share"])
def test_each_odd_field_of_an_answer_is_shown_or_refused(sound: dict[str, object]) -> None:
    for line in each_odd_object(sound):
        for show in (show_sessions, show_shares):
            with contextlib.suppress(ConductorError):
                text = show(parse_answer(b'{"status": "ok", "sessions": [%b]}' % line).fields)
                text.encode()
                assert "\x1b" not in text


def show_sessions(fields: dict[str, object]) -> str:
    sessions = parse_sessions(fields)
    return format_sessions(sessions, NOW) + "".join(format_shares(one.shares, NOW) for one in sessions)


def show_shares(fields: dict[str, object]) -> str:
    told = fields.get("sessions")
    return "".join(describe_share(parse_share(one), "app") for one in told) if isinstance(told, list) else ""


@pytest.mark.parametrize("show", [show_sessions, show_shares])
@fuzz
@given(answer=odd_answers("sessions", SESSION, SHARE) | odd_lines)
async def test_an_answer_raises_nothing_at_the_client_but_its_own_errors(
    show: Callable[[dict[str, object]], str], answer: bytes
) -> None:
    ours, theirs = memory_stream_pair()
    greeting = b'{"status": "ok", "directory": "/d", "extensions": ["owner"]}\n'
    await theirs.send_all(greeting + answer.replace(b"\n", b" ") + b"\n")
    await theirs.send_eof()
    channel = ControlChannel(ours, ClientLimits())
    with contextlib.suppress(ConductorError):
        await channel.receive_banner()
        text = show((await channel.command(ListSessions())).fields)
        text.encode()
        assert "\x1b" not in text
