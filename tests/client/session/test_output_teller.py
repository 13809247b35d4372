"""What the application says is told once a second at most, and no more once it is ready."""

from __future__ import annotations

import itertools
import json

import trio
from trio.testing import MockClock

from conductor_trio.access.tokens import hash_token
from conductor_trio.client.application.output_tail import OutputTail
from conductor_trio.client.session.channel import ControlChannel
from conductor_trio.client.session.output_teller import tell_output
from conductor_trio.control.messages import OUTPUT, RESUME, STARTING, Registration
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import OUTPUT_PAUSE
from tests.doubles.streams import memory_stream_pair


async def test_it_is_told_now_and_then_until_it_is_ready(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    channel = ControlChannel(ours, ClientLimits())
    extensions = [RESUME, STARTING, OUTPUT]
    greeting = {"directory": "/d", "status": "ok", "extensions": extensions}
    await theirs.send_all(json.dumps(greeting).encode() + b'\n{"status": "ok", "urls": ["a"]}\n')
    await channel.receive_banner()
    await channel.register(Registration(auth=hash_token(b"t"), key=None, extensions=frozenset(extensions)))
    await theirs.receive_some(65536)
    tail, ready = OutputTail(), trio.Event()
    tail.add("stdout", "one\n")
    told: list[tuple[float, list[str]]] = []

    async def hear() -> None:
        while data := await theirs.receive_some(65536):
            told.extend((trio.current_time(), json.loads(line)["lines"]) for line in data.splitlines())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        async with trio.open_nursery() as telling:
            telling.start_soon(tell_output, channel, tail, ready)
            for number in range(20):
                await trio.sleep(OUTPUT_PAUSE / 10)
                tail.add("stdout", f"{number}\n")
            await trio.sleep(OUTPUT_PAUSE * 2)
            ready.set()
            tail.add("stdout", "never told\n")
        nursery.cancel_scope.cancel()
    assert told[0][1] == ["one"] and told[-1][1][-1] == "19"
    assert 3 <= len(told) <= 6
    times = [time for time, _ in told[1:]]
    assert all(later - time >= OUTPUT_PAUSE for time, later in itertools.pairwise(times))
