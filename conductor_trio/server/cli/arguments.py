"""What the options and the file of the server mean."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
from collections.abc import Mapping
from typing import Any

import attrs

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.access.hostnames import check_patterns, parse_pattern
from conductor_trio.configuration.configured import Configuration, Given, Values, configure
from conductor_trio.configuration.toml_table import read_table
from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import DEFAULT_RUNTIME_DIR
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.cli.admin_table import DEFAULT_FILE
from conductor_trio.server.cli.settings_table import (
    LIMITS,
    RUNTIME_DIR,
    SECTIONS,
)
from conductor_trio.server.cli.sign_on_settings import (
    SSO_ADMIN_GROUPS,
    SSO_GROUPS_HEADER,
    SSO_MORE,
    SSO_USER_HEADER,
)
from conductor_trio.server.cli.site import read_house
from conductor_trio.server.cli.values import metrics_address, workers_number
from conductor_trio.server.operation.succession import SOCKET
from conductor_trio.server.settings import NO_FRONT_PROXY, OwnLimits, ServerSettings, TlsSettings, UserRules

_TCP = ("port", "host")


def read_configuration(options: Mapping[str, object]) -> Configuration:
    """Return what the options and the file say together; raises `ConfigError`.

    Without ``--config`` the file of the site is read, if there is one.
    """
    named, table = options.get("config"), read_table(_file_of(options))
    if table is None and named is not None:
        raise ConfigError(f"cannot read {named}: {os.strerror(errno.ENOENT)}")
    return _settle(configure(SECTIONS, table, options))


def guess_runtime_dir(options: Mapping[str, object]) -> str:
    """Return where a server runs, though its file may be wrong."""
    said = options.get("runtime_dir")
    if said is None:
        with contextlib.suppress(ConfigError):
            table = read_table(_file_of(options))
            said = table and RUNTIME_DIR.kind.read(table, RUNTIME_DIR.key)
    return os.path.abspath(str(said or DEFAULT_RUNTIME_DIR))


def _file_of(options: Mapping[str, object]) -> str:
    # As it is from everywhere, since a running server may tell its file to others.
    return os.path.abspath(str(options.get("config") or DEFAULT_FILE))


def read_settings(args: argparse.Namespace) -> ServerSettings:
    """Return the settings that the options of `SERVE` or `CHECK` and the file say; raises `ConfigError`."""
    return make_settings(read_configuration(vars(args)), take_over=args.take_over)


def keep_lasting(said: Configuration, in_force: Mapping[str, object]) -> tuple[Configuration, list[str]]:
    """Return the configuration with what no reload changes as it is `in_force`, and what is to be told of that."""
    notes = []
    for field, value in in_force.items():
        if field in said.values and said.value(field) != value:
            given = said[field]
            if field == SOCKET and (given.value is None or _is_same_path(given.value, value)):
                continue
            wanted = given.value if given.origin.is_default else f"{given.value} ({given.origin.place})"
            notes.append(f"{given.setting.key} needs a restart: it stays {value}, and is not yet {wanted}")
            said = said.keep(field, value)
    return said, notes


def _is_same_path(path: object, other: object) -> bool:
    """Whether both lead to the same: /var/run may be a link to /run."""
    return os.path.realpath(str(path)) == os.path.realpath(str(other))


def make_settings(said: Configuration, *, take_over: bool = False, inherits: bool = False) -> ServerSettings:
    """Return the settings of a configuration that `read_configuration` has settled; raises `ConfigError`.

    Whether a server that `inherits` its sockets has a front proxy to believe shows when it has opened them.
    """
    value = said.value
    socket = value("socket")
    limits: dict[str, Any] = {setting.field: value(setting.field) for setting in LIMITS}
    return ServerSettings(
        runtime_dir=str(value("runtime_dir")),
        patterns=_texts(said["patterns"]),
        host=str(value("host")),
        port=_number(said["port"]) if socket is None else None,
        socket=None if socket is None else str(socket),
        tls=_tls_settings(said),
        trusted_proxies=_texts(said["trusted_proxies"]),
        allowed_origins=_texts(said["allowed_origins"]),
        status_from=_texts(said["status_from"]),
        metrics=None if value("metrics") is None else metrics_address(str(value("metrics"))),
        access_log=_text(said["access_log"]),
        access_log_format=str(value("access_log_format")),
        audit_log=_text(said["audit_log"]),
        sso=_single_sign_on(said, inherits=inherits),
        stripped_cookies=_texts(said["stripped_cookies"]),
        admin_group=_text(said["admin_group"]),
        admin_host=_admin_host(said),
        admin_networks=_texts(said["admin_networks"]),
        verbose=value("verbose") is True,
        take_over=take_over,
        workers=workers_number(said.value("workers")),
        limits=attrs.evolve(ServerLimits(), **limits),
        rules=_user_rules(said),
        site=read_house(said),
        logo_file=_text(said["site_logo"]),
    )


def _settle(said: Configuration) -> Configuration:
    """Return what is in force where one setting depends on another; raises `ConfigError` for a contradiction."""
    said = _settle_where(said)
    values = dict(said.values)
    for field in ("runtime_dir", "socket"):
        given = said[field]
        if given.value is not None and not given.origin.is_default:
            values[field] = attrs.evolve(given, value=os.path.abspath(str(given.value)))
    patterns = said["patterns"]
    if not patterns.value:
        # Port 0 is one of the kernel's choice, which no URL can name before it is bound.
        port = said.value("port") if said.value("socket") is None else 0
        pattern = "{key}-{user}.localhost" + (f":{port}" if port else "")
        values["patterns"] = attrs.evolve(patterns, value=(pattern,))
    if patterns.origin.file is not None:  # of the command line's, `check` tells as a finding
        try:
            check_patterns(tuple(parse_pattern(text) for text in _texts(patterns)))
        except ConfigError as error:
            raise patterns.wrong(str(error)) from error
    return attrs.evolve(said, values=values)


def _settle_where(said: Configuration) -> Configuration:
    """Return either a UNIX socket or a TCP port; of what the command line and the file say, the command line's."""
    socket, tcp = said["socket"], [said[field] for field in _TCP if not said[field].origin.is_default]
    if socket.origin.is_default or not tcp:
        return said
    if socket.origin.flag is None and any(given.origin.flag for given in tcp):
        return said.without("socket")
    same = [given for given in tcp if (given.origin.flag is None) is (socket.origin.flag is None)]
    if not same:
        return said.without(*_TCP)
    raise socket.contradicts(
        "listens on a UNIX socket, and -p or --host on a TCP port; give one of them"
        if socket.origin.flag
        else f"listens on a UNIX socket, and {same[0].name} on a TCP port; leave one of them out"
    )


