"""The one ruling on a request, pure: from its head, its route, the load and the policy to what becomes of it.

Who gets in, `access.decide` says; what the session's state and the load make of that, this says. The data plane's
`dispatch` carries a ruling out.
"""

from __future__ import annotations

import enum
from typing import assert_never

import attrs

from conductor_trio.access.decide import decide
from conductor_trio.access.decisions import Forward, OwnPage, Respond
from conductor_trio.access.grants import OWNER, Identity
from conductor_trio.access.guard import TokenGuard
from conductor_trio.access.origins import Policy
from conductor_trio.access.reasons import ApplicationStarting, LinkLost, Refusal, SessionEnded
from conductor_trio.http1.request import RequestHead
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Detached, Ended, Live, Starting


class Load(enum.Enum):
    """How much of what an application may have at once it has."""

    NORMAL = enum.auto()
    FULL = enum.auto()  #: as many exchanges and tunnels as there may be


@attrs.frozen(kw_only=True)
class Park:
    """Have the request wait until its route is another, and rule again; `otherwise` where that takes too long."""

    otherwise: Respond


Ruling = Forward | Park | Respond | OwnPage


def rule(
    head: RequestHead,
    route: Route | None,
    load: Load,
    policy: Policy,
    guard: TokenGuard,
    *,
    https: bool,
    now: float,
    identity: Identity | None = None,
) -> Ruling:
    """Return what becomes of a request at `now` (Unix time); `https` tells how the visitor came.

    `identity` is who the visitor is, where a trusted front proxy says so.
    """
    state = None if route is None else route.state
    access = None if route is None or isinstance(state, Ended) else route.access
    decision = decide(head, access, policy, guard, identity=identity, https=https, now=now)
    if isinstance(decision, Forward):
        assert state is not None and not isinstance(state, Ended)  # where nobody gets in
        return _rule_admitted(decision, state, load)
    if isinstance(state, Ended) and decision == _NO_ROUTE:
        return Respond(reason=SessionEnded(since=state.since))
    return decision


_NO_ROUTE = Respond(reason=Refusal.NO_ROUTE)
_TOO_MANY = Respond(reason=Refusal.TOO_MANY_CONNECTIONS)


def _rule_admitted(admitted: Forward, state: Live | Starting | Detached, load: Load) -> Ruling:
    match state:
        case Live():
            return admitted if load is Load.NORMAL else _TOO_MANY
        case Starting(since=since):
            return Respond(reason=ApplicationStarting(since=since, is_for_owner=admitted.principal == OWNER))
        case Detached(since=since):
            return Park(otherwise=Respond(reason=LinkLost(since=since)))
    assert_never(state)


def may_repeat(route: Route | None, *, is_harmless: bool, repeats: int, max_repeats: int) -> bool:
    """Whether a request whose session ended under it goes to the next session of its host name, or waits for it.

    `route` is what the host name stands for now. `is_harmless` tells that neither the application nor the visitor
    could take the second time for another request, `repeats` how often that was done with this one.
    """
    return is_harmless and repeats < max_repeats and route is not None and not route.has_ended
