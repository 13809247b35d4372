"""Notices: each client that listens is told once what is so, whenever it came."""

from __future__ import annotations

from pathlib import Path

from conductor_trio.server.orders.orders import Announcement, Drain
from tests.support.session_bench import open_bench

EXTENSIONS = ["notices", "resume"]


async def test_who_is_here_and_who_comes_is_told(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        with bench.connect() as first, bench.connect() as later:
            await first.go_live(key="a", extensions=EXTENSIONS)
            bench.context.orders.announce(Announcement(text="Down at noon", since=1.0))
            noon = {"event": "notice", "about": "announcement", "text": "Down at noon", "since": 1.0}
            assert await first.receive() == noon
            bench.context.orders.set_drain(Drain(since=2.0, reason="new disks"))
            drain = await first.receive()
            assert drain is not None and (drain["about"], drain["since"]) == ("drain", 2.0)
            assert drain["text"].endswith("this one goes on: new disks")
            bench.context.orders.set_drain(None)
            bench.context.orders.announce(Announcement(text="Down at one", since=3.0))
            assert (await first.receive() or {})["text"] == "Down at one"
            # Only what is so now, and before anything else.
            await later.go_live(key="b", extensions=EXTENSIONS)
            assert (await later.receive() or {})["text"] == "Down at one"


async def test_who_has_not_asked_for_it_hears_nothing(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        with bench.connect() as old, bench.connect() as new:
            await old.go_live(key="a", extensions=["resume", "owner"])
            await new.go_live(key="b", extensions=EXTENSIONS)
            bench.context.orders.announce(Announcement(text="Down at noon", since=1.0))
            assert (await new.receive() or {})["event"] == "notice"
            await old.say("ready")
            assert await old.receive() == {"event": "ready"}