def _texts(given: Given) -> tuple[str, ...]:
    assert isinstance(given.value, tuple)
    return given.value


def _text(given: Given) -> str | None:
    return None if given.value is None else str(given.value)


def _number(given: Given) -> int:
    assert isinstance(given.value, int)
    return given.value


def _tls_settings(said: Configuration) -> TlsSettings | None:
    cert, key, clients = (said[f"ssl_{name}"] for name in ("cert_file", "key_file", "allowed_clients"))
    needed = {"--ssl-cert-file": cert, "--ssl-key-file": key}
    for given in (clients, cert, key):
        if given.value is not None and (missing := [flag for flag, g in needed.items() if g.value is None]):
            names = [flag if given.origin.flag else needed[flag].setting.key for flag in missing]
            raise given.contradicts(f"needs {' and '.join(names)}")
    if cert.value is None or key.value is None:
        return None
    return TlsSettings(
        cert_file=str(cert.value),
        key_file=str(key.value),
        allowed_clients=None if clients.value is None else str(clients.value),
    )


def _single_sign_on(said: Configuration, *, inherits: bool) -> SingleSignOn | None:
    user, groups, domain = said[SSO_USER_HEADER.field], said[SSO_GROUPS_HEADER.field], said["sso_domain"]
    if user.value is None:
        for setting in SSO_MORE:
            if not said[setting.field].origin.is_default and said[setting.field].value:
                flag = said[setting.field].origin.flag
                raise said[setting.field].contradicts(
                    f"needs {SSO_USER_HEADER.flags[0] if flag else 'user_header'}"
                )
        return None
    if not (inherits or said[SOCKET].value or said["trusted_proxies"].value):
        by, name = ("-s", "--trusted-proxy") if user.origin.flag else ("`socket`", "`trusted_proxy`")
        raise user.wrong(f"{NO_FRONT_PROXY}; let the front proxy come by {by}, or name it by {name}")
    admins = said[SSO_ADMIN_GROUPS.field]
    if admins.value and groups.value is None:
        missing = SSO_GROUPS_HEADER.flags[0] if admins.origin.flag else "groups_header"
        raise admins.contradicts(f"needs {missing}")
    if groups.value == user.value:
        raise groups.wrong("it names the user already; name the field that lists the groups")
    return SingleSignOn(
        user_field=str(user.value).encode(),
        groups_field=None if groups.value is None else str(groups.value).encode(),
        groups_separator=str(said.value("sso_groups_separator")),
        other_fields=tuple(name.encode() for name in _texts(said["sso_headers"])),
        domain=None if domain.value is None else str(domain.value).removeprefix("@"),
        admin_groups=_texts(admins),
        is_needed=said.value("require_sso") is True,
    )


def _admin_host(said: Configuration) -> str | None:
    """Return where the dashboard is; raises `ConfigError` where nobody could get in, or it is nowhere."""
    host, admins = said["admin_host"], said[SSO_ADMIN_GROUPS.field]
    if host.value is None:
        for given in (said["admin_networks"], admins):
            if given.value:
                raise given.contradicts(f"needs {'--admin-host' if given.origin.flag else 'admin_host'}")
        return None
    if said.value("require_sso") is True and not admins.value:
        raise host.wrong(
            "nobody but the single sign-on lets in here, and no group is named whose members are operators "
            f"({SSO_ADMIN_GROUPS.flags[0]})"
        )
    return str(host.value)


def _user_rules(said: Configuration) -> UserRules:
    allow, deny = said["allow"], said["deny"]
    allowed = None if allow.value is None else _texts(allow)
    if both := sorted(set(allowed or ()) & set(_texts(deny))):
        raise deny.wrong(f"{both[0]} is in {allow.name}, too")
    return UserRules(
        allow=allowed,
        deny=_texts(deny),
        users={name: _own_limits(values) for name, values in said.named["users"].items()},
        groups={name: _own_limits(values) for name, values in said.named["groups"].items()},
    )


def _own_limits(values: Values) -> OwnLimits:
    return OwnLimits(**{field: _number(given) for field, given in values.items()})
