"""Proofs of a session's own page: for one session and one time, and bounded in number."""

from __future__ import annotations

import attrs

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.ownpages.proofs import PageProofs
from tests.support.routes import make_route

LAB = make_route(host="lab-alice.test", token=b"alices")
EVIL = make_route(host="evil-bob.test", token=b"bobs")


def test_a_proof_is_good_once_and_for_its_session_only() -> None:
    proofs = PageProofs(ServerLimits())
    one, other = proofs.issue(LAB), proofs.issue(LAB)
    assert one != other
    assert not proofs.take(EVIL, one)
    assert proofs.take(LAB, one) and not proofs.take(LAB, one)
    assert proofs.take(LAB, other) and not proofs.take(LAB, other)
    for guess in ("", None, 1, [one]):
        assert not proofs.take(LAB, guess)


def test_it_stays_good_when_the_link_is_made_anew_and_not_for_another_owner() -> None:
    proofs = PageProofs(ServerLimits())
    proof = proofs.issue(LAB)
    assert not proofs.take(make_route(host="lab-alice.test", token=b"another"), proof)
    assert proofs.take(attrs.evolve(LAB, id="again"), proof)


def test_nobody_fills_it_and_nobody_pushes_out_anothers() -> None:
    proofs = PageProofs(attrs.evolve(ServerLimits(), max_page_proofs=2, max_sessions=2))
    kept = proofs.issue(LAB)
    first, second, third = (proofs.issue(EVIL) for _ in range(3))
    assert not proofs.take(EVIL, first)
    assert proofs.take(EVIL, second) and proofs.take(EVIL, third)
    assert proofs.take(LAB, kept)
    forgotten = proofs.issue(LAB)
    for name in ("one", "two"):
        proofs.issue(make_route(host=f"{name}-bob.test", token=b"bobs"))
    assert not proofs.take(LAB, forgotten)
