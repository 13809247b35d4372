"""The operators' connections: refused or served, in steps, and to the end for what is done."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.lowlevel

from conductor_trio.server.admin.host import AdminHost
from conductor_trio.server.admin.peers import Operators
from conductor_trio.server.routing.states import Cause, Ended
from tests.support.operators import make_service
from tests.support.programs import wait_until
from tests.support.routes import make_route
from tests.support.served_file import FiledServer, open_filed_server
from tests.support.session_bench import LABEL, LIMITS, Bench, open_bench
from tests.support.users import BOB, acting_as, real_person


@attrs.define(eq=False)
class Wire:
    """An operator's end, without any of our code."""

    stream: trio.SocketStream
    rest: bytes = b""

    async def line(self) -> Any:
        while b"\n" not in self.rest:
            data = bytes(await self.stream.receive_some())
            if not data:
                return None
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        return json.loads(line)

    async def ask(self, **command: object) -> list[Any]:
        await self.stream.send_all(json.dumps(command).encode() + b"\n")
        lines = [await self.line()]
        while "status" not in lines[-1]:
            lines.append(await self.line())
        return lines


def make_host(bench: Bench) -> AdminHost:
    service = make_service(bench)
    return AdminHost(service, Operators.of_group(None), bench.context)


@asynccontextmanager
async def open_wire(bench: Bench) -> AsyncIterator[Wire]:
    ours, theirs = socket.socketpair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(make_host(bench).serve, ours, "")  # noqa: ASYNC113 # what is sent waits for it
        theirs.setblocking(False)
        async with trio.SocketStream(trio.socket.from_stdlib_socket(theirs)) as stream:
            with trio.fail_after(30):  # noqa: ASYNC100 # the test waits within
                yield Wire(stream)


