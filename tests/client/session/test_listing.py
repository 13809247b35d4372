"""What the gateway tells of sessions and shares, read, and written for people."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from conductor_trio.client.session.listing import (
    describe_share,
    format_keys,
    format_sessions,
    format_shares,
    parse_sessions,
    parse_share,
)
from conductor_trio.errors import RemoteProtocolError

NOW = 1_000_000.0

SHARE = {
    "id": "abcdefgh",
    "label": "Zoë",
    "created": NOW - 60,
    "expires": NOW + 7200,
    "once": False,
    "used": False,
    "visitors": 1,
}

LIVE: dict[str, Any] = {
    "key": "lab",
    "urls": ["lab-alice.apps.example.org"],
    "state": "live",
    "since": NOW - 7500,
    "node": "node-17",
    "application": "JupyterLab",
    "command": "jupyter lab notes",
    "until": NOW + 3600,
    "idleUntil": NOW + 700,
    "shares": [SHARE],
    "visitors": 3,
    "bytesIn": 1000,
    "bytesOut": 1_300_000,
}

LOST = {
    "key": "a",
    "urls": ["a-alice.localhost:8888"],
    "state": "lost",
    "since": NOW - 5,
    "node": "",
    "until": None,
    "shares": [],
}

jsons: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(-1e12, 1e12) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted({*SHARE, *LIVE})), inner),
)


def test_keys_with_what_people_know_them_by() -> None:
    unnamed = LIVE | {"key": "k-2", "application": "", "node": "", "state": "queued"}
    told = parse_sessions({"sessions": [LIVE, unnamed, unnamed | {"key": "z", "command": "", "node": "node-3"}]})
    assert format_keys(told) == (
        "k-2  jupyter lab notes, queued\nlab  JupyterLab on node-17\nz    queued on node-3\n"
    )
    assert format_keys([]) == ""


def test_sessions_in_a_table() -> None:
    sessions = parse_sessions({"sessions": [LIVE, LOST]})
    assert format_sessions(sessions, NOW).splitlines() == [
        "KEY  STATE  FOR        NODE     VISITORS  TRAFFIC",
        "a    lost   5 s        -               -        -",
        "  http://a-alice.localhost:8888",
        "lab  live   2 h 5 min  node-17         3  1.2 MiB",
        "  JupyterLab: jupyter lab notes",
        "  https://lab-alice.apps.example.org",
        "  its computer's time ends in 1 h 0 min",
        "  nobody uses it; it ends in 11 min unless somebody does",
        "  shared: Zoë, ends in 2 h 0 min",
    ]
    assert format_sessions((), NOW) == "You have no sessions there.\n"


def test_shares_in_a_table() -> None:
    once = {**SHARE, "id": "x", "label": "", "expires": None, "once": True, "visitors": None}
    shares = [parse_share(SHARE), parse_share(once), parse_share(once | {"used": True})]
    assert format_shares(shares, NOW).splitlines() == [
        "ID        LABEL  MADE       ENDS          ONCE    VISITORS",
        "abcdefgh  Zoë    1 min ago  in 2 h 0 min  -              1",
        "x         -      1 min ago  with session  unused         -",
        "x         -      1 min ago  with session  used           -",
    ]
    assert "no shares" in format_shares([], NOW)
    assert describe_share(shares[0], "lab").startswith("This link opens lab to whoever has it, for 2 h 1 min; ")
    assert "to the first browser that opens it, until it ends; " in describe_share(shares[1], "lab")


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "key": st.text(max_size=63),
                "urls": st.just(["h"]),
                "state": st.text(max_size=20),
                "since": st.floats(0, 2e9),
                "node": st.text(max_size=64),
                "shares": st.lists(
                    st.fixed_dictionaries(
                        {"id": st.text(max_size=20), "label": st.text(max_size=60), "created": st.floats(0, 2e9)}
                    ),
                    max_size=2,
                ),
                "visitors": st.integers(0, 10**6),
                "bytesIn": st.integers(0, 10**18),
                "bytesOut": st.integers(0, 10**18),
            }
        ),
        max_size=3,
    )
)
def test_any_sessions_fit_a_terminal(told: list[object]) -> None:
    sessions = parse_sessions({"sessions": told})
    shares = [share for session in sessions for share in session.shares]
    for line in (format_sessions(sessions, NOW) + format_shares(shares, NOW)).split("\n"):
        assert cell_len(line) <= 80
        assert "\x1b" not in line and "\r" not in line


@given(jsons)
def test_any_answer_is_read_or_told_to_be_wrong(told: object) -> None:
    with contextlib.suppress(RemoteProtocolError):
        format_sessions(parse_sessions({"sessions": told}), NOW)
    with contextlib.suppress(RemoteProtocolError):
        format_sessions(parse_sessions({"sessions": [LIVE | (told if isinstance(told, dict) else {})]}), NOW)
    with contextlib.suppress(RemoteProtocolError):
        format_shares([parse_share(told)], NOW)
