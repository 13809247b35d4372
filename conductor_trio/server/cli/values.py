"""What the server's settings may say: each value as it is kept, or ValueError with what is wrong with it."""

from __future__ import annotations

import ipaddress
import os

import attrs

from conductor_trio.access.grants import GROUP_MARK
from conductor_trio.access.origins import format_origin, parse_origin
from conductor_trio.configuration.settings import Path
from conductor_trio.configuration.toml_table import Table
from conductor_trio.http1.fields import is_own_field, is_token
from conductor_trio.limits.constants import MAX_PORT
from conductor_trio.server.settings import JOURNAL, LOG_FORMATS


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


def metrics_address(text: str) -> str | tuple[str, int]:
    """Return a UNIX socket's path, which has a slash, or a loopback address and a port; raises ValueError."""
    if "/" in text:
        return os.path.abspath(text)
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= MAX_PORT:
        raise ValueError(
            f"{text!r} is no address; write it as 127.0.0.1:9090, or as a UNIX socket's path, with a slash"
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


def normalize_user_or_group(text: str) -> str:
    """Return the name of a user, or of a group with its mark."""
    if not text.removeprefix(GROUP_MARK) or not text.isprintable():
        raise ValueError(f"{text!r} names nobody; write users as alice and groups as @staff")
    return text
