"""Owners' commands: a user's own sessions listed, stopped and shared, and nobody else's."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.access.tokens import EMPTY_TOKEN_HASH, hash_token
from conductor_trio.control.owner_commands import (
    Command,
    ListSessions,
    RevokeShare,
    ShareSession,
    StopSession,
    format_command,
    parse_command,
)
from conductor_trio.errors import RegistrationRefused
from conductor_trio.server.routing.states import Cause
from tests.support.routes import make_route
from tests.support.session_bench import (
    LABEL,
    LIMITS,
    PATIENCE,
    TOKEN_HASH,
    USER,
    Bench,
    Client,
    open_bench,
)

HOST = f"app-{LABEL}.apps.test"
OWNER = {"key": "app", "extensions": ["owner", "resume", "starting"], "node": "node-7"}
SHARE_HASH = hash_token(b"share")


async def command(client: Client, **fields: object) -> dict[str, Any]:
    """Send a command and return the answer."""
    await client.send(json.dumps(fields).encode() + b"\n")
    answer = await client.receive()
    assert answer is not None
    return answer


async def refusal(client: Client, **fields: object) -> str:
    """Send a command that is refused and return the reason."""
    answer = await command(client, **fields)
    assert answer["status"] == "error"
    assert await client.receive() is None
    return str(answer["reason"])


# The messages.

keys = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
commands = st.one_of(
    st.just(ListSessions()),
    st.builds(StopSession, key=keys),
    st.builds(
        ShareSession,
        key=keys,
        auth=st.binary().map(hash_token),
        label=st.text(st.characters(categories=["L", "N", "Zs"]), max_size=60),
        seconds=st.none() | st.floats(1, 1e6),
        is_once=st.booleans(),
    ),
    st.builds(RevokeShare, key=keys, id=st.text(max_size=10)),
)


@given(commands)
def test_commands_read_back(given_command: Command) -> None:
    line = format_command(given_command)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert parse_command(line[:-1]) == given_command


@given(
    st.binary()
    | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(
        lambda value: json.dumps(
            {"command": "share", "key": "k", "auth": SHARE_HASH, "for": value, "label": value}, default=str
        ).encode()
    )
)
def test_any_line_is_a_command_or_none_or_refused(line: bytes) -> None:
    with contextlib.suppress(RegistrationRefused):
        parse_command(line)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"command": "reboot"}, "does not know"),
        ({"command": ["list"]}, "does not know"),
        ({"command": "stop"}, "key is missing"),
        ({"command": "stop", "key": 7}, "key is missing"),
        ({"command": "revoke", "key": "app"}, "id is missing"),
        ({"command": "share", "key": "app"}, "auth is malformed"),
        ({"command": "share", "auth": SHARE_HASH}, "key is missing"),
        *(
            ({"command": "share", "key": "app", "auth": SHARE_HASH, "for": seconds}, "between a second and a year")
            for seconds in (0, -1, "8h", True, False, 1e12)
        ),
        *(
            ({"command": "share", "key": "app", "auth": SHARE_HASH, "label": label}, "printable")
            for label in ("x" * 61, "a\nb", "\x1b[2J", 7)
        ),
    ],
)
async def test_a_bad_command_is_told_what_to_do(bench: Bench, fields: dict[str, object], words: str) -> None:
    with bench.connect() as client:
        await client.greet()
        assert words in await refusal(client, **fields)


def test_no_number_of_seconds_that_json_can_hold_is_endless() -> None:
    for text in ("NaN", "Infinity", "1e999"):
        line = b'{"command": "share", "key": "k", "auth": "%b", "for": %b}' % (SHARE_HASH.encode(), text.encode())
        assert parse_command(line) is None  # no JSON at all
    assert math.isfinite(1e308)


# What they do.


async def test_a_users_sessions_are_listed(bench: Bench) -> None:
    with bench.connect() as session, bench.connect() as lost, bench.connect() as owner:
        await session.go_live(**OWNER)
        await lost.go_live(key="lost", extensions=["resume"])
        lost.close()
        with trio.fail_after(PATIENCE):
            while not bench.routes.detached:  # noqa: ASYNC110
                await trio.sleep(0.001)
        await owner.greet()
        answer = await command(owner, command="list")
        assert answer["status"] == "ok"
        one, other = sorted(answer["sessions"], key=lambda told: told["key"])
        assert {
            name: one[name] for name in ("key", "urls", "state", "node", "shares", "visitors", "requests")
        } == {
            "key": "app",
            "urls": [HOST],
            "state": "live",
            "node": "node-7",
            "shares": [],
            "visitors": 0,
            "requests": 0,
        }
        assert (other["key"], other["state"]) == ("lost", "lost")
        assert TOKEN_HASH not in json.dumps(answer)
        # One channel is for many commands.
        assert len((await command(owner, command="list"))["sessions"]) == 2


async def test_an_application_that_nobody_uses_is_listed_so_until_somebody_does(bench: Bench) -> None:
    with bench.connect() as session, bench.connect() as owner:
        await session.go_live(**OWNER)
        await owner.greet()
        for pong, ends in (('"ends": 1.8e9', 1.8e9), ('"ends": null', None), ('"ends": "soon"', None)):
            await session.send(b'{"event": "pong", %b}\n' % pong.encode())
            with trio.fail_after(PATIENCE):
                while (await command(owner, command="list"))["sessions"][0]["idleUntil"] != ends:
                    pass
        route = bench.routes.find(HOST)
        record = bench.context.records.get(route.id) if route else None
        assert record is not None
        texts = [str(entry["text"]) for entry in record.event_log.describe()]
        assert texts[-2:] == ["The application ends soon: unused", "The application goes on"]


async def test_others_sessions_are_not(bench: Bench) -> None:
    with bench.connect() as owner:
        other = bench.routes.register(make_route(host="app-mallory.apps.test", user="mallory"))
        await owner.greet()
        assert (await command(owner, command="list"))["sessions"] == []
        bench.routes.change(other.id, Cause.LEFT)


@pytest.mark.parametrize("name", ["stop", "share", "revoke"])
async def test_a_key_that_is_not_there_is_told(bench: Bench, name: str) -> None:
    with bench.connect() as owner:
        await owner.greet()
        reason = await refusal(owner, command=name, key="nothing", auth=SHARE_HASH, id="x")
        assert "no session with the key" in reason and "`ls`" in reason


async def test_stop_reaches_the_client(bench: Bench) -> None:
    with bench.connect() as session, bench.connect() as owner:
        await session.go_live(**OWNER)
        await owner.greet()
        assert (await command(owner, command="stop", key="APP"))["status"] == "ok"
        assert await session.receive() == {"event": "stop"}


async def test_a_client_that_does_not_know_it_cannot_be_stopped(bench: Bench) -> None:
    with bench.connect() as session, bench.connect() as owner:
        await session.go_live(key="app")
        await owner.greet()
        assert "end it where it runs" in await refusal(owner, command="stop", key="app")


async def test_stop_waits_for_a_client_whose_link_is_lost(bench: Bench) -> None:
    with bench.connect() as session:
        await session.go_live(**OWNER)
    with trio.fail_after(PATIENCE):
        while not bench.routes.detached:  # noqa: ASYNC110
            await trio.sleep(0.001)
    with bench.connect() as owner:
        await owner.greet()
        assert await command(owner, command="stop", key="app") == {"status": "ok", "state": "lost"}
    with bench.connect() as session:
        await session.go_live(**OWNER)
        assert await session.receive() == {"event": "stop"}


async def test_a_share_is_made_listed_and_revoked(bench: Bench) -> None:
    with bench.connect() as session, bench.connect() as owner:
        await session.go_live(**OWNER)
        await owner.greet()
        made = await command(
            owner, command="share", key="app", auth=SHARE_HASH, label="Zoë", once=True, **{"for": 3600}
        )
        assert made["status"] == "ok" and made["urls"] == [HOST]
        share = made["share"]
        assert share["label"] == "Zoë" and share["once"] and not share["used"]
        assert share["expires"] - share["created"] == pytest.approx(3600)
        (listed,) = (await command(owner, command="list"))["sessions"]
        assert listed["shares"] == [share | {"visitors": 0}]
        assert SHARE_HASH not in json.dumps(listed)
        assert (await command(owner, command="revoke", key="app", id=share["id"]))["status"] == "ok"
        (listed,) = (await command(owner, command="list"))["sessions"]
        assert listed["shares"] == []
        assert "no share of that id" in await refusal(owner, command="revoke", key="app", id=share["id"])


@pytest.mark.parametrize("auth", [TOKEN_HASH, EMPTY_TOKEN_HASH, SHARE_HASH])
async def test_a_shares_token_is_its_own(bench: Bench, auth: str) -> None:
    with bench.connect() as session, bench.connect() as owner:
        await session.go_live(**OWNER)
        await owner.greet()
        assert (await command(owner, command="share", key="app", auth=SHARE_HASH))["status"] == "ok"
        assert "choose another token" in await refusal(owner, command="share", key="app", auth=auth)


async def test_there_are_so_many_shares_and_no_more(bench: Bench) -> None:
    with bench.connect() as session, bench.connect() as owner:
        await session.go_live(**OWNER)
        await owner.greet()
        for number in range(100):
            answer = await command(owner, command="share", key="app", auth=hash_token(b"%d" % number))
            assert answer["status"] == "ok"
        assert "100 shares" in await refusal(owner, command="share", key="app", auth=SHARE_HASH)


async def test_a_user_has_so_many_shares_in_all_and_no_more(runtime_dir: Path) -> None:
    limits = attrs.evolve(LIMITS, max_user_shares=3)
    async with open_bench(runtime_dir, limits=limits) as bench:
        with bench.connect() as one, bench.connect() as other, bench.connect() as owner:
            await one.go_live(key="one")
            await other.go_live(key="other")
            await owner.greet()
            for number, key in enumerate(("one", "one", "other")):
                answer = await command(owner, command="share", key=key, auth=hash_token(b"%d" % number))
                assert answer["status"] == "ok"
            for key in ("one", "other"):
                with bench.connect() as late:
                    await late.greet()
                    assert "3 shares" in await refusal(late, command="share", key=key, auth=SHARE_HASH)


SSO = SingleSignOn(user_field=b"x-user", groups_field=b"x-groups", domain="uni.example")


async def test_people_are_named_listed_and_revoked(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir, sso=SSO) as bench:
        with bench.connect() as client, bench.connect() as owner:
            await client.go_live(**OWNER)
            await owner.greet()
            made = await command(
                owner, command="share", key="app", label="Zo\u00eb", **{"with": "zoe", "for": 3600}
            )
            share = made["share"]
            assert (share["with"], share["label"], share["once"], share["used"]) == (
                "zoe",
                "Zo\u00eb",
                False,
                False,
            )
            assert made["urls"] == [HOST]
            by_domain = await command(owner, command="share", key="app", **{"with": "bob@uni.example"})
            assert by_domain["share"]["with"] == "bob"
            group = await command(owner, command="share", key="app", **{"with": "@staff"})
            [listed] = (await command(owner, command="list"))["sessions"]
            assert [one["with"] for one in listed["shares"]] == ["zoe", "bob", "@staff"]
            await command(owner, command="revoke", key="app", id=group["share"]["id"])
            [listed] = (await command(owner, command="list"))["sessions"]
            assert [one["with"] for one in listed["shares"]] == ["zoe", "bob"]


@pytest.mark.parametrize(
    ("sso", "fields", "words"),
    [
        (None, {"with": "bob"}, "no single sign-on"),
        (attrs.evolve(SSO, groups_field=None), {"with": "@staff"}, "no groups"),
        (SSO, {"with": "@a,b"}, "one group at a time"),
        (SSO, {"with": USER}, "that is you"),
        (SSO, {"with": f"{USER}@uni.example"}, "that is you"),
        (attrs.evolve(SSO, is_needed=True), {"auth": SHARE_HASH}, "single sign-on alone"),
    ],
)
async def test_what_would_let_nobody_in_is_refused_with_the_reason(
    runtime_dir: Path, sso: SingleSignOn | None, fields: dict[str, object], words: str
) -> None:
    async with open_bench(runtime_dir, sso=sso) as bench:
        with bench.connect() as client, bench.connect() as owner:
            await client.go_live(**OWNER)
            await owner.greet()
            reason = await refusal(owner, command="share", key="app", **fields)
            assert words in reason and "\n" not in reason


async def test_those_who_are_named_are_bounded_as_links_are(runtime_dir: Path) -> None:
    limits = attrs.evolve(LIMITS, max_user_shares=2)
    async with open_bench(runtime_dir, sso=SSO, limits=limits) as bench:
        with bench.connect() as client, bench.connect() as owner:
            await client.go_live(**OWNER)
            await owner.greet()
            await command(owner, command="share", key="app", **{"with": "bob"})
            await command(owner, command="share", key="app", auth=SHARE_HASH)
            assert "2 shares" in await refusal(owner, command="share", key="app", **{"with": "carol"})


async def test_a_channel_for_commands_registers_nothing(bench: Bench) -> None:
    with bench.connect() as owner:
        await owner.greet()
        await command(owner, command="list")
        owner.listen()
        assert "open another one" in await refusal(owner, auth=TOKEN_HASH, key="app")
    assert len(bench.routes) == 0
