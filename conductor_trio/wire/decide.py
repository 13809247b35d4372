"""What becomes of a request: pure, from its head, its route and the policy. The one gate for all of them."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import attrs

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.wire import replies
from conductor_trio.wire.auth import (
    cookie_candidates,
    cookie_value,
    matches_any,
    parse_login_link,
)
from conductor_trio.wire.fields import COOKIE_NAME
from conductor_trio.wire.head import RequestHead
from conductor_trio.wire.hosts import Authority, parse_authority
from conductor_trio.wire.replies import Reply

OWN_PREFIX = "/_conductor"

# More cookies than a browser keeps for a domain (180 in Chromium), so that planted ones cannot crowd out the right
# one; and few enough that one request is neither thousands of guesses nor of hashes.
_MAX_TOKENS = 200


@attrs.frozen(kw_only=True)
class Policy:
    """What the operator allows; `allowed_origins` are further Origin values, in lower case."""

    allowed_origins: frozenset[bytes] = frozenset()


@attrs.frozen(kw_only=True)
class Forward:
    """It goes to the application; `drop_authorization` where that field is ours."""

    drop_authorization: bool


@attrs.frozen(kw_only=True)
class Answer:
    """It is answered here. `failed_token` tells that a token was shown and was wrong, so that guessing is slow."""

    reply: Reply
    failed_token: bool = False


@attrs.frozen
class ShowCounters:
    """It is answered with the server's counters."""


@attrs.frozen
class AnswerOptions:
    """It asks the server as a whole what it can do: ``OPTIONS *``."""


Decision = Forward | Answer | ShowCounters | AnswerOptions


def decide(head: RequestHead, token_hash: str | None, policy: Policy, *, https: bool) -> Decision:
    """Return what becomes of a request; `token_hash` is its route's, None where it has no route."""
    if head.target == b"*":
        return AnswerOptions()
    path, _, query = head.target.decode("ascii").partition("?")
    if _is_own(path):
        return _decide_own(head, token_hash, path, query, https=https)
    if token_hash is None:
        return Answer(reply=replies.NO_ROUTE)
    by_bearer = head.told.bearer is not None and matches_any([head.told.bearer], token_hash)
    if not by_bearer and not matches_any(_shown_tokens(head), token_hash):
        return Answer(reply=replies.NO_TOKEN, failed_token=bool(head.told.tokens or head.told.bearer))
    if not by_bearer and (head.upgrades or not head.is_safe) and not _comes_from_here(head, policy):
        return Answer(reply=replies.CROSS_SITE)
    return Forward(drop_authorization=by_bearer)


def _shown_tokens(head: RequestHead) -> list[bytes]:
    tokens = head.told.tokens[:_MAX_TOKENS]
    return [candidate for token in tokens for candidate in cookie_candidates(token) if candidate]


def _is_own(path: str) -> bool:
    """Whether a path is the server's, in any spelling that an application might take for that."""
    if "%" not in path and "_conductor" not in path:
        return False
    segments: list[str] = []
    for segment in re.split(r"[/\\]", unquote(path)):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return segments[:1] == [OWN_PREFIX[1:]]


def _decide_own(head: RequestHead, token_hash: str | None, path: str, query: str, *, https: bool) -> Decision:
    is_status = path == OWN_PREFIX + "/status"
    link = parse_login_link(path, query)
    if not is_status and token_hash is None:
        return Answer(reply=replies.NO_ROUTE)
    if not is_status and link is None:
        return Answer(reply=replies.NO_PAGE)
    if head.method not in (b"GET", b"HEAD"):
        return Answer(reply=replies.METHOD_NOT_ALLOWED)
    if link is None or token_hash is None:
        return ShowCounters()
    if not matches_any([link.token], token_hash):
        return Answer(reply=replies.WRONG_TOKEN, failed_token=True)
    secure = "; Secure" if https else ""
    cookie = f"{COOKIE_NAME.decode()}={cookie_value(link.token)}; HttpOnly; Path=/; SameSite=Lax{secure}"
    return Answer(reply=replies.redirect(link.next, cookie))


def _comes_from_here(head: RequestHead, policy: Policy) -> bool:
    """Whether a page of the route's own host sent this, or no page at all.

    Neighbours on the parent domain count as the same site to a browser, so SameSite does not keep them out. The
    scheme is not compared, since TLS may end in front of us.
    """
    if head.told.origin is None or head.told.origin.lower() in policy.allowed_origins:
        return True
    origin = _parse_origin(head.told.origin)
    return origin is not None and head.authority is not None and origin.agrees_with(head.authority)


def _parse_origin(value: bytes) -> Authority | None:
    """Return an Origin's host and port, None for ``null`` and whatever is no origin (RFC 6454 section 7)."""
    try:
        parts = urlsplit(value.decode("ascii"))
        if parts.scheme not in ("http", "https") or parts.path or parts.query or parts.fragment:
            return None
        return parse_authority(parts.netloc.encode("ascii"))
    except (ValueError, RemoteProtocolError):
        return None
