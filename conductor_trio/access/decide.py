"""What becomes of a request: pure, from its head, its route and the policy. The one gate for all of them."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit

import attrs

from conductor_trio.access.grants import OWNER, Access, Share
from conductor_trio.access.login_link import parse_login_link, safe_redirect_target
from conductor_trio.access.tokens import cookie_candidates, cookie_value
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.authority import Authority, parse_authority
from conductor_trio.http1.cookies import COOKIE_NAME
from conductor_trio.http1.request import RequestFields, RequestHead
from conductor_trio.pages import answers
from conductor_trio.pages.answers import Reply

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
    """It goes to the application; `drop_authorization` where that field is ours.

    `grant` is what it was let in by: `OWNER` or a share's id.
    """

    drop_authorization: bool
    grant: str = OWNER


@attrs.frozen(kw_only=True)
class Answer:
    """It is answered here. `failed_token` tells that a token was shown and was wrong, so that guessing is slow."""

    reply: Reply
    failed_token: bool = False


@attrs.frozen(kw_only=True)
class RedeemOneTimeLink:
    """It is the first use of a one-time link: a token is made for this browser, and the link is spent."""

    share: Share
    next: str


@attrs.frozen
class SubmitToken:
    """It brings a token in a form, which is in its body."""


@attrs.frozen(kw_only=True)
class ShowSession:
    """It asks for the session's own page, or with `is_live` for its updates; `grant` is as in `Forward`."""

    grant: str
    is_live: bool


@attrs.frozen
class StatusPage:
    """It is answered with the server's counters."""


@attrs.frozen
class ServerOptions:
    """It asks the server as a whole what it can do: ``OPTIONS *``."""


Decision = Forward | Answer | RedeemOneTimeLink | SubmitToken | ShowSession | StatusPage | ServerOptions


def decide(head: RequestHead, access: Access | None, policy: Policy, *, https: bool, now: float) -> Decision:
    """Return what becomes of a request at `now` (Unix time); `access` is its route's, None where it has none."""
    if head.target == b"*":
        return ServerOptions()
    path, _, query = head.target.decode("ascii").partition("?")
    if _is_own(path):
        return _decide_own(head, access, policy, path, query, https=https, now=now)
    if access is None:
        return Answer(reply=answers.NO_ROUTE)
    by_bearer, grant = _find_grant(head.parsed, access, now)
    if grant is None:
        return _ask_for_token(head)
    if not by_bearer and (head.upgrades or not head.is_safe) and not _comes_from_here(head, policy):
        return Answer(reply=answers.CROSS_SITE)
    return Forward(drop_authorization=by_bearer, grant=grant)


def _find_grant(told: RequestFields, access: Access, now: float) -> tuple[bool, str | None]:
    """Return whether a bearer token lets the request in, and what it is let in by, if anything."""
    if not access.shares:
        return _find_owner(told, access)
    if told.bearer is not None and (grant := access.find([told.bearer], now)) is not None:
        return True, grant
    return False, access.find(_shown_tokens(told), now)


@lru_cache(maxsize=1024)
def _find_owner(told: RequestFields, access: Access) -> tuple[bool, str | None]:
    """Do as `_find_grant` where nothing depends on the time: the same browser asks again and again."""
    if told.bearer is not None and access.find([told.bearer], 0.0) is not None:
        return True, OWNER
    return False, access.find(_shown_tokens(told), 0.0)


def _ask_for_token(head: RequestHead) -> Answer:
    return Answer(reply=answers.NO_TOKEN, failed_token=bool(head.parsed.tokens or head.parsed.bearer))


def _shown_tokens(told: RequestFields) -> list[bytes]:
    tokens = told.tokens[:_MAX_TOKENS]
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


