"""Who is a trusted front proxy follows from its address alone."""

from __future__ import annotations

from conductor_trio.server.proxy.trusted import Networks


def test_who_is_trusted() -> None:
    trusted = Networks(["10.0.0.0/8", "::1/128"])
    assert trusted.has("10.1.2.3") and trusted.has("::1")
    assert not trusted.has("11.1.2.3") and not trusted.has("::2")
    assert not Networks([]).has("127.0.0.1")


def test_what_is_no_address_is_in_no_network() -> None:
    for text in ("unknown", "unix", "", "10.0.0.1:80", "_hidden"):
        assert not Networks(["0.0.0.0/0", "::/0"]).has(text)


def test_an_address_of_ipv4_is_one_over_ipv6_too() -> None:
    assert Networks(["10.0.0.0/8"]).has("::ffff:10.1.2.3")
    assert not Networks(["10.0.0.0/8"]).has("::ffff:11.1.2.3")
