"""One client's session: what is taken, what is refused and with which words, and that its end leaves nothing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.tokens import hash_token
from conductor_trio.server.routing.states import Live, Starting
from conductor_trio.server.sessions.owner_service import OwnerService
from tests.support.needs import missing
from tests.support.session_bench import (
    LABEL,
    LIMITS,
    OTHER_HASH,
    PATIENCE,
    TOKEN_HASH,
    USER,
    Bench,
    Client,
    open_bench,
)
from tests.support.strategies import cut, cuts
from tests.support.users import BOB, acting_as, real_person


async def wait_idle(bench: Bench) -> None:
    """Wait until the server has noticed that its clients are gone."""
    with trio.fail_after(PATIENCE):
        await trio.testing.wait_all_tasks_blocked()
    bench.assert_idle()


# What is taken.


async def test_a_session_as_the_original_client_has_it(bench: Bench) -> None:
    with bench.connect() as client:
        banner = await client.greet()
        assert banner == {
            "directory": str(client.directory),
            "status": "ok",
            "extensions": ["named", "names", "notices", "output", "owner", "probe", "relay", "resume", "starting"],
        }
        assert client.directory.parent == bench.runtime_dir / "sockets"
        assert client.directory.name.startswith(f"{USER}-")
        assert stat.S_IMODE(client.directory.parent.stat().st_mode) == 0o771
        found = client.directory.stat()
        assert stat.S_IMODE(found.st_mode) == 0o3777
        assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
        client.listen()
        answer = await client.register(key="app")
        assert answer == {"status": "ok", "urls": [f"app-{LABEL}.apps.test"], "key": "app"}
        assert stat.S_IMODE(client.directory.stat().st_mode) == 0o770
        assert bench.routes.find(f"app-{LABEL}.apps.test") is not None
    await wait_idle(bench)


async def test_the_relay_socket_is_looked_at_before_the_registration(bench: Bench) -> None:
    """As often as the client likes; it is still open to the client then."""
    with bench.connect() as client:
        await client.greet()

        async def inspect() -> object:
            await client.send(b'{"relay": "inspect"}\n')
            answer = await client.receive()
            assert answer is not None and set(answer) == {"status", "relay"}
            return answer["relay"]

        assert await inspect() == "closed"
        client.listen()
        assert await inspect() == "open"
        assert await inspect() == "open"
        assert stat.S_IMODE(client.directory.stat().st_mode) == 0o3777
        assert (await client.register(key="app"))["status"] == "ok"
        assert stat.S_IMODE(client.directory.stat().st_mode) == 0o770


async def test_each_pattern_gives_a_url_in_order(runtime_dir: Path) -> None:
    patterns = ("{key}-{user}.A.test:8443", "{key}.{user}.b.test")
    async with open_bench(runtime_dir, patterns=patterns) as bench:
        with bench.connect() as client:
            answer = await client.go_live(key="App")
            assert answer["urls"] == [f"app-{LABEL}.a.test:8443", f"app.{LABEL}.b.test"]


@pytest.mark.parametrize("fields", [{}, {"key": None}, {"key": ""}])
async def test_without_a_key_the_server_makes_one(bench: Bench, fields: dict[str, object]) -> None:
    with bench.connect() as one, bench.connect() as other:
        first, second = await one.go_live(**fields), await other.go_live(**fields)
        assert first["key"] != second["key"]
        assert first["urls"] == [f"{first['key']}-{LABEL}.apps.test"]


async def test_fields_that_are_not_known_are_ignored(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(key="app", later={"version": 2})


@given(sizes=cuts)
def test_any_cut_of_the_registration_gives_the_same(sizes: list[int]) -> None:
    line = json.dumps({"auth": TOKEN_HASH, "key": "app"}).encode() + b"\n"

    async def converse(bench: Bench) -> None:
        with bench.connect() as client:
            await client.greet()
            client.listen()
            for piece in cut(line, sizes):
                await client.send(piece)
            assert await client.receive() == {"status": "ok", "urls": [f"app-{LABEL}.apps.test"], "key": "app"}

    run_with_bench(converse)


@given(data=st.binary(max_size=200) | st.text(max_size=80).map(str.encode), has_newline=st.booleans())
def test_arbitrary_bytes_make_no_route_and_break_nothing(data: bytes, has_newline: bool) -> None:
    async def converse(bench: Bench) -> None:
        with bench.connect() as client:
            await client.greet()
            client.listen()
            await client.send(data + b"\n" * has_newline)
            await client.send_eof()
            while (answer := await client.receive()) is not None:
                # Hypothesis also tries texts that stand in the code: one asks for a list, which makes no route.
                if answer != {"status": "ok", "sessions": []}:
                    assert answer["status"] == "error"
                    assert answer["reason"]
            bench.assert_idle()

    run_with_bench(converse)


def run_with_bench(converse: Callable[[Bench], object]) -> None:
    """Run a coroutine function against a server of its own."""
    directory = tempfile.mkdtemp(prefix="ct-", dir="/tmp")

    async def main() -> None:
        async with open_bench(Path(directory) / "run") as bench:
            with trio.fail_after(PATIENCE):
                await converse(bench)  # type: ignore[misc]

    try:
        trio.run(main)
    finally:
        shutil.rmtree(directory)


# What is refused.


async def assert_refused(bench: Bench, client: Client, *words: str) -> None:
    """Check that the server says why not, closes, and has nothing of it left; and that it goes on."""
    answer = await client.receive()
    assert answer is not None
    assert answer["status"] == "error"
    # The contract's fields, and ours beside them.
    parts = {"what": answer["what"], "advice": answer["advice"]} if "advice" in answer else {}
    assert answer == {"status": "error", "reason": answer["reason"], **parts}
    assert not parts or answer["reason"] == f"{answer['what']}; {answer['advice']}"
    for word in words:
        assert word in answer["reason"]
    bench.assert_idle()
    assert await client.receive() is None
    client.close()
    await wait_idle(bench)
    with bench.connect() as other:
        await other.go_live(key="app")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", ["not a line of JSON", "send one object"]),
        (b"{", ["not a line of JSON"]),
        (b"\xff", ["not a line of JSON"]),
        (b'{"auth": NaN}', ["not a line of JSON"]),
        (b"[" * 60000, ["not a line of JSON"]),
        (b"[]", ["not a JSON object"]),
        (b'"auth"', ["not a JSON object"]),
        (b"null", ["not a JSON object"]),
        (b"{}", ["auth is missing", "blake2b-512"]),
        (b'{"auth": null}', ["auth is missing"]),
        (b'{"auth": 1}', ["auth is malformed", "128"]),
        (b'{"auth": "12ab"}', ["auth is malformed"]),
        (b'{"auth": "%s"}' % (b"x" * 128), ["auth is malformed"]),
        (b'{"auth": "%s"}' % hash_token(b"").encode(), ["empty token"]),
        (b'{"auth": "%s", "key": 1}' % TOKEN_HASH.encode(), ["key is not a string"]),
        (b'{"auth": "%s", "key": ["a"]}' % TOKEN_HASH.encode(), ["key is not a string"]),
        (b'{"auth": "%s", "key": "a-b"}' % TOKEN_HASH.encode(), ["'a-b'", "'-'", "choose"]),
        (b'{"auth": "%s", "key": "a.b"}' % TOKEN_HASH.encode(), ["'a.b'", "a-z", "choose"]),
        (b'{"auth": "%s", "key": "xn--a"}' % TOKEN_HASH.encode(), ["choose"]),
        (b'{"auth": "%s", "key": "%s"}' % (TOKEN_HASH.encode(), b"k" * 64), ["too long", "shorter"]),
        (b'{"auth": "%s", "key": "a\\u0000\\nb"}' % TOKEN_HASH.encode(), ["a-z"]),
        (b"x" * 65536, ["longer than 65536 bytes"]),
    ],
)
async def test_a_bad_registration_is_told_what_to_do(bench: Bench, line: bytes, words: list[str]) -> None:
    with bench.connect() as client:
        await client.greet()
        client.listen()
        await client.send(line + b"\n")
        await assert_refused(bench, client, *words)


async def test_no_newline_within_the_longest_line(bench: Bench) -> None:
    with bench.connect() as client:
        await client.greet()
        await client.send(b" " * 65536)
        await assert_refused(bench, client, "longer than 65536 bytes")


async def test_a_line_of_the_greatest_length_is_read(bench: Bench) -> None:
    with bench.connect() as client:
        await client.greet()
        client.listen()
        await client.send(b'{"auth": "%s", "key": "app"}'.ljust(65535 + 2 - 128) % TOKEN_HASH.encode() + b"\n")
        answer = await client.receive()
        assert answer is not None and answer["status"] == "ok"


async def test_half_a_line_and_then_silence(bench: Bench, mock_clock: trio.testing.MockClock) -> None:
    with bench.connect() as client:
        await client.greet()
        await client.send(b'{"auth"')
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(LIMITS.control_line_timeout - 1)
        await client.send(b": ")  # still not all of it: the deadline is the line's
        await trio.testing.wait_all_tasks_blocked()
        assert len(bench.session_directories) == 1
        mock_clock.jump(1)
        await assert_refused(bench, client, "half a line")


async def test_silence_before_the_line_is_no_fault(bench: Bench, mock_clock: trio.testing.MockClock) -> None:
    with bench.connect() as client:
        await client.greet()
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(86_400)  # an application may take long to start
        await trio.testing.wait_all_tasks_blocked()
        client.listen()
        assert (await client.register())["status"] == "ok"


async def test_lines_after_the_registration_are_answered_up_to_a_number(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(key="app")
        for _ in range(LIMITS.max_control_lines):
            assert len(bench.routes) == 1
            answer = await client.register(key="other")
            assert answer["status"] == "error"
            assert "already registered" in answer["reason"]
        assert await client.receive() is None
    await wait_idle(bench)


def make_nothing(client: Client) -> None:
    pass


def make_link(client: Client) -> None:
    target = client.directory / "other"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(target))
    client.relay.symlink_to(target)


def make_file(client: Client) -> None:
    client.relay.touch(mode=0o660)


def make_directory(client: Client) -> None:
    client.relay.mkdir()


def make_fifo(client: Client) -> None:
    os.mkfifo(client.relay, 0o660)


def make_dead(client: Client) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(client.relay))
    client.relay.chmod(0o660)


def make_datagram(client: Client) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(client.relay))
    client.relay.chmod(0o660)


def make_open_to_writers(client: Client) -> None:
    client.listen(mode=0o662)


def make_open_to_readers(client: Client) -> None:
    client.listen(mode=0o664)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_nothing, ["no relay socket at", "AllowStreamLocalForwarding"]),
        (make_file, ["is no socket"]),
        (make_fifo, ["is no socket"]),
        (make_dead, ["does not accept a connection", "0660"]),
        (make_datagram, ["does not accept a connection"]),
        (make_open_to_writers, ["open to others", "chmod 660"]),
        (make_open_to_readers, ["open to others", "chmod 660"]),
    ],
)
async def test_a_bad_relay_socket_is_told_what_to_do(
    bench: Bench, make: Callable[[Client], None], words: list[str]
) -> None:
    with bench.connect() as client:
        await client.greet()
        make(client)
        await client.send(json.dumps({"auth": TOKEN_HASH, "key": "app"}).encode() + b"\n")
        await assert_refused(bench, client, *words)


@pytest.mark.parametrize(("make", "words"), [(make_link, "is a link"), (make_directory, "is no socket")])
async def test_what_more_a_client_leaves_in_its_directory_goes_with_it(
    bench: Bench, make: Callable[[Client], None], words: str
) -> None:
    with bench.connect() as client:
        await client.greet()
        make(client)
        answer = await client.register(key="app")
        assert answer["status"] == "error"
        assert words in answer["reason"]
    await wait_idle(bench)


async def test_a_relay_socket_of_another_user_is_not_taken(bench: Bench) -> None:
    bob = real_person(BOB)
    with bench.connect() as client, socket.socket(socket.AF_UNIX) as bobs:
        await client.greet()
        with acting_as(bob):
            bobs.bind(str(client.relay))
            client.relay.chmod(0o660)
            bobs.listen()
        await client.send(json.dumps({"auth": TOKEN_HASH}).encode() + b"\n")
        await assert_refused(bench, client, "belongs to another user")


async def test_a_name_is_taken_until_its_session_ends(bench: Bench) -> None:
    with bench.connect() as second:
        await second.greet()
        second.listen()
        with bench.connect() as first:
            await first.go_live(key="app")
            answer = await second.register(key="app", auth=OTHER_HASH)
            assert answer["status"] == "error"
            assert "name taken" in answer["reason"] and "another key" in answer["reason"]
            assert len(bench.routes) == 1
        # Closed this moment; whoever comes next finds the name free.
        with bench.connect() as third:
            await third.go_live(key="app")


# Its end.


def replace(relay: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(relay) + "2")
        os.chmod(str(relay) + "2", 0o660)
        sock.listen()
        os.rename(str(relay) + "2", relay)


def move(relay: Path) -> None:
    os.rename(relay, relay.parent / "elsewhere")
    os.unlink(relay.parent / "elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        os.unlink,
        replace,
        lambda relay: relay.chmod(0o662),
        lambda relay: relay.chmod(0o664),
        move,
        lambda relay: os.chown(relay, os.geteuid() + 1, -1),
    ],
    ids=["removed", "replaced", "writable", "readable", "moved", "given away"],
)
async def test_a_relay_socket_that_is_no_longer_what_was_checked(
    bench: Bench, change: Callable[[Path], None]
) -> None:
    with bench.connect() as client:
        await client.go_live(key="app")
        route = bench.routes.find(f"app-{LABEL}.apps.test")
        assert route is not None
        try:
            change(client.relay)
        except PermissionError:
            missing("needs root, to give a socket away")
        with trio.fail_after(PATIENCE):
            assert await client.receive() is None
        left = bench.routes.get(route.id)
        assert left is not None and not left.is_attached and left.relay_path is None
        bench.assert_idle()


async def test_what_changes_beside_the_relay_socket_is_no_matter(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(key="app")
        (client.directory / "other").touch()
        (client.directory / "other").unlink()
        client.relay.chmod(0o600)  # closer than needed
        await trio.testing.wait_all_tasks_blocked()
        assert len(bench.routes) == 1


# An application that is still starting.


async def test_people_know_it_by_a_name(bench: Bench) -> None:
    service = OwnerService(bench.context)
    with bench.connect() as client:
        names = {"application": "JupyterLab", "commandLine": "jupyter lab"}
        await client.go_live(key="app", extensions=["names"], **names)
        route = bench.routes.find(f"app-{LABEL}.apps.test")
        assert route is not None and (route.application, route.command) == ("JupyterLab", "jupyter lab")
        told, own = service.describe(route), service.describe_for_owner(route)
        assert told["application"] == "JupyterLab" and "command" not in told
        assert own == {"command": "jupyter lab"}


async def test_its_owner_sees_what_it_says_while_it_starts(bench: Bench) -> None:
    service = OwnerService(bench.context)
    with bench.connect() as client:
        await client.go_live(key="app", extensions=["starting", "output"], starting=True)
        route = bench.routes.find(f"app-{LABEL}.apps.test")
        assert route is not None
        version = service.version(route)
        await client.say("output", lines=["one", "two"])
        await trio.testing.wait_all_tasks_blocked()
        assert service.last_output(route.id) == ("one", "two")
        assert service.version(route) != version
        assert "output" not in service.describe(route)
        assert service.describe_for_owner(route)["output"] == ("one", "two")
        await client.say("ready")
        await client.receive()
        assert service.last_output(route.id) == ()
        await client.say("output", lines=["three"])  # which is between the application and its owner
        await trio.testing.wait_all_tasks_blocked()
        assert service.last_output(route.id) == ()


async def test_a_name_may_be_there_before_its_application(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(key="app", extensions=["starting"], starting=True)
        assert isinstance(bench.state_of(f"app-{LABEL}.apps.test"), Starting)
        await client.say("ready")
        assert await client.receive() == {"event": "ready"}
        assert isinstance(bench.state_of(f"app-{LABEL}.apps.test"), Live)
