"""The server's settings, checked: frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Set

import attrs

from conductor_trio.access.grants import GROUP_MARK, SingleSignOn
from conductor_trio.limits.constants import DEFAULT_PORT
from conductor_trio.limits.server import ServerLimits
from conductor_trio.pages.house import House

#: What stands in the place of a log's file.
JOURNAL = "journal"
#: What stands for as many workers as there are cores.
AUTO = "auto"
#: How the access log may be written.
LOG_FORMATS = ("json", "combined")


@attrs.frozen(kw_only=True)
class TlsSettings:
    """Files for TLS on the public listener."""

    cert_file: str
    key_file: str
    allowed_clients: str | None = None


@attrs.frozen(kw_only=True)
class OwnLimits:
    """What is said of one user, or of the users of one group; None is nothing."""

    max_sessions: int | None = None
    max_new_sessions: int | None = None


@attrs.frozen(kw_only=True)
class UserRules:
    """Who may have sessions, and how many: what is said of a user goes before what is said of groups.

    `allow` and `deny` are names of users, and of groups with `GROUP_MARK` before them. With `allow`, those who are
    in neither are refused; without it, None, they may. Of several groups, one that is refused is enough, and of
    their numbers the largest counts.
    """

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    users: Mapping[str, OwnLimits] = attrs.field(factory=dict)
    groups: Mapping[str, OwnLimits] = attrs.field(factory=dict)

    @property
    def known_groups(self) -> frozenset[str]:
        """The groups of which anything is said."""
        listed = (name for name in (*(self.allow or ()), *self.deny) if name.startswith(GROUP_MARK))
        return frozenset(self.groups).union(name.removeprefix(GROUP_MARK) for name in listed)

    @property
    def known_users(self) -> frozenset[str]:
        """The users of whom anything is said."""
        listed = (name for name in (*(self.allow or ()), *self.deny) if not name.startswith(GROUP_MARK))
        return frozenset(self.users).union(listed)

    def admits(self, user: str, groups: Set[str]) -> bool:
        """Whether a user of these groups may have sessions."""
        allow = self.allow or ()
        if user in self.known_users and (user in self.deny or user in allow):
            return user in allow
        marked = {GROUP_MARK + group for group in groups}
        if not marked.isdisjoint(self.deny):
            return False
        return self.allow is None or not marked.isdisjoint(allow)

    def limits_of(self, user: str, groups: Set[str]) -> OwnLimits:
        """Return what is said of the numbers of a user of these groups."""
        own = self.users.get(user, OwnLimits())
        shared = [limits for group, limits in self.groups.items() if group in groups]

        def of(field: str) -> int | None:
            said = getattr(own, field)
            return said if said is not None else max((n for s in shared if (n := getattr(s, field))), default=None)

        return OwnLimits(**{field.name: of(field.name) for field in attrs.fields(OwnLimits)})


#: What is wrong with a single sign-on that nobody can speak for.
NO_FRONT_PROXY = "it is believed from trusted front proxies only, and there is none"


@attrs.frozen(kw_only=True)
class ServerSettings:
    """What the command line and the file say, checked."""

    runtime_dir: str
    patterns: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int | None = DEFAULT_PORT
    socket: str | None = None
    tls: TlsSettings | None = None
    trusted_proxies: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    sso: SingleSignOn | None = None
    stripped_cookies: tuple[str, ...] = ()  #: names of a front proxy's cookies, perhaps with ``*`` at the end
    status_from: tuple[str, ...] = ()  #: networks; without any, everybody
    metrics: str | tuple[str, int] | None = None  #: a UNIX socket's path, or a host and a port
    access_log: str | None = None  #: a file's path, or `JOURNAL`
    access_log_format: str = "json"
    audit_log: str | None = None
    verbose: bool = False
    take_over: bool = False
    workers: int = 1  #: processes that forward requests; with one, that is the server itself
    admin_group: str | None = None
    admin_host: str | None = None  #: the dashboard's, in lower case, with its port if it has one
    admin_networks: tuple[str, ...] = ()  #: who may reach it; without any, everybody
    limits: ServerLimits = attrs.field(factory=ServerLimits)
    rules: UserRules = attrs.field(factory=UserRules)
    site: House = attrs.field(factory=House)
    logo_file: str | None = None  #: which is read at the start

    @property
    def reserved_hosts(self) -> tuple[str, ...]:
        """The host names that are the server's own, without ports."""
        return () if self.admin_host is None else (self.admin_host.partition(":")[0],)
