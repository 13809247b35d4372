"""KEY and SERVER in either order."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.client.cli.word_order import order_key_and_server

_ALIASES = """\
#!/bin/sh
case $3 in gw) echo hostname gw.example.org ;; *) echo hostname "$3" ;; esac
"""


@pytest.fixture(autouse=True)
def aliases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ssh know one alias, gw, wherever the home of who runs this is."""
    (tmp_path / "ssh").write_text(_ALIASES)
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.parametrize(
    "gateway",
    [
        "gw.example.org",
        "alice@gw",
        "gw:22",
        "gw/run/client",
        "/run/client",
        "./client",
        "[::1]",
        "gw",
        "localhost",
    ],
)
def test_a_gateway_is_known_wherever_it_stands(gateway: str) -> None:
    assert order_key_and_server("lab", gateway, None) == ("lab", gateway)
    assert order_key_and_server(gateway, "lab", None) == ("lab", gateway)
    assert order_key_and_server(gateway, "LAB", None) == ("LAB", gateway)


def test_a_configured_gateway_is_one_whatever_it_looks_like() -> None:
    assert order_key_and_server("cluster", "lab", "cluster") == ("lab", "cluster")
    assert order_key_and_server("lab", "cluster", "cluster") == ("lab", "cluster")
    # A session may be called what others call a host.
    assert order_key_and_server("localhost", "cluster", "cluster") == ("localhost", "cluster")


def test_otherwise_the_key_comes_first() -> None:
    assert order_key_and_server("lab", None, "gw") == ("lab", None)
    assert order_key_and_server("no-such-a", "no-such-b", None) == ("no-such-a", "no-such-b")
    assert order_key_and_server("gw.example.org", "other.example.org", None) == (
        "gw.example.org",
        "other.example.org",
    )


def test_without_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert order_key_and_server("localhost", "lab", None) == ("lab", "localhost")
