"""The operators' connections: refused or served, in steps, and to the end for what is done."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.lowlevel

from conductor_trio.log import get_logger
from conductor_trio.server.admin.host import AdminHost
from conductor_trio.server.admin.peers import Operators
from conductor_trio.server.admin.service import AdminService
from conductor_trio.server.routing.states import Cause, Ended
from conductor_trio.server.sessions.owner_service import OwnerService
from tests.support.routes import make_route
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
    service = AdminService(bench.context, OwnerService(bench.context), get_logger())
    return AdminHost(service, Operators.of_group(None), bench.context.ledger, LIMITS, get_logger())


@asynccontextmanager
async def open_wire(bench: Bench) -> AsyncIterator[Wire]:
    ours, theirs = socket.socketpair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(make_host(bench).serve, ours)  # noqa: ASYNC113 # what is sent waits for it
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
            await make_host(bench).serve(ours)
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
                    nursery.start_soon(make_host(bench).serve, listener.accept()[0])
                    await trio.lowlevel.checkpoint()
                    client.setblocking(False)
                    stream = trio.SocketStream(trio.socket.from_stdlib_socket(client.dup()))
                    told = await Wire(stream).line()
                    await stream.aclose()
        assert told["status"] == "error" and told["reason"].startswith("only root may")
    path.unlink()
