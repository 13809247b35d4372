"""How many sessions stand, of each user, and how many of them are expected: as the route table has it."""

from __future__ import annotations

import attrs

from conductor_trio.control.messages import Takeover
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.sessions.standing import StandingSessions
from tests.support.routes import make_route, make_table


async def test_sessions_are_counted_while_they_stand_and_expected_while_they_are_away() -> None:
    table = make_table(ServerLimits())
    standing = StandingSessions(table)

    def counts() -> tuple[int, int, int]:
        return standing.of_user("alice"), standing.returning("alice"), standing.returning_in_all

    one = table.register(make_route(host="one.test"))
    assert counts() == (1, 0, 0)
    table.register(make_route(host="bobs.test", user="bob"))
    lent = table.register(attrs.evolve(make_route(host="lent.test"), is_borrowed=True))
    assert counts() == (2, 1, 1)
    table.change(one.id, Cause.LINK_LOST)
    assert counts() == (2, 2, 2)
    again = table.register(make_route(host="one.test"), Takeover.ANY)
    assert counts() == (2, 1, 1)
    table.change(again.id, Cause.LEFT)
    assert counts() == (1, 1, 1)
    table.change(lent.id, Cause.LINK_LOST)
    table.change(lent.id, Cause.EXPIRED)
    assert counts() == (0, 0, 0)
    assert standing.of_user("bob") == 1
