"""Links to the dashboard, and who was let in by them."""

from __future__ import annotations

import re

import pytest

from conductor_trio.access.grants import Share, SingleSignOn
from conductor_trio.access.tokens import hash_token
from conductor_trio.errors import CommandRefused
from conductor_trio.limits.constants import DASHBOARD_LINK_TIME, DASHBOARD_TIME, MAX_ENTRIES
from conductor_trio.server.admin.entries import Entries, Entry, make_entries
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.settings import ServerSettings

ROOT = Operator(uid=0, user="root")
EVE = Operator(uid=7, user="eve")
NOW = 1000.0


def enter(entries: Entries, operator: Operator = ROOT, now: float = NOW) -> tuple[str, Entry]:
    token, _ = entries.make_link(operator, now)
    return entries.redeem(link(entries, token, now), now)


def link(entries: Entries, token: str, now: float = NOW) -> Share:
    found = entries.access.find_link(token.encode(), now)
    assert isinstance(found, Share)
    return found


def test_a_link_lets_one_browser_in_as_who_has_asked_for_it() -> None:
    entries = Entries("admin.test")
    token, until = entries.make_link(ROOT, NOW)
    assert re.fullmatch(r"[-\w]{43}", token) and until == NOW + DASHBOARD_LINK_TIME
    cookie, entry = entries.redeem(link(entries, token), NOW)
    assert cookie != token and (entry.operator, entry.expires) == (ROOT, NOW + DASHBOARD_TIME)
    assert entries.find([b"x", cookie.encode()], NOW) is entry
    assert entries.find([token.encode()], NOW) is None
    assert link(entries, token).token_hash is not None  # used


def test_hashes_alone_are_kept() -> None:
    entries = Entries("admin.test")
    token, _ = entries.make_link(ROOT, NOW)
    cookie, _ = entries.redeem(link(entries, token), NOW)
    kept = repr(vars(entries))
    assert token not in kept and cookie not in kept and hash_token(cookie.encode()) in kept


def test_links_and_entries_end_in_time() -> None:
    entries = Entries("admin.test")
    token, _ = entries.make_link(ROOT, NOW)
    cookie, entry = enter(entries)
    ended: list[str] = []
    entry.watch(lambda: ended.append("closed"))
    assert entries.access.find_link(token.encode(), NOW + DASHBOARD_LINK_TIME) is None
    assert entries.find([cookie.encode()], NOW + DASHBOARD_TIME - 1) is entry
    assert entries.find([cookie.encode()], NOW + DASHBOARD_TIME) is None
    entries.expire(NOW + DASHBOARD_TIME)
    assert entry.is_over and ended == ["closed"] and list(entries.describe(NOW + DASHBOARD_TIME)) == []


def test_all_are_revoked_or_those_of_a_user() -> None:
    entries = Entries("admin.test")
    token, _ = entries.make_link(EVE, NOW)
    cookie, entry = enter(entries)
    other, _ = enter(entries, EVE)
    by_name = entries.admit(Operator(uid=None, user="eve"), NOW)
    assert [(one["kind"], one["user"]) for one in entries.describe(NOW)] == [
        ("link", "eve"),
        ("browser", "root"),
        ("browser", "eve"),
        ("sso", "eve"),
    ]
    assert entries.revoke("eve") == (1, 2)
    assert entries.access.find_link(token.encode(), NOW) is None
    assert entries.find([other.encode()], NOW) is None and by_name.is_over
    assert entries.find([cookie.encode()], NOW) is entry
    assert entries.revoke(None) == (0, 1)
    assert entries.find([cookie.encode()], NOW) is None and entry.is_over


def test_whom_the_single_sign_on_names_has_one_entry_while_it_lasts() -> None:
    entries = Entries("admin.test")
    eve = Operator(uid=None, user="eve")
    entry = entries.admit(eve, NOW)
    assert entries.admit(eve, NOW + 1) is entry
    later = entries.admit(eve, NOW + DASHBOARD_TIME)
    assert later is not entry and entry.is_over
    entries.end(later)
    assert entries.admit(eve, NOW + DASHBOARD_TIME) is not later


def test_there_are_only_so_many() -> None:
    entries = Entries("admin.test")
    for _ in range(MAX_ENTRIES - 1):
        entries.make_link(ROOT, NOW)
    enter(entries)
    with pytest.raises(CommandRefused, match="the most there can be"):
        entries.make_link(ROOT, NOW)
    entries.make_link(ROOT, NOW + DASHBOARD_LINK_TIME)


def test_where_the_single_sign_on_alone_lets_in_there_are_no_links() -> None:
    sso = SingleSignOn(user_field=b"x-user", groups_field=b"x-groups", admin_groups=("ops",), is_needed=True)
    settings = ServerSettings(runtime_dir="/run", patterns=(), admin_host="admin.test", sso=sso)
    entries = make_entries(settings)
    assert entries is not None
    with pytest.raises(CommandRefused, match="links open nothing"):
        entries.make_link(ROOT, NOW)
    assert make_entries(ServerSettings(runtime_dir="/run", patterns=())) is None
