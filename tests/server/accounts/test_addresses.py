"""Which addresses count as one."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.server.accounts.addresses import account_of
from conductor_trio.server.orders.networks import Networks


@pytest.mark.parametrize(
    ("address", "account"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff::", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("[2001:db8::1]:80", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("[192.0.2.1]:4711", "192.0.2.1"),
        (' "192.0.2.1:4711" ', "192.0.2.1"),
        ('"192.0.2.1"', "192.0.2.1"),
        (' "[2001:db8::1%eth0]:80" ', "2001:db8::/64"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ("192.0.2.1%eth0", "192.0.2.1"),
        ("unix", "unix"),
        ("unknown", "unknown"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_what_an_address_is_counted_under(address: str, account: str) -> None:
    assert account_of(address) == account


@given(st.text() | st.text("0123456789abcdef.:[]%"))
def test_whatever_a_front_proxy_says_is_counted_under_something(address: str) -> None:
    assert len(account_of(address)) <= 64


@given(
    st.ip_addresses(),
    st.sampled_from(["{}", " {} ", '"{}"', "[{}]", "[{}]:80", '"[{}]:80"', "[{}%eth0]", "{}%eth0"]),
)
def test_a_network_that_is_named_is_the_one_that_is_counted(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, form: str
) -> None:
    written = form.format(address)
    assert account_of(written) == account_of(str(address))
    assert Networks([str(address)]).has(written) or getattr(address, "ipv4_mapped", None) is not None


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:0:1::", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("unknown", "unix", False),
        ("a:b", "a:b", True),
        ("\udc80:", "\udc80:", True),
    ],
)
def test_of_ipv6_the_network_counts(one: str, other: str, is_same: bool) -> None:
    assert (account_of(one) == account_of(other)) is is_same
