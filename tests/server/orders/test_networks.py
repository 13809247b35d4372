"""In which of some networks an address is follows from its bits alone, however it is written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.limits.constants import MAX_KNOWN_ADDRESSES
from conductor_trio.server.orders.networks import Networks, parse_network


def test_who_is_in() -> None:
    some = Networks(["10.0.0.0/8", "::1/128"])
    assert some and some.has("10.1.2.3") and some.has("::1")
    assert not some.has("11.1.2.3") and not some.has("::2")
    assert not Networks([]) and not Networks([]).has("127.0.0.1")


@pytest.mark.parametrize(
    "text",
    ["10.1.2.3", " 10.1.2.3 ", "10.1.2.3:4711", "::ffff:10.1.2.3", "[::ffff:10.1.2.3]:80", '"10.1.2.3"'],
)
def test_as_a_front_proxy_may_write_it(text: str) -> None:
    assert Networks(["10.1.2.0/24"]).has(text)


@pytest.mark.parametrize("text", ["fe80::1%eth0", "[fe80::1]", "[fe80::1%eth0]:80"])
def test_an_ipv6_address_has_a_zone_or_a_port(text: str) -> None:
    assert Networks(["fe80::/10"]).has(text)


@given(st.text(max_size=40) | st.sampled_from(["unix", "unknown", "_hidden", "", "1.2.3", "::g"]))
@example("0")
def test_anything_is_an_address_or_in_no_network(text: str) -> None:
    everywhere = Networks(["0.0.0.0/0", "::/0"])
    if everywhere.has(text):
        core = text.strip().strip('"')
        assert any(one.isdigit() for one in core) or ":" in core


@given(st.ip_addresses(), st.integers(0, 128))
def test_it_is_what_the_library_says(address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int) -> None:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return
    network = (
        ipaddress.ip_network((int(address), address.max_prefixlen)).supernet(
            new_prefix=min(length, address.max_prefixlen)
        )
        if isinstance(address, ipaddress.IPv4Address)
        else ipaddress.IPv6Network((address, length), strict=False)
    )
    some = Networks([str(network)])
    assert some.has(str(address))
    for other in (address + 1 if int(address) < 2**address.max_prefixlen - 1 else address, address):
        assert some.has(str(other)) is (other in network)


def test_what_is_known_stays_so_however_many_come_between() -> None:
    some = Networks(["192.0.2.0/24"])
    for _ in range(2):
        for number in range(MAX_KNOWN_ADDRESSES + 2):
            assert not some.has(f"198.51.{number // 250}.{number % 250}")
            assert some.has("192.0.2.7") and some.has(" 192.0.2.7:80") and not some.has("192.0.3.7" * 20)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_a_network_is_written_in_one_way(text: str, network: str) -> None:
    assert parse_network(text) == network == parse_network(network)


@pytest.mark.parametrize("text", ["192.0.2.7/24", "alice", "", "192.0.2.0/33", "10"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        parse_network(text)
