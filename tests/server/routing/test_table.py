"""The route table, driven in any order beside a model of what each name stands for."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from conductor_trio.access.grants import Access, Share
from conductor_trio.access.tokens import TokenHash, hash_token
from conductor_trio.control.messages import Takeover
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.feed import RouteChange, RouteChanged, RouteDown, RouteUp
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.snapshot import Snapshot
from conductor_trio.server.routing.states import Cause, Detached, Ended, Live, Starting
from tests.support.routes import make_route, make_table

LIMITS = ServerLimits(detached_timeout=60, tombstone_timeout=3600, max_tombstones=5, max_user_tombstones=3)
USERS = ("alice", "bob")
KEYS = ("a", "b", "c")
TOKENS = (b"1", b"2")


@attrs.define(eq=False)
class Lost:
    """What the model knows of a session that is expected back."""

    token_hash: TokenHash
    expires: float


class Routes(RuleBasedStateMachine):
    """Sessions come, go on purpose, get lost, come back and are taken over, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.table = make_table(LIMITS, lambda: self.now)
        self.live: dict[str, Route] = {}
        self.lost: dict[str, Lost] = {}
        self.follow()

    def follow(self) -> None:
        """Keep a copy of the table by its feed alone."""
        self.copy: dict[str, Route] = {}
        self.table.subscribe(self.apply)

    def apply(self, change: RouteChange) -> None:
        """Do what a subscriber does."""
        match change:
            case RouteUp(route=route):
                assert route.id not in self.copy
                self.copy[route.id] = route
            case RouteChanged(route=route, before=before):
                assert self.copy[route.id] == before and route != before
                self.copy[route.id] = route
            case RouteDown(route=route):
                assert self.copy.pop(route.id) == route

    def _name(self, user: str, key: str) -> str:
        return f"{key}-{user}.test"

    @rule(
        user=st.sampled_from(USERS),
        key=st.sampled_from(KEYS),
        token=st.sampled_from(TOKENS),
        takeover=st.sampled_from(Takeover),
    )
    def register(self, user: str, key: str, token: bytes, takeover: Takeover) -> None:
        """A session asks for a name."""
        name = self._name(user, key)
        route = make_route(host=name, user=user, key=key, token=token)
        holder: Route | Lost | None = self.live.get(name) or self.lost.get(name)
        held_hash = None
        if isinstance(holder, Route):
            held_hash = holder.access.owner_hash
        elif holder is not None:
            held_hash = holder.token_hash
        is_own = held_hash == route.access.owner_hash
        may = holder is None or takeover is Takeover.ANY or (takeover is Takeover.OWN and is_own)
        if not may:
            with pytest.raises(RegistrationRefused, match="name taken"):
                self.table.register(route, takeover)
            return
        assert self.table.register(route, takeover) == route
        if isinstance(holder, Route):
            assert self.table.get(holder.id) is None
            self.table.change(holder.id, Cause.LINK_LOST)  # the session's own end comes later than its replacement
        self.lost.pop(name, None)
        self.live[name] = route

    @precondition(lambda self: self.live)
    @rule(data=st.data(), is_lost=st.booleans())
    def end(self, data: st.DataObject, is_lost: bool) -> None:
        """A session ends."""
        name = data.draw(st.sampled_from(sorted(self.live)))
        route = self.live.pop(name)
        self.table.change(route.id, Cause.LINK_LOST if is_lost else Cause.LEFT)
        if is_lost:
            expires = self.now + LIMITS.detached_timeout
            self.lost[name] = Lost(token_hash=route.access.owner_hash, expires=expires)

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
        snapshot = self.table.snapshot()
        tokens = {name: route.access.owner_hash for name, route in self.live.items()}
        tokens |= {name: known.token_hash for name, known in self.lost.items()}
        assert {route.hosts[0]: route.access.owner_hash for route in snapshot.routes} == tokens
        self.table = make_table(LIMITS, lambda: self.now)
        self.follow()
        self.table.restore(snapshot)
        expires = self.now + LIMITS.detached_timeout
        self.live = {}
        self.lost = {name: Lost(token_hash=token, expires=expires) for name, token in tokens.items()}

    @invariant()
    def each_name_stands_for_what_it_should(self) -> None:
        """The table agrees with the model."""
        tombstones = 0
        for user in USERS:
            for key in KEYS:
                name = self._name(user, key)
                found = self.table.find(name)
                if name in self.live:
                    assert found == self.live[name] and found is self.table.get(self.live[name].id)
                elif name in self.lost:
                    assert found is not None and found.is_detached and found.relay_path is None
                    assert found.access.owner_hash == self.lost[name].token_hash
                elif found is not None:
                    assert isinstance(found.state, Ended) and found.state.expires > self.now
                    tombstones += 1
        assert len(self.table) == len(self.table.attached()) == len(self.live)
        assert self.table.detached == len(self.lost)
        assert self.table.ended == tombstones <= LIMITS.max_tombstones
        for user in USERS:
            own = [route for route in self.copy.values() if route.user == user and route.has_ended]
            assert len(own) <= LIMITS.max_user_tombstones

    @invariant()
    def the_feed_tells_it_all(self) -> None:
        """Whoever follows the feed has the same table."""
        assert all(self.table.get(id_) is route for id_, route in self.copy.items())
        assert len(self.copy) == len(self.table) + self.table.detached + self.table.ended


TestRoutes: Any = Routes.TestCase


