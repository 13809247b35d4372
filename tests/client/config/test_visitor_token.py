"""Where the token comes from; how the command line uses it is in test_arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.access.token_strength import estimate_bits
from conductor_trio.client.config.visitor_token import TOKEN_VARIABLE, make_token, take_token
from conductor_trio.limits.constants import MIN_TOKEN_BITS


def test_one_made_at_random_cannot_be_guessed() -> None:
    assert make_token() != make_token()
    assert estimate_bits(make_token()) >= MIN_TOKEN_BITS


def test_a_file_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file := tmp_path / "token").write_text("from a file\n")
    file.chmod(0o600)
    monkeypatch.setenv(TOKEN_VARIABLE, "from the environment")
    assert take_token(str(file)) == "from a file"
    monkeypatch.setenv(TOKEN_VARIABLE, "from the environment")
    assert take_token(None) == "from the environment"
    assert take_token(None) not in ("from the environment", "")
