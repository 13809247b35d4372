"""The settings of the operator's dashboard, a part of the one table (`settings_table`)."""

from __future__ import annotations

from conductor_trio.configuration.settings import Setting, Text, Texts
from conductor_trio.server.cli.values import normalize_field_name, normalize_host, normalize_sso_group
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
SSO_GROUPS_HEADER = Setting(
    flags=("--sso-groups-header",),
    field="sso_groups_header",
    own_key="groups_header",
    metavar="NAME",
    kind=Text(normalize=normalize_field_name),
    help="field by which it says in which groups they are, with commas between them, such as X-Forwarded-Groups; "
    "it has to set it whatever a visitor sends",
    example='"X-Forwarded-Groups"',
)
SSO_ADMIN_GROUPS = Setting(
    flags=("--sso-admin-group",),
    field="sso_admin_groups",
    own_key="admin_groups",
    metavar="GROUP",
    kind=Texts(normalize=normalize_sso_group),
    default=(),
    help="group whose members use the operator's dashboard without a link; may be given several times",
    example='["hpc-admins"]',
)
