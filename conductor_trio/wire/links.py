"""The link by which a visitor gets in."""

from __future__ import annotations

import re

from conductor_trio.wire.auth import LOGIN_PREFIX, cookie_value

# Names below localhost lead to the visitor's own host (RFC 6761 section 6.3), where there is no certificate.
_LOCAL = re.compile(r"(.+\.)?localhost(:\d+)?|127\.[\d.]+(:\d+)?|\[::1\](:\d+)?", re.IGNORECASE)


def guess_scheme(host: str) -> str:
    """Return the scheme of a host's pages, which the contract's server does not tell."""
    return "http" if _LOCAL.fullmatch(host) else "https"


def format_login_link(host: str, token: str, scheme: str | None = None) -> str:
    """Return the link that logs a browser in; `host` is as the server tells it, with its port if it has one."""
    return f"{scheme or guess_scheme(host)}://{host}{LOGIN_PREFIX}{cookie_value(token.encode())}"