async def test_commands_are_answered_in_order(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench, open_wire(bench) as wire:
        assert await wire.ask(command="sessions") == [
            {"status": "ok", "count": 0, "orders": {"blocks": [], "drain": None, "announcement": None}}
        ]
        [refused] = await wire.ask(command="session", host="nope")
        assert refused["status"] == "error" and "nope" in refused["reason"]
        # It goes on after a refusal, and after what is no command.
        await wire.stream.send_all(b"nonsense\n" + b'{"command": "orders"}\n')
        assert (await wire.line())["status"] == "error"
        assert (await wire.line())["status"] == "ok"


async def test_a_long_list_comes_in_pieces_and_others_have_their_turn(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        for number in range(100):
            bench.routes.register(make_route(host=f"h{number}.test", user=f"u{number}"))
        steps = 0

        async def count() -> None:
            nonlocal steps
            while True:
                await trio.lowlevel.checkpoint()
                steps += 1

        async with open_wire(bench) as wire, trio.open_nursery() as nursery:
            nursery.start_soon(count)
            *items, end = await wire.ask(command="sessions")
            nursery.cancel_scope.cancel()
        assert len(items) == end["count"] == 100
        assert steps > 100 / 8
        for route in bench.routes.attached():
            bench.routes.change(route.id, Cause.LEFT)


async def test_what_is_done_is_done_though_nobody_waits_for_the_answer(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        with contextlib.ExitStack() as stack:
            for number in range(20):
                client = stack.enter_context(bench.connect())
                await client.go_live(key=f"k{number}")
            ours, theirs = socket.socketpair()
            theirs.send(b'{"command": "end", "all": true, "reason": ""}\n')
            theirs.close()
            await make_host(bench).serve(ours, "")
            for number in range(20):
                await bench.wait_state(f"k{number}-{LABEL}.apps.test", Ended)


async def test_the_processor_is_measured_while_somebody_looks(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench, trio.open_nursery() as nursery:
        fairness = bench.context.ledger.fairness
        nursery.start_soon(fairness.run)
        async with open_wire(bench) as wire:
            await wire.ask(command="usage")
            first = (await wire.ask(command="usage"))[0:-1]
            assert first
            account = bench.context.ledger.user(os.getuid())
            before = account.used
            await wire.ask(command="sessions")
            await wire.ask(command="sessions")
            assert account.used > before
        nursery.cancel_scope.cancel()


async def test_a_stranger_is_refused_in_one_line(runtime_dir: Path, short_tmp: Path) -> None:
    bob = real_person(BOB)
    path = short_tmp / "s"
    async with open_bench(runtime_dir) as bench:
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(str(path))
            path.chmod(0o777)
            listener.listen()
            with acting_as(bob):
                client.connect(str(path))
            client.send(b'{"command": "end", "all": true}\n')
            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(make_host(bench).serve, listener.accept()[0], "")
                    await trio.lowlevel.checkpoint()
                    client.setblocking(False)
                    stream = trio.SocketStream(trio.socket.from_stdlib_socket(client.dup()))
                    told = await Wire(stream).line()
                    await stream.aclose()
        assert told["status"] == "error" and told["reason"].startswith("only root may")
    path.unlink()


async def test_of_many_who_are_no_operators_a_few_are_told_and_none_waited_for(
    runtime_dir: Path, short_tmp: Path
) -> None:
    bob = real_person(BOB)
    path = short_tmp / "s"
    count = LIMITS.max_user_refused
    async with open_bench(runtime_dir) as bench:
        host = make_host(bench)
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            path.chmod(0o777)
            listener.listen(2 * count)
            clients = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2 * count)]
            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:
                    for client in clients:
                        with acting_as(bob):
                            client.connect(str(path))
                        nursery.start_soon(host.serve, listener.accept()[0], "")
                    await trio.testing.wait_all_tasks_blocked()
                    for client in clients:
                        client.setblocking(False)
                    assert sum(b"only root may" in client.recv(4096) for client in clients) == count
                    assert clients[-1].recv(1) == b""  # at once, and the others soon
    path.unlink()


def ask(filed: FiledServer, command: str) -> list[dict[str, Any]]:
    """Ask a server as one who knows nothing but lines, until it says that this is all."""
    lines: list[dict[str, Any]] = []
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(filed.runtime_dir / "admin"))
        sock.sendall(json.dumps({"command": command}).encode() + b"\n")
        with sock.makefile("rb") as answer:
            while not lines or "item" in lines[-1]:
                lines.append(json.loads(answer.readline()))
    return lines


async def test_the_socket_is_open_to_root_and_the_servers_user(short_tmp: Path, runtime_dir: Path) -> None:
    bob = real_person(BOB)
    async with open_filed_server(short_tmp, "") as filed:
        path = runtime_dir / "admin"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with acting_as(bob), pytest.raises(PermissionError):
            ask(filed, "orders")
        path.chmod(0o666)  # by accident
        with acting_as(bob):
            [refused] = ask(filed, "reload")
        assert refused["status"] == "error" and refused["what"].startswith("only root may")
        assert (await filed.program.wait_logged("admin_refused"))["uid"] == bob.uid
        assert filed.pid == filed.program.process.pid
    assert not list(runtime_dir.glob("admin*"))


async def test_what_is_in_force_is_told(short_tmp: Path, runtime_dir: Path) -> None:
    async with open_filed_server(short_tmp, "grace = 4\n", "-v") as filed:
        *items, end = ask(filed, "config")
        assert (end["status"], end["pid"], end["file"]) == ("ok", filed.pid, str(filed.file))
        settings = [item["item"] for item in items]
        assert {"key": ["grace"], "value": 4, "from": "file", "file": str(filed.file), "line": 4} in settings
        assert {"key": ["verbose"], "value": True, "from": "command line", "option": "-v"} in settings


async def test_a_reload_is_answered_through_the_hand_over_that_cuts_others_off(
    short_tmp: Path, runtime_dir: Path
) -> None:
    async with open_filed_server(short_tmp, "") as filed:
        with socket.socket(socket.AF_UNIX) as other:
            other.settimeout(60)
            other.connect(str(runtime_dir / "admin"))
            other.sendall(b'{"command": "orders"}\n')
            assert b'"status": "ok"' in other.recv(4096)
            answer = await trio.to_thread.run_sync(ask, filed, "reload")
            assert answer == [{"status": "ok", "count": 0, "notes": []}]
            assert await trio.to_thread.run_sync(other.recv, 4096) == b""
        while filed.pid == filed.program.process.pid:
            await filed.program.err.wait_line(lambda line: '"listening"' in line, len(filed.program.err.lines))
        filed.write("prot = 1\n")
        [refused] = await trio.to_thread.run_sync(ask, filed, "reload")
        assert (refused["status"], refused["exit"]) == ("error", 2) and "prot" in refused["reason"]


async def test_the_group_is_in_the_file_and_a_reload_changes_it(short_tmp: Path, runtime_dir: Path) -> None:
    bob = real_person(BOB)
    short_tmp.chmod(0o755)
    async with open_filed_server(short_tmp, "") as filed:
        filed.write(f'admin_group = "{grp.getgrgid(bob.gid).gr_name}"\n')
        await filed.reload()
        await wait_until(lambda: stat.S_IMODE((runtime_dir / "admin").stat().st_mode) == 0o666)
        with acting_as(bob):
            assert ask(filed, "orders")[-1]["status"] == "ok"
        filed.write('admin_group = "no-such-group"\n')
        done = await filed.command("reload")
        assert done.process.returncode == 1
        assert "there is no group 'no-such-group' on this host" in done.err.text
