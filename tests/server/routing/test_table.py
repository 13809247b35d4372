"""The route table, driven in any order beside a model of what each name stands for."""

from __future__ import annotations

import contextlib
from typing import Any

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from conductor_trio.control.messages import Takeover
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits import ServerLimits
from conductor_trio.server.proxy.upstream import UpstreamPool
from conductor_trio.server.routing.routes import (
    DetachedRoute,
    Route,
    SavedRoute,
    Tombstone,
)
from conductor_trio.server.routing.table import RouteTable

LIMITS = ServerLimits(detached_timeout=60, tombstone_timeout=3600, max_tombstones=5, max_tombstones_per_user=3)
USERS = ("alice", "bob")
KEYS = ("a", "b", "c")
TOKENS = ("1" * 128, "2" * 128)


@attrs.define(eq=False)
class Session:
    """What the model knows of a session that is live."""

    route: Route
    stack: contextlib.ExitStack


@attrs.define(eq=False)
class Lost:
    """What the model knows of a session that is expected back."""

    token_hash: str
    expires: float


class Routes(RuleBasedStateMachine):
    """Sessions come, go on purpose, get lost, come back and are taken over, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.table = RouteTable(LIMITS, clock=lambda: self.now)
        self.live: dict[str, Session] = {}
        self.lost: dict[str, Lost] = {}
        self.replaced: list[Route] = []

    def _name(self, user: str, key: str) -> str:
        return f"{key}-{user}.test"

    @rule(
        user=st.sampled_from(USERS),
        key=st.sampled_from(KEYS),
        token_hash=st.sampled_from(TOKENS),
        takeover=st.sampled_from(Takeover),
    )
    def register(self, user: str, key: str, token_hash: str, takeover: Takeover) -> None:
        """A session asks for a name."""
        name = self._name(user, key)
        route = Route(
            user=user, key=key, hosts=(name,), token_hash=token_hash, pool=UpstreamPool("/nowhere", LIMITS)
        )
        holder: Session | Lost | None = self.live.get(name) or self.lost.get(name)
        held_hash = None
        if isinstance(holder, Session):
            held_hash = holder.route.token_hash
        elif holder is not None:
            held_hash = holder.token_hash
        may = holder is None or takeover is Takeover.ANY or (takeover is Takeover.OWN and held_hash == token_hash)
        stack = contextlib.ExitStack()
        if not may:
            with pytest.raises(RegistrationRefused, match="name taken"):
                stack.enter_context(self.table.registered(route, takeover))
            return
        waiting = self.table.find(name)
        stack.enter_context(self.table.registered(route, takeover))
        if isinstance(holder, Session):
            assert holder.route.is_replaced and not holder.route.is_open
            assert holder.route.session.cancel_called
            assert len(self.table) == len(self.live)
            holder.stack.close()  # the session's own end comes later than its replacement
        elif holder is not None:
            assert isinstance(waiting, DetachedRoute) and waiting.settled.is_set()
        self.lost.pop(name, None)
        self.live[name] = Session(route, stack)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), is_lost=st.booleans())
    def end(self, data: st.DataObject, is_lost: bool) -> None:
        """A session ends."""
        name = data.draw(st.sampled_from(sorted(self.live)))
        session = self.live.pop(name)
        route = session.route
        route.is_resumable = is_lost
        session.stack.close()
        assert not route.is_open
        if is_lost:
            self.lost[name] = Lost(token_hash=route.token_hash, expires=self.now + LIMITS.detached_timeout)

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.table.expire()
        for name, known in list(self.lost.items()):
            if known.expires <= self.now:
                del self.lost[name]

    @rule()
    def restart(self) -> None:
        """Another server goes on with what this one left."""
        saved = self.table.snapshot()
        for session in self.live.values():
            session.stack.close()
        tokens = {name: session.route.token_hash for name, session in self.live.items()}
        tokens |= {name: known.token_hash for name, known in self.lost.items()}
        assert {route.hosts[0]: route.token_hash for route in saved} == tokens
        self.table = RouteTable(LIMITS, clock=lambda: self.now)
        self.table.restore(saved, since=0.0)
        expires = self.now + LIMITS.detached_timeout
        self.live = {}
        self.lost = {name: Lost(token_hash=token, expires=expires) for name, token in tokens.items()}

    @invariant()
    def each_name_stands_for_what_it_should(self) -> None:
        """The table agrees with the model."""
        for user in USERS:
            for key in KEYS:
                name = self._name(user, key)
                found = self.table.find(name)
                if name in self.live:
                    assert found is self.live[name].route
                    assert isinstance(found, Route) and found.user == user and found.is_open
                elif name in self.lost:
                    assert isinstance(found, DetachedRoute)
                    assert found.access.owner == self.lost[name].token_hash
                    assert not found.settled.is_set()
                else:
                    assert found is None or (isinstance(found, Tombstone) and found.expires > self.now)
        assert len(self.table) == len(self.live)
        assert self.table.lost == len(self.lost)
        assert len(self.table._ended) <= LIMITS.max_tombstones
        assert all(len(own) <= LIMITS.max_tombstones_per_user for own in self.table._ended_of_user.values())
        remembered = {name for own in self.table._ended_of_user.values() for name in own}
        assert remembered == set(self.table._ended)

    def teardown(self) -> None:
        """End what is left."""
        for session in self.live.values():
            session.stack.close()


TestRoutes: Any = Routes.TestCase


def test_a_saved_route_whose_name_is_in_use_again_is_not_restored() -> None:
    table = RouteTable(LIMITS, clock=lambda: 0.0)
    route = Route(
        user="alice", key="a", hosts=("a.test",), token_hash=TOKENS[0], pool=UpstreamPool("/nowhere", LIMITS)
    )
    with table.registered(route):
        table.restore([SavedRoute(hosts=("a.test",), token_hash=TOKENS[1])], since=0.0)
        assert table.find("a.test") is route
        assert table.snapshot() == (SavedRoute(hosts=("a.test",), token_hash=TOKENS[0]),)
