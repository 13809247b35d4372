"""What fields show of tokens is grouped by what was shown, each once and not without end."""

from __future__ import annotations

import pytest

from conductor_trio.access.guard import Guess, shown_guesses
from conductor_trio.limits.constants import MAX_TOKENS_SHOWN
from tests.support.heads import parse_request_head


def guesses_of(fields: bytes) -> list[Guess]:
    head = b"GET / HTTP/1.1\r\nHost: x.test\r\n" + fields + b"\r\n"
    return shown_guesses(parse_request_head(head, max_fields=100).parsed)


@pytest.mark.parametrize(
    ("fields", "guesses"),
    [
        (b"", []),
        (b"Cookie: other=a\r\n", []),
        (b"Cookie: authorization=a\r\n", [Guess((b"a",))]),
        (b"Cookie: authorization=a; authorization=b; authorization=a\r\n", [Guess((b"a",)), Guess((b"b",))]),
        (b'Cookie: authorization="a%62"\r\n', [Guess((b'"a%62"', b"a%62", b"ab"))]),
        (b"Cookie: authorization=\r\n", [Guess(())]),
        (b"Authorization: Bearer a\r\nCookie: authorization=b\r\n", [Guess((b"a",)), Guess((b"b",))]),
        (b"Authorization: Basic a\r\n", []),
    ],
)
def test_what_is_a_guess(fields: bytes, guesses: list[Guess]) -> None:
    assert guesses_of(fields) == guesses


def test_no_more_are_looked_at_than_a_browser_may_have() -> None:
    many = b";".join(b"authorization=%d" % number for number in range(2 * MAX_TOKENS_SHOWN))
    assert len(guesses_of(b"Cookie: " + many + b"\r\n")) == MAX_TOKENS_SHOWN


def test_a_guess_tells_no_token() -> None:
    assert "secret" not in repr(Guess((b"secret",)))
