"""Which limits are lent, and how much of each a process has from the start."""

from __future__ import annotations

import pytest

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.leases.terms import Kind, Terms, make_key, split_key


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("processes", [2, 3, 257])
def test_what_all_have_from_the_start_is_a_half_at_most(kind: Kind, processes: int) -> None:
    terms = Terms(ServerLimits(), processes)
    key = make_key(kind, "a/b")
    assert split_key(key) == (kind, "a/b")
    assert 0 < processes * terms.base(key) <= terms.limit(key) / 2


def test_each_limit_is_the_servers() -> None:
    limits = ServerLimits(
        max_visitors=1,
        max_address_visitors=2,
        max_route_connections=3,
        max_user_connections=4,
        max_held=5,
        max_account_held=6,
    )
    terms = Terms(limits, 2)
    assert [terms.limit(make_key(kind, "x")) for kind in Kind] == [1, 2, 3, 4, 5, 6]
    assert terms.base(make_key(Kind.VISITORS)) == 0


@pytest.mark.parametrize("key", ["", "nothing/x", "visitor/"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is not a valid Kind"):
        Terms(ServerLimits(), 2).limit(key)
