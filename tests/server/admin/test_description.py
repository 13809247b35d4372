"""What the operator is told of sessions is what is so when their turn comes."""

from __future__ import annotations

from pathlib import Path

from conductor_trio.server.admin.description import Describer
from conductor_trio.server.routing.states import Detached, Ended
from conductor_trio.server.sessions.owner_service import OwnerService
from tests.support.session_bench import LABEL, USER, open_bench


async def test_sessions_that_go_while_they_are_listed(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        describer = Describer(bench.context, OwnerService(bench.context))
        with bench.connect() as stays:
            await stays.go_live(key="stays", extensions=["resume"])
            with bench.connect() as goes:
                await goes.go_live(key="goes")
                with bench.connect() as lost:
                    await lost.go_live(key="lost", extensions=["resume"])
                    listing = describer.describe_all(bench.routes.attached())
                    assert (next(listing) or {})["key"] == "stays"
                    usage = describer.describe_usage()
                    assert next(usage) is None
                await bench.wait_state(f"lost-{LABEL}.apps.test", Detached)
            await bench.wait_state(f"goes-{LABEL}.apps.test", Ended)
            accounts = len(bench.context.ledger)
            told = [None if one is None else (one["key"], one["state"]) for one in listing]
            assert told == [None, ("lost", "lost")]
            [user] = [one for one in usage if one is not None and one["user"] == USER]
            assert (user["sessions"], user["lost"]) == (2, 1)
            # Nothing was opened for what is not here any more.
            assert len(bench.context.ledger) == accounts
