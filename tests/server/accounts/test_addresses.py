"""One person, or one site, is one account, however many addresses of IPv6 they have."""

from __future__ import annotations

import pytest

from conductor_trio.server.accounts.addresses import account_of


@pytest.mark.parametrize(
    ("address", "account"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("[2001:DB8:1:2::1]", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("_hidden", "_hidden"),
        ("no:address", "no:address"),
    ],
)
def test_accounts(address: str, account: str) -> None:
    assert account_of(address) == account
