"""``{socket}``, ``{key}``, ``{host}``, ``{url}`` and ``{port}`` in an application's command and environment.

``{{`` and ``}}`` stand for braces. Anything else in braces is the application's own, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

from conductor_trio.errors import ConfigError

#: What only the server knows, so that the application starts after the registration.
REGISTERED = frozenset({"key", "host", "url"})

#: Where an application finds the path at which it is to listen.
SOCKET_VARIABLE = "CONDUCTOR_SOCKET"

_TOKEN = re.compile(r"\{\{|\}\}|\{(socket|key|host|url|port)\}")

_MISSING = {
    "socket": "the path where the application listens",
    "port": "the TCP port of an application that listens on one",
    "key": "the name in the address",
    "host": "the host name in the address, which this server tells only once the application runs",
    "url": "the address, which this server tells only once the application runs",
}
_ADVICE = {"port": "say so with --tcp PORT", "key": "give one with -k KEY"}


@attrs.frozen(kw_only=True)
class Values:
    """What the placeholders stand for; None is not known (yet).

    `host` is as the server tells it, with the port that visitors use if that is not the scheme's own.
    """

    socket: str | None = None
    key: str | None = None
    host: str | None = None
    url: str | None = None
    port: int | None = None


def find_placeholders(texts: Iterable[str]) -> frozenset[str]:
    """Return the names of the placeholders in the texts."""
    return frozenset(match[1] for text in texts for match in _TOKEN.finditer(text) if match[1])


def fill(text: str, values: Values) -> str:
    """Return the text with its placeholders filled; raises `ConfigError` where a value is not known."""

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0][0]
        value = getattr(values, name)
        if value is None:
            what = f"nothing is known to put in for {{{name}}}: it is {_MISSING[name]}"
            raise ConfigError(what, advice=_ADVICE.get(name))
        return str(value)

    return _TOKEN.sub(replace, text)


def make_environment(inherited: Mapping[str, str], own: Mapping[str, str], values: Values) -> dict[str, str]:
    """Return the application's environment: what we inherited, what `values` tell it, and its recipe's `own`.

    The recipe's win, because a HOST or PORT that we inherited is most often not meant for the application.
    """
    told = {SOCKET_VARIABLE: values.socket, "CONDUCTOR_HOST": values.host, "CONDUCTOR_URL": values.url}
    environment = {name: value for name, value in inherited.items() if name not in told}
    environment |= {name: value for name, value in told.items() if value is not None}
    return environment | {name: fill(text, values) for name, text in own.items()}
