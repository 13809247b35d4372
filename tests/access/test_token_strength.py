"""How hard a token is to guess: rather too little than too much."""

from __future__ import annotations

import random
import string
import uuid

import pytest

from conductor_trio.access.token_strength import estimate_bits
from conductor_trio.limits.constants import MIN_TOKEN_BITS

SEED = 14


@pytest.mark.parametrize(
    "token",
    [
        "",
        "t0ken",
        "secret",
        "s3cret-of-alice",
        "Tr0ub4dor&3",
        "jupyter-alice-2026",
        "correcthorsebatterystaple",
        "12345678901234567890",
        "a" * 1000,
        "abc" * 100,
        "deadbeefdeadbeef",
        "0123456789abcdef0123456789abcdef",
        "ab12cd34ab12cd34ab12cd34ab12cd34",
        "日本語",
    ],
)
def test_what_can_be_guessed_has_few_bits(token: str) -> None:
    assert estimate_bits(token) < MIN_TOKEN_BITS


def test_what_programs_make_has_enough() -> None:
    source = random.Random(SEED)
    for _ in range(200):
        assert estimate_bits(f"{source.getrandbits(128):032x}") > MIN_TOKEN_BITS
        assert estimate_bits(str(uuid.UUID(int=source.getrandbits(128)))) > MIN_TOKEN_BITS
        ours = "".join(source.choices(string.ascii_lowercase + string.digits, k=32))
        assert estimate_bits(ours) > MIN_TOKEN_BITS


def test_never_more_than_there_is() -> None:
    source = random.Random(SEED)
    for _ in range(200):
        digits = "".join(source.choices(string.digits, k=20))
        assert estimate_bits(digits) <= 20 * 3.33
