"""Host names of sessions: which a user's key gets under the server's domain patterns."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from conductor_trio.access.hostnames import HostPattern, check_key, check_patterns, parse_pattern, user_label
from conductor_trio.errors import RegistrationRefused


@attrs.frozen
class HostNaming:
    """The server's domain patterns, which go together."""

    patterns: tuple[HostPattern, ...]
    reserved: frozenset[str] = frozenset()  #: names that are no session's

    @classmethod
    def parse(cls, texts: Iterable[str], reserved: Iterable[str] = ()) -> HostNaming:
        """Read the patterns; raises `ConfigError` for one that is none, or two that could give one name twice."""
        patterns = tuple(parse_pattern(text) for text in texts)
        check_patterns(patterns)
        return cls(patterns, frozenset(reserved))

    def hosts(self, key: str, user: str) -> tuple[str, ...]:
        """Return the names under which requests come: lower case, without ports, each once.

        Patterns that differ in their port only give one.
        """
        label = user_label(user)
        return tuple(dict.fromkeys(pattern.format_host(key, label) for pattern in self.patterns))

    def url_hosts(self, key: str, user: str) -> tuple[str, ...]:
        """Return the names as clients are told them: one for each pattern, with its port if it has one."""
        label = user_label(user)
        return tuple(pattern.format_url_host(key, label) for pattern in self.patterns)

    def check(self, key: str, user: str) -> None:
        """Raise `RegistrationRefused` unless the key gives an unmistakable, valid, free name in every pattern."""
        check_key(key, user_label(user), self.patterns)
        if not self.reserved.isdisjoint(self.hosts(key, user)):
            raise RegistrationRefused(
                f"the key {key} makes a host name that is the gateway's own", advice="choose another"
            )
