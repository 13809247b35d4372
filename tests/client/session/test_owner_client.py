"""An owner's commands at the client: what is asked, what the answers mean, and how long an end is awaited."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from conductor_trio.access.tokens import hash_token
from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.session.channel import ControlChannel
from conductor_trio.client.session.listing import Session
from conductor_trio.client.session.owner_client import OwnerClient, open_owner_client
from conductor_trio.control.messages import NAMED_SHARES, OWNER_COMMANDS
from conductor_trio.errors import ConductorError, RegistrationRefused, RemoteProtocolError, StartError
from conductor_trio.limits.client import ClientLimits
from tests.doubles.control_server import open_control_server
from tests.doubles.fake_server import Channel
from tests.doubles.streams import memory_stream_pair

LIMITS = ClientLimits()
SHARE = {"id": "abcdefgh", "label": "Zoë", "created": 1.0, "expires": None, "once": True, "used": False}


def session(key: str, state: str = "live", node: str = "node-17") -> dict[str, Any]:
    urls = [f"{key}-me.localhost"]
    return {"key": key, "urls": urls, "state": state, "since": 1.0, "node": node, "shares": []}


@attrs.define
class Gateway:
    """Answers each command with the next of `answers`, and the last of them for ever."""

    channel: Channel
    answers: list[dict[str, Any]]
    asked: list[dict[str, Any]] = attrs.field(factory=list)

    async def serve(self) -> None:
        while (command := await self.channel.receive()) is not None:
            self.asked.append(command)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            await self.channel.send(**{"status": "ok"} | answer)


@contextlib.asynccontextmanager
async def open_gateway(
    *answers: dict[str, Any], extensions: frozenset[str] = frozenset([OWNER_COMMANDS, NAMED_SHARES])
) -> AsyncIterator[tuple[OwnerClient, Gateway]]:
    """Give the commands over a channel that is greeted, and who answers them."""
    ours, theirs = memory_stream_pair()
    gateway = Gateway(Channel(directory="/d", stream=theirs), list(answers))
    channel = ControlChannel(ours, LIMITS)
    await gateway.channel.send(directory="/d", status="ok", extensions=sorted(extensions))
    await channel.receive_banner()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.serve)  # noqa: ASYNC113 # what is asked waits in the stream
        yield OwnerClient(channel, LIMITS, extensions), gateway
        ours.close()


async def test_a_session_is_found_by_its_key_in_any_case() -> None:
    async with open_gateway({"sessions": [session("lab"), session("app")]}) as (desk, gateway):
        assert [found.key for found in await desk.list_sessions()] == ["app", "lab"]
        found = await desk.find_session("LAB")
        assert found is not None and found.key == "lab"
        assert await desk.find_session("other") is None
    assert gateway.asked == [{"command": "list"}] * 3


async def test_a_stop_returns_once_the_session_is_gone(autojump_clock: trio.testing.MockClock) -> None:
    there: dict[str, Any] = {"sessions": [session("lab"), session("app")]}
    async with open_gateway({}, there, there, {"sessions": [session("app")]}) as (desk, gateway):
        started = trio.current_time()
        await desk.stop("lab")
        assert trio.current_time() - started == pytest.approx(2 * LIMITS.stop_poll_pause)
    assert gateway.asked == [{"command": "stop", "key": "lab"}, *[{"command": "list"}] * 3]


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([[session("lab")]], "lab has been told, and is still there; end it yourself on node-17"),
        ([[session("lab", node="")]], "lab has been told, and is still there; end it yourself where it runs"),
        ([[session("lab", "lost")]], "the link of lab is lost, so that its application on node-17 could not be"),
        ([[session("lab", "lost")], []], "lab is gone, but its link was lost .* still runs on node-17"),
    ],
)
async def test_a_stop_that_is_not_certain_says_so(
    seen: list[list[dict[str, Any]]], says: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_gateway({}, *({"sessions": sessions} for sessions in seen)) as (desk, _):
        started = trio.current_time()
        with pytest.raises(StartError, match=says):
            await desk.stop("lab")
        assert trio.current_time() - started <= LIMITS.stop_timeout


async def test_a_share_with_somebody_has_no_token_and_its_link_is_the_address() -> None:
    told = SHARE | {"with": "@staff", "label": "", "once": False}
    async with open_gateway({"urls": ["lab-me.apps.test"], "share": told}) as (desk, gateway):
        new = await desk.share_with("lab", "@staff", label="", seconds=60)
    assert (new.link, new.share.grantee, new.share.title) == ("https://lab-me.apps.test/", "@staff", "with @staff")
    assert gateway.asked == [{"command": "share", "key": "lab", "with": "@staff", "label": "", "for": 60}]


async def test_a_gateway_that_cannot_share_with_people_is_asked_nothing() -> None:
    async with open_gateway({}, extensions=frozenset([OWNER_COMMANDS])) as (desk, gateway):
        with pytest.raises(StartError, match=r"cannot share with people by their names; ask for a newer"):
            await desk.share_with("lab", "bob", label="", seconds=None)
    assert gateway.asked == []


async def test_a_share_is_a_link_whose_token_the_gateway_never_sees() -> None:
    async with open_gateway({"urls": ["lab-me.localhost"], "share": SHARE}) as (desk, gateway):
        new = await desk.share("lab", label="Zoë", seconds=60, is_once=True)
    assert new.share.id == "abcdefgh"
    place, _, token = new.link.rpartition("/")
    assert place == "http://lab-me.localhost/_conductor/auth"
    [asked] = gateway.asked
    assert asked == {
        "command": "share",
        "key": "lab",
        "auth": hash_token(token.encode()),
        "label": "Zoë",
        "for": 60,
        "once": True,
    }
    assert token not in repr(new)


@pytest.mark.parametrize(
    "answer",
    [{}, {"urls": []}, {"urls": [1], "share": SHARE}, {"urls": ["a"], "share": {"id": 1}}, {"urls": ["a"]}],
)
async def test_an_answer_that_holds_no_share_breaks_the_protocol(answer: dict[str, Any]) -> None:
    async with open_gateway(answer) as (desk, _):
        with pytest.raises(RemoteProtocolError, match="the gateway's answer holds"):
            await desk.share("lab", label="", seconds=None, is_once=False)


async def test_a_command_that_is_refused_says_why() -> None:
    async with open_gateway({"status": "error", "reason": "no share of that id"}) as (desk, gateway):
        with pytest.raises(RegistrationRefused, match="no share of that id"):
            await desk.revoke("lab", "x")
    assert gateway.asked == [{"command": "revoke", "key": "lab", "id": "x"}]


async def never(desk: OwnerClient) -> tuple[Session, ...]:
    raise AssertionError("there is nobody to talk to")


async def test_a_gateway_that_knows_no_commands_is_named(short_tmp: Path) -> None:
    async with open_control_server(short_tmp, extensions=["resume"]) as server:
        with pytest.raises(StartError, match="knows no owner's commands; ask for a newer"):
            await open_owner_client(ServerAddress(host=None, path=str(server.path)), never)


async def test_where_there_is_no_gateway_it_says_so(short_tmp: Path) -> None:
    with pytest.raises(ConductorError, match="there is no conductor-trio-server at") as caught:
        await open_owner_client(ServerAddress(host=None, path=str(short_tmp / "client")), never)
    assert caught.value.hop == "server"


async def test_what_is_made_of_the_commands_is_returned(short_tmp: Path) -> None:
    async def converse(desk: OwnerClient) -> str:
        return "made"

    async with open_control_server(short_tmp, extensions=[OWNER_COMMANDS]) as server:
        assert await open_owner_client(ServerAddress(host=None, path=str(server.path)), converse) == "made"