def test_a_saved_route_whose_name_is_in_use_again_is_not_restored() -> None:
    table = make_table(LIMITS, lambda: 0.0)
    route = table.register(make_route(host="a.test"))
    table.restore(Snapshot(since=0.0, routes=(make_route(host="a.test", token=b"other"),)))
    assert table.find("a.test") is route
    assert table.snapshot().routes == (route,)


def test_what_is_restored_is_expected_back_whatever_it_was_and_leads_nowhere() -> None:
    table = make_table(LIMITS, lambda: 5.0)
    for host, state in (("a", Live(since=1.0)), ("b", Starting(since=1.0)), ("c", Detached(since=1.0, expires=0))):
        saved = make_route(host=host, state=state)
        table.restore(Snapshot(since=3.0, routes=(saved,)))
        found = table.find(host)
        assert found is not None and found.relay_path is None
        assert found.state == Detached(since=3.0, expires=5.0 + LIMITS.detached_timeout)


def share(id_: str, *, expires: float | None = None) -> Share:
    return Share(
        id=id_,
        label="",
        created=0.0,
        expires=expires,
        link_hash=hash_token(id_.encode()),
        token_hash=hash_token(id_.encode()),
        is_once=False,
    )


def test_what_was_concluded_of_tokens_holds_for_the_session_that_comes_back() -> None:
    table = make_table(LIMITS, lambda: 0.0)
    first = table.register(make_route(host="a.test", is_resumable=True))
    table.change(first.id, Cause.LINK_LOST)
    assert table.register(make_route(host="a.test")).access is first.access
    assert table.register(make_route(host="a.test", token=b"another"), Takeover.ANY).access is not first.access


def test_shares_go_over_to_the_session_that_comes_back_and_end_when_their_time_has_come() -> None:
    table = make_table(LIMITS, lambda: 0.0)
    first = table.register(make_route(is_resumable=True))
    table.set_access(first.id, first.access.with_share(share("a")).with_share(share("b", expires=1.0)))
    table.change(first.id, Cause.LINK_LOST)
    second = table.register(make_route())
    assert [one.id for one in second.access.shares] == ["a", "b"]
    changes: list[RouteChange] = []
    table.subscribe(changes.append)
    table.expire()
    assert [one.id for one in table.attached()[0].access.shares] == ["a"]
    assert [type(change) for change in changes] == [RouteChanged]
    table.expire()
    assert len(changes) == 1


def test_what_is_over_ends_in_steps_and_what_has_gone_meanwhile_is_left_alone() -> None:
    now = 0.0
    table = make_table(LIMITS, lambda: now)
    detached = [table.register(make_route(host=f"{name}.test", is_resumable=True)) for name in "abc"]
    shared = table.register(make_route(shares=(share("x", expires=1.0),)))
    gone = table.register(make_route(host="gone.test", shares=(share("y", expires=1.0),)))
    for route in detached:
        table.change(route.id, Cause.LINK_LOST)
    now = 1e6
    changes: list[RouteChange] = []
    table.subscribe(changes.append)
    steps = table.expire_in_steps()
    for count in (1, 2, 3):
        next(steps)
        assert len(changes) == count
    table.change(gone.id, Cause.REPLACED)
    for _ in steps:
        pass
    found = table.get(shared.id)
    assert found is not None and found.access.shares == ()
    assert table.get(gone.id) is None


def test_what_is_gone_can_be_changed_no_more() -> None:
    table = make_table(LIMITS, lambda: 0.0)
    first = table.register(make_route())
    second = table.register(make_route())
    table.set_access(first.id, Access(owner_hash=hash_token(b"x")))
    table.change(first.id, Cause.READY)
    assert table.snapshot().routes == (second,)


def test_of_a_user_are_the_sessions_that_are_and_those_expected_back() -> None:
    table = make_table(LIMITS, lambda: 0.0)
    live, lost, ended = (table.register(make_route(host=f"{n}.test")) for n in "abc")
    table.register(make_route(host="d.test", user="bob"))
    table.change(lost.id, Cause.LINK_LOST)
    table.change(ended.id, Cause.LEFT)
    assert {route.id for route in table.of_user("alice")} == {live.id, lost.id}


def test_the_shares_of_a_user_s_tombstones_have_a_bound_and_others_keep_theirs() -> None:
    table = make_table(ServerLimits(max_user_shares=5), lambda: 0.0)

    def end(key: str, user: str, shares: int) -> None:
        route = table.register(make_route(host=f"{key}-{user}.test", user=user, key=key))
        for number in range(shares):
            link = hash_token(f"{key}{number}".encode())
            share = Share(
                id=f"{number}", label="", created=0, expires=None, link_hash=link, token_hash=link, is_once=False
            )
            table.set_access(route.id, table.find(route.hosts[0]).access.with_share(share))  # type: ignore[union-attr]
        table.change(route.id, Cause.LEFT)

    end("a", "bob", 5)
    for key, shares in (("a", 3), ("b", 2), ("c", 1), ("d", 0), ("e", 9)):
        end(key, "alice", shares)
    there = {route.hosts[0] for host in "abcde" if (route := table.find(f"{host}-alice.test")) is not None}
    assert there == {"e-alice.test"}
    end("f", "alice", 2)
    assert table.find("e-alice.test") is None
    assert table.find("f-alice.test") is not None
    assert table.find("a-bob.test") is not None
