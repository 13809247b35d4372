"""What the server's settings may say: each value as it is kept, or ValueError with what is wrong with it."""

from __future__ import annotations

import ipaddress
import os
from typing import ClassVar

import attrs

from conductor_trio.access.grants import GROUP_MARK
from conductor_trio.access.hostnames import is_host_name
from conductor_trio.access.origins import format_origin, parse_origin
from conductor_trio.configuration.settings import Kind, Path, Text
from conductor_trio.configuration.toml_table import Table
from conductor_trio.http1.fields import is_own_field, is_token
from conductor_trio.limits.constants import MAX_PORT
from conductor_trio.limits.workers import MAX_WORKERS
from conductor_trio.server.settings import AUTO, JOURNAL, LOG_FORMATS


def normalize_origin(text: str) -> str:
    """Return an origin as browsers write it: one that is written otherwise would allow nothing."""
    origin = parse_origin(text.removesuffix("/").encode())
    if origin is None:
        raise ValueError(f"{text!r} is no origin; write it as https://portal.example.org, without a path")
    return format_origin(origin)


def normalize_field_name(text: str) -> str:
    """Return the name of a field, in lower case, by which a front proxy may say who somebody is."""
    lower = text.lower()
    if not is_token(lower.encode()) or is_own_field(lower.encode()):
        raise ValueError(f"{text!r} is no name of a field for that; name one as X-Forwarded-User")
    return lower


def normalize_separator(text: str) -> str:
    """Return what stands between two groups."""
    if len(text) != 1 or not text.isprintable() or text.isalnum():
        raise ValueError(f"{text!r} is no separator; give one character that no group's name has, such as , or |")
    return text


def normalize_cookie_name(text: str) -> str:
    """Return the name of a cookie, perhaps with ``*`` at its end."""
    fixed = text.removesuffix("*")
    if "*" in fixed or not is_token(fixed.encode()):
        raise ValueError(f"{text!r} is no name of a cookie; * stands at its end only, as in _oauth2_proxy*")
    return text


@attrs.frozen(kw_only=True)
class LogTarget(Path):
    """The path of a log, or the word for the journal."""

    def read(self, table: Table, key: str) -> object:
        text = table.get_text(key)
        return text if text == JOURNAL else super().read(table, key)

    def check(self, value: object) -> object:
        return value if value == JOURNAL else os.path.abspath(str(value))


@attrs.frozen(kw_only=True)
class MetricsAddress(Text):
    """Where the metrics are, which may also stand as `listen` in a table of their own."""

    def read(self, table: Table, key: str) -> object:
        if not isinstance(table.values.get(key), dict):
            return super().read(table, key)
        own = table.get_table(key)
        assert own is not None
        own.check_keys(["listen"])
        return super().read(own, "listen")


def metrics_address(text: str) -> str | tuple[str, int]:
    """Return a UNIX socket's path, which has a slash, or a loopback address and a port; raises ValueError."""
    if "/" in text:
        return os.path.abspath(text)
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= MAX_PORT:
        raise ValueError(
            f"{text!r} is no address; write it as 127.0.0.1:9091, or as a UNIX socket's path, with a slash"
        )
    host = host.removeprefix("[").removesuffix("]")
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(
            f"{host} is no loopback address, and metrics are for nobody else's eyes; let the front proxy pass "
            "them on to those who may see them"
        )
    return host, int(port)


def normalize_metrics(text: str) -> str:
    """Return what `metrics_address` takes."""
    metrics_address(text)
    return os.path.abspath(text) if "/" in text else text


def normalize_log_format(text: str) -> str:
    """Return one of `LOG_FORMATS`."""
    if text not in LOG_FORMATS:
        raise ValueError(f"{text!r} is none of {', '.join(LOG_FORMATS)}")
    return text


def normalize_host(text: str) -> str:
    """Return a host name in lower case, with its port if it has one."""
    host, colon, port = text.lower().partition(":")
    if not is_host_name(host.removesuffix(".")) or (
        colon and not (port.isascii() and port.isdigit() and 0 < int(port) <= MAX_PORT)
    ):
        raise ValueError(f"{text!r} is no host name; write it as admin.apps.example.org, without https://")
    return host.removesuffix(".") + colon + port


def normalize_sso_group(text: str) -> str:
    """Return the name of a group of a single sign-on's, which lists them with commas."""
    if not text.strip() or not text.isprintable() or "," in text:
        raise ValueError(f"{text!r} is no name of a group")
    return text.strip()


@attrs.frozen(kw_only=True)
class Workers(Kind):
    """How many workers there are, or the word for as many as there are cores; `help` and `more` of the setting."""

    help: ClassVar[str] = "processes that forward requests, or `auto` for the cores (default 1: the server itself)"
    more: ClassVar[str] = "A reload applies another number. Limits hold for all of them together (docs/scale.md)."

    def read(self, table: Table, key: str) -> object:
        value = table.values.get(key)
        return table.get_text(key) if isinstance(value, str) else table.get_number(key, 1, MAX_WORKERS)

    def check(self, value: object) -> object:
        text = str(value)
        if text == AUTO:
            return text
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_WORKERS:
            raise ValueError(
                f"{text!r} is no number of workers; write 1 to {MAX_WORKERS}, or {AUTO} for the cores"
            )
        return int(text)


def workers_number(value: object) -> int:
    """Return how many workers a value of that kind stands for."""
    if value == AUTO:
        return min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    assert isinstance(value, int)
    return value


def normalize_user_or_group(text: str) -> str:
    """Return the name of a user, or of a group with its mark."""
    if not text.removeprefix(GROUP_MARK) or not text.isprintable():
        raise ValueError(f"{text!r} names nobody; write users as alice and groups as @staff")
    return text
