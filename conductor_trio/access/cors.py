"""Cross-origin reading for the origins that the operator allows: preflights, and the fields of their answers.

The application knows nothing of a portal, and a preflight shows no token (Fetch section 3.2), so that both are the
gateway's to answer.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from conductor_trio.access.origins import Policy, allowed_origin
from conductor_trio.http1.fields import is_token, list_elements
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import MAX_PREFLIGHT, PREFLIGHT_MAX_AGE

_ALLOW_ORIGIN = b"Access-Control-Allow-Origin"
_ALLOW_CREDENTIALS = b"Access-Control-Allow-Credentials"
_VARY = (b"Vary", b"Origin")


@attrs.frozen(kw_only=True)
class Preflight:
    """Tell the browser that a page of an allowed origin may send the request that it asks about."""

    origin: bytes
    method: bytes
    headers: tuple[bytes, ...]  #: names of fields, in lower case


def read_preflight(head: RequestHead, policy: Policy) -> Preflight | None:
    """Return the preflight that a request is, if it is one of an allowed origin's page, and is well-formed."""
    origin = allowed_origin(head, policy)
    methods = head.values(b"access-control-request-method")
    lists = head.values(b"access-control-request-headers")
    if head.method != b"OPTIONS" or origin is None or len(methods) != 1:
        return None
    headers = tuple(list_elements(lists))
    if sum(map(len, [*methods, *lists])) > MAX_PREFLIGHT or not all(map(is_token, [*methods, *headers])):
        return None
    return Preflight(origin=origin, method=methods[0], headers=headers)


def preflight_fields(preflight: Preflight) -> tuple[tuple[bytes, bytes], ...]:
    """Return the fields of the answer to a preflight."""
    fields = [
        (_ALLOW_ORIGIN, preflight.origin),
        (_ALLOW_CREDENTIALS, b"true"),
        (b"Access-Control-Allow-Methods", preflight.method),
        (b"Access-Control-Max-Age", b"%d" % PREFLIGHT_MAX_AGE),
        (b"Vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]
    if preflight.headers:
        fields.append((b"Access-Control-Allow-Headers", b", ".join(preflight.headers)))
    return tuple(fields)


def sharing_fields(head: RequestHead, policy: Policy, present: Iterable[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """Return the fields by which a page of an allowed origin can read a response.

    `present` are the names of the fields that the response has, in lower case: what an application says itself
    about who may read it stands. Others are told that the response is another for each origin.
    """
    if not policy.allowed_origins:
        return ()
    names = set(present)
    if _ALLOW_ORIGIN.lower() in names:
        return ()
    origin = allowed_origin(head, policy)
    if origin is None:
        return (_VARY,)
    credentials = () if _ALLOW_CREDENTIALS.lower() in names else ((_ALLOW_CREDENTIALS, b"true"),)
    return ((_ALLOW_ORIGIN, origin), *credentials, _VARY)