def _decide_own(
    head: RequestHead, access: Access | None, policy: Policy, path: str, query: str, *, https: bool, now: float
) -> Decision:
    page = path.removeprefix(OWN_PREFIX)
    if page == "/status":
        return StatusPage() if head.is_safe else Answer(reply=answers.METHOD_NOT_ALLOWED)
    if access is None:
        return Answer(reply=answers.NO_ROUTE)
    if page == "/login":
        return _decide_form(head, policy)
    if page in ("", "/", "/live"):
        return _decide_session(head, access, policy, is_live=page == "/live", now=now)
    link = parse_login_link(path, query)
    if link is None:
        return Answer(reply=answers.NO_PAGE)
    if head.method not in (b"GET", b"HEAD"):
        return Answer(reply=answers.METHOD_NOT_ALLOWED)
    found = access.find_link(link.token, now)
    match found:
        case None:
            return Answer(reply=answers.WRONG_TOKEN, failed_token=True)
        case Share(token_hash=None):
            # What only looks does not use it up (mail scanners, previews).
            is_use = head.method == b"GET"
            return (
                RedeemOneTimeLink(share=found, next=link.next)
                if is_use
                else Answer(reply=answers.METHOD_NOT_ALLOWED)
            )
        case Share():
            return Answer(reply=answers.LINK_USED)
    return Answer(reply=answers.redirect(link.next, format_cookie(link.token, https=https)))


def _decide_form(head: RequestHead, policy: Policy) -> Decision:
    if head.method != b"POST":
        return _ask_for_token(head) if head.is_safe else Answer(reply=answers.METHOD_NOT_ALLOWED)
    # Another site's page could log a visitor in as somebody else.
    return SubmitToken() if _comes_from_here(head, policy) else Answer(reply=answers.CROSS_SITE)


def _decide_session(head: RequestHead, access: Access, policy: Policy, *, is_live: bool, now: float) -> Decision:
    if not head.is_safe:
        return Answer(reply=answers.METHOD_NOT_ALLOWED)
    _, grant = _find_grant(head.parsed, access, now)
    if grant is None:
        return _ask_for_token(head)
    if is_live != (b"websocket" in head.upgrades):
        return Answer(reply=answers.NO_PAGE)
    if is_live and not _comes_from_here(head, policy):
        return Answer(reply=answers.CROSS_SITE)
    return ShowSession(grant=grant, is_live=is_live)


def decide_login(
    head: RequestHead, token: bytes, access: Access, *, https: bool, now: float
) -> Answer | RedeemOneTimeLink:
    """Return what becomes of a token that came in the form."""
    found = access.find_link(token, now)
    where = _page_before(head)
    match found:
        case None:
            return Answer(reply=answers.WRONG_FORM_TOKEN, failed_token=True)
        case Share(token_hash=None):
            return RedeemOneTimeLink(share=found, next=where)
        case Share():
            return Answer(reply=answers.LINK_USED)
    return Answer(reply=answers.redirect(where, format_cookie(token, https=https), status=303))


def _page_before(head: RequestHead) -> str:
    """Return the page on which the form stood, as far as the browser tells, and never one of ours."""
    referers = head.values(b"referer")
    try:
        parts = urlsplit(referers[0].decode("ascii")) if len(referers) == 1 else None
    except ValueError:
        parts = None
    if parts is None or _is_own(parts.path):
        return "/"
    return safe_redirect_target(parts.path + (f"?{parts.query}" if parts.query else ""))


def format_cookie(token: bytes, *, https: bool) -> str:
    """Write a Set-Cookie field's value that lets a browser in (RFC 6265bis section 4.1)."""
    secure = "; Secure" if https else ""
    return f"{COOKIE_NAME.decode()}={cookie_value(token)}; HttpOnly; Path=/; SameSite=Lax{secure}"


def _comes_from_here(head: RequestHead, policy: Policy) -> bool:
    """Whether a page of the route's own host sent this, or no page at all.

    Neighbours on the parent domain count as the same site to a browser, so SameSite does not keep them out. The
    scheme is not compared, since TLS may end in front of us.
    """
    if head.parsed.origin is None or head.parsed.origin.lower() in policy.allowed_origins:
        return True
    origin = _parse_origin(head.parsed.origin)
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
