"""ls, stop and share as their users meet them: real programs, on the gateway itself and over SSH."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from scripts.private_sshd import PrivateSshd
from tests.doubles.client_command import UPPERCASE_APPLICATION
from tests.doubles.control_server import open_control_server
from tests.support.chain import Chain, open_chain
from tests.support.programs import (
    OWN_PYTHON,
    PATIENCE,
    Program,
    Server,
    ask,
    open_client,
    open_server,
    run_program,
)
from tests.support.users import Person

PROGRAM = OWN_PYTHON.with_name("conductor-trio")


@attrs.frozen(kw_only=True)
class OwnerClient:
    """Where commands are given, and a session of the user's."""

    server: Server
    client: Program

    async def command(self, *words: object, status: int = 0) -> Program:
        """Give a command with SERVER at its end; what it says is whole."""
        return await give([*words, self.server.control_socket], status=status)


async def give(words: Sequence[object], *, status: int = 0, **variables: str) -> Program:
    """Give a command."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables}
    done = await run_program([PROGRAM, *map(str, words)], environment=environment)
    assert done.process.returncode == status, done.err.text
    assert "Traceback" not in done.err.text
    assert status == 0 or len(done.err.lines) == 1 or done.err.text.startswith("usage:")
    return done


@pytest.fixture
async def desk(short_tmp: Path) -> AsyncIterator[OwnerClient]:
    local = short_tmp / "app.sock"
    async with open_server(short_tmp / "run") as server:
        command = [*UPPERCASE_APPLICATION, str(local)]
        async with open_client(server.control_socket, local, command, key="lab", token="t0ken") as client:
            await client.wait_state("live")
            yield OwnerClient(server=server, client=client)


async def test_sessions_are_listed(desk: OwnerClient) -> None:
    done = await desk.command("ls")
    head, row, name, address = done.out.lines
    assert head.split() == ["KEY", "STATE", "FOR", "NODE", "VISITORS", "TRAFFIC"]
    assert row.split()[:2] == ["lab", "live"]
    program = Path(UPPERCASE_APPLICATION[0])
    assert name.strip().startswith(f"{program.name}: {program} -SEc ")
    assert address.strip() == "http://lab-root.localhost"
    [line] = (await desk.command("ls", "--json")).out.lines
    assert json.loads(line)["key"] == "lab"
    assert "t0ken" not in line


async def test_a_shell_is_told_keys_and_applications(desk: OwnerClient) -> None:
    program = Path(UPPERCASE_APPLICATION[0]).name
    [line] = (await desk.command("ls", "--keys")).out.lines
    assert line.split()[:3] == ["lab", program, "on"]
    await desk.command("stop", "lab")
    assert (await desk.command("ls", "--keys")).out.text == ""


async def test_a_gateway_that_does_not_answer_keeps_no_shell_waiting(short_tmp: Path) -> None:
    # It accepts, and says nothing.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_tmp / "client"))
        listener.listen()
        assert (await give(["ls", "--keys", short_tmp / "client"])).out.text == ""
    (short_tmp / "client").unlink()


async def test_the_gateway_may_come_first(desk: OwnerClient) -> None:
    gateway = desk.server.control_socket
    [link] = (await give(["share", gateway, "lab", "--label", "Zoë"])).out.lines
    assert link.startswith("http://lab-root.localhost/_conductor/auth/")
    [line] = (await give(["share", "--list", "--json", gateway, "lab"])).out.lines
    share = json.loads(line)["id"]
    assert "revoked" in (await give(["share", "--revoke", share, gateway, "lab"])).out.text
    assert (await give(["stop", gateway, "lab"])).out.text == "lab has ended.\n"


async def test_a_stop_waits_for_the_end(desk: OwnerClient) -> None:
    done = await desk.command("stop", "LAB")
    assert done.out.text == "LAB has ended.\n"
    assert await desk.client.wait_ended() == 0
    assert [event["state"] for event in desk.client.events[-2:]] == ["stopping", "exit"]
    assert (await desk.command("ls")).out.text == "You have no sessions there.\n"
    again = await desk.command("stop", "lab", status=1)
    assert "no session with the key" in again.err.text


async def test_a_share_is_made_listed_and_revoked(desk: OwnerClient) -> None:
    done = await desk.command("share", "lab", "--for", "8h", "--label", "Zoë")
    [link] = done.out.lines
    assert link.startswith("http://lab-root.localhost/_conductor/auth/")
    assert "for 8 h 0 min" in done.err.text and link not in done.err.text
    target = link.removeprefix("http://lab-root.localhost")
    port = desk.server.port
    assert (await ask(port, "lab-root.localhost", target)).status == 302
    listed = await desk.command("share", "lab", "--list")
    share, label, *_ = listed.out.lines[1].split()
    assert label == "Zoë"
    assert "shared: Zoë" in (await desk.command("ls")).out.text
    assert "revoked" in (await desk.command("share", "lab", "--revoke", share)).out.text
    assert (await ask(port, "lab-root.localhost", target)).status == 403
    assert "no shares" in (await desk.command("share", "lab", "--list")).out.text
    assert "no share of that id" in (await desk.command("share", "lab", "--revoke", share, status=1)).err.text


async def test_where_no_single_sign_on_is_a_name_means_nothing(desk: OwnerClient) -> None:
    done = await desk.command("share", "lab", "--with", "bob", status=1)
    assert "names mean nothing here: this gateway has no single sign-on" in done.err.text


async def test_people_are_let_in_by_name_listed_and_revoked(short_tmp: Path) -> None:
    local, public = short_tmp / "app.sock", short_tmp / "http"
    sso = ["--sso-user-header", "X-User", "--sso-groups-header", "X-Groups", "--require-sso"]
    async with open_server(short_tmp / "run", "-s", public, "-d", "{key}-{user}.localhost", *sso) as server:
        command = [*UPPERCASE_APPLICATION, str(local)]
        async with open_client(server.control_socket, local, command, key="lab", token="t0ken") as client:
            await client.wait_state("live")
            desk = OwnerClient(server=server, client=client)
            done = await desk.command("share", "lab", "--with", "zoë", "--with", "@staff", "--for", "8h")
            assert done.out.text == "http://lab-root.localhost/\n"
            assert "zoë gets in to lab by the single sign-on, for 8 h 0 min" in done.err.text
            lines = (await desk.command("share", "lab", "--list", "--json")).out.lines
            assert [json.loads(line)["with"] for line in lines] == ["zoë", "@staff"]
            listed = (await desk.command("share", "lab", "--list")).out.lines
            assert "with zoë" in listed[1] and "with @staff" in listed[2]
            assert "shared: with zoë" in (await desk.command("ls")).out.text
            await desk.command("share", "lab", "--revoke", json.loads(lines[0])["id"])
            [left] = (await desk.command("share", "lab", "--list", "--json")).out.lines
            assert json.loads(left)["with"] == "@staff"
            [made] = (await desk.command("share", "lab", "--with", "bob", "--json")).out.lines
            assert json.loads(made)["link"] == "http://lab-root.localhost/" and json.loads(made)["with"] == "bob"
            refused = await desk.command("share", "lab", status=1)
            assert "links open nothing here" in refused.err.text
            for name in ("", "@", " bob", "@staff,dev", "root"):
                await desk.command("share", "lab", "--with", name, status=1)


async def test_a_one_time_link_opens_once(desk: OwnerClient) -> None:
    [line] = (await desk.command("share", "lab", "--once", "--json")).out.lines
    made = json.loads(line)
    assert made["once"] and not made["used"] and made["expires"] is None
    target = made["link"].removeprefix("http://lab-root.localhost")
    port = desk.server.port
    # What only looks, as previews and scanners do, gets a page with a button and spends nothing.
    for _ in range(2):
        assert (await ask(port, "lab-root.localhost", target)).status == 200
    assert (await ask(port, "lab-root.localhost", target, method="POST")).status == 303
    assert (await ask(port, "lab-root.localhost", target, method="POST")).status == 403
    [line] = (await desk.command("share", "lab", "--list", "--json")).out.lines
    assert json.loads(line)["used"]


async def test_the_configuration_names_the_gateway(desk: OwnerClient, short_tmp: Path) -> None:
    config = short_tmp / "conductor-trio/config.toml"
    config.parent.mkdir()
    config.write_text(f'server = "{desk.server.control_socket}"\n')
    done = await give(["ls"], XDG_CONFIG_HOME=str(short_tmp))
    assert "lab" in done.out.text
    config.write_text("server = 1\n")
    assert f"{config}:1: server: " in (await give(["ls"], status=2, XDG_CONFIG_HOME=str(short_tmp))).err.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ls"], "no SERVER"),
        (["ls", "gw:0"], "no port 0"),
        (["stop"], "KEY"),
        (["share", "lab", "--for", "soon"], "8h, 1h30m or 2d"),
        (["share", "lab", "--list", "--once"], "stand alone"),
        (["share", "lab", "--list", "--with", "bob"], "stand alone"),
        (["share", "lab", "--with", "bob", "--once"], "--once is for a link"),
        (["share", "lab", "--list", "--revoke", "x"], "stand alone"),
        (["share", "lab", "gw", "more"], "more"),
    ],
)
async def test_wrong_usage(words: list[str], said: str) -> None:
    assert said in (await give(words, status=2)).err.text


async def test_no_gateway_there(short_tmp: Path) -> None:
    done = await give(["ls", short_tmp / "nothing"], status=1)
    assert "no conductor-trio-server" in done.err.text


@pytest.mark.parametrize("word", ["ls", "stop", "share"])
async def test_a_gateway_that_knows_no_commands_is_named(short_tmp: Path, word: str) -> None:
    async with open_control_server(short_tmp, extensions=["resume"]) as server:
        words = [word, server.path] if word == "ls" else [word, "lab", server.path]
        assert "newer conductor-trio-server" in (await give(words, status=1)).err.text


# Over SSH, from another machine's shell, with real users.


@asynccontextmanager
async def open_websocket_by(chain: Chain, link: str) -> AsyncIterator[WebSocketConnection]:
    """Open the application's WebSocket with the cookie that a link gives."""
    host = "app-ct-alice.localhost"
    answer = await ask(chain.server.port, host, link.partition(host)[2])
    cookie = answer.field(b"set-cookie").partition(b";")[0]
    async with (
        await trio.open_tcp_stream("127.0.0.1", chain.server.port) as stream,
        trio.open_nursery() as nursery,
    ):
        yield await wrap_client_stream(nursery, stream, host, "/ws", extra_headers=[(b"Cookie", cookie)])
        nursery.cancel_scope.cancel()


