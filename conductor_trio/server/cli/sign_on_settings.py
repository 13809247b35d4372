"""The server's settings for a single sign-on in a front proxy: a part of the one table."""

from __future__ import annotations

from conductor_trio.configuration.settings import Setting, Switch, Text, Texts
from conductor_trio.server.cli.values import (
    normalize_cookie_name,
    normalize_field_name,
    normalize_separator,
    normalize_sso_group,
)

SSO_USER_HEADER = Setting(
    flags=("--sso-user-header",),
    field="sso_user_header",
    own_key="user_header",
    metavar="NAME",
    kind=Text(normalize=normalize_field_name),
    help="field by which a trusted front proxy says who the visitor is, such as X-Forwarded-User: owners "
    "enter their own sessions by it, without a link",
    example='"X-Forwarded-User"',
)
SSO_GROUPS_HEADER = Setting(
    flags=("--sso-groups-header",),
    field="sso_groups_header",
    own_key="groups_header",
    metavar="NAME",
    kind=Text(normalize=normalize_field_name),
    help="field by which it says of which groups the visitor is, for `conductor-trio share --with @GROUP` and for "
    "operators; it has to set it whatever a visitor sends",
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
#: What makes sense with that only.
SSO_MORE = (
    SSO_GROUPS_HEADER,
    Setting(
        flags=("--sso-groups-separator",),
        field="sso_groups_separator",
        own_key="groups_separator",
        metavar="CHARACTER",
        kind=Text(normalize=normalize_separator),
        default=",",
        help="what stands between two groups there (default ,)",
    ),
    SSO_ADMIN_GROUPS,
    Setting(
        flags=("--sso-header",),
        field="sso_headers",
        own_key="headers",
        metavar="NAME",
        kind=Texts(normalize=normalize_field_name),
        default=(),
        help="another field that it sets itself, whatever a visitor sends, and that applications get, such as "
        "X-Forwarded-Email",
        example='["X-Forwarded-Email"]',
    ),
    Setting(
        flags=("--sso-domain",),
        field="sso_domain",
        own_key="domain",
        metavar="DOMAIN",
        kind=Text(),
        help="what follows the user's name there, after an @",
        example='"uni.example"',
    ),
    Setting(
        flags=("--require-sso",),
        field="require_sso",
        own_key="required",
        also=("require_sso",),
        kind=Switch(),
        default=False,
        help="let nobody in but by the single sign-on: tokens and links open nothing, and none are made",
    ),
)
#: All of them, and what is told beside.
SIGN_ON = (
    SSO_USER_HEADER,
    *SSO_MORE,
    Setting(
        flags=("--strip-cookie",),
        field="stripped_cookies",
        own_key="strip_cookies",
        metavar="NAME",
        kind=Texts(normalize=normalize_cookie_name),
        default=(),
        help="cookie of the front proxy's, which goes on to no application and is set by none; * at its end "
        "stands for anything, as in _oauth2_proxy*",
        example='["_oauth2_proxy*"]',
    ),
)
