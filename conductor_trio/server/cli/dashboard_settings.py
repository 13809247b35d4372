"""The settings of the operator's dashboard, a part of the one table (`settings_table`)."""

from __future__ import annotations

from conductor_trio.configuration.settings import Setting, Text, Texts
from conductor_trio.server.cli.values import normalize_host
from conductor_trio.server.orders.networks import parse_network

#: Where it is, and who may reach it.
DASHBOARD = (
    Setting(
        flags=("--admin-host",),
        field="admin_host",
        metavar="HOST",
        kind=Text(normalize=normalize_host),
        help="host name, with a port if it needs one, at which the operator's dashboard is; none without it. "
        "No session gets that name",
        example='"admin.apps.example.org"',
    ),
    Setting(
        flags=("--admin-network",),
        field="admin_networks",
        metavar="NETWORK",
        kind=Texts(normalize=parse_network),
        default=(),
        help="who may reach it; may be given several times (default everybody, who then needs a link)",
        example='["10.1.0.0/16"]',
    ),
)