@pytest.mark.e2e
async def test_from_another_shell(short_tmp: Path, sshd: PrivateSshd) -> None:
    async with open_chain(short_tmp, sshd) as chain, chain.open_client(chain.alice, token="t") as client:
        await client.wait_state("live")

        async def command(person: Person, *words: str, status: int = 0) -> Program:
            program = chain.python.with_name("conductor-trio")
            done = await run_program(
                [program, *words, chain.address], person=person, environment=chain.environment(person)
            )
            assert done.process.returncode == status, done.err.text
            return done

        assert "app-ct-alice.localhost" in (await command(chain.alice, "ls")).out.text
        # Neighbours have nothing to say here.
        assert "no sessions" in (await command(chain.bob, "ls")).out.text
        for words in (["stop", "app"], ["share", "app"], ["share", "app", "--revoke", "x"]):
            assert "no session with the key" in (await command(chain.bob, *words, status=1)).err.text
        # What was let in by a link ends with it.
        [link] = (await command(chain.alice, "share", "app")).out.lines
        [listed] = (await command(chain.alice, "share", "app", "--list", "--json")).out.lines
        async with open_websocket_by(chain, link) as websocket:
            await websocket.send_message("hello")
            assert await websocket.get_message() == "hello"
            await command(chain.alice, "share", "app", "--revoke", json.loads(listed)["id"])
            with trio.fail_after(PATIENCE), pytest.raises(ConnectionClosed):
                await websocket.get_message()
        assert (await command(chain.alice, "stop", "app")).out.text == "app has ended.\n"
        assert await client.wait_ended() == 0


@pytest.mark.e2e
async def test_no_login_is_named(short_tmp: Path, sshd: PrivateSshd) -> None:
    async with open_chain(short_tmp, sshd) as chain:
        environment = chain.environment(chain.bob)
        program = chain.python.with_name("conductor-trio")
        done = await run_program(
            [program, "ls", f"ct-alice@{chain.address}"], person=chain.bob, environment=environment
        )
        assert done.process.returncode == 1
        [line] = done.err.lines
        assert "permission denied" in line and "ct-alice@localhost" in line
