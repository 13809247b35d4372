"""Access control of a request, pure: from its head, its route's tokens and the policy to what becomes of it."""

from __future__ import annotations

from conductor_trio.access.admission import (
    OwnerShown,
    ask_for_identity,
    ask_for_token,
    find_link,
    find_principal,
)
from conductor_trio.access.cors import read_preflight
from conductor_trio.access.decisions import (
    Decision,
    Forward,
    RedeemOneTimeLink,
    Respond,
    ServerOptions,
    SessionPage,
    SessionSocket,
    SiteLogo,
    StatusPage,
    SubmitToken,
)
from conductor_trio.access.grants import OWNER, Access, Identity, Share
from conductor_trio.access.guard import TokenGuard
from conductor_trio.access.login_link import (
    LOGO_PAGE,
    OWN_PREFIX,
    LoginLink,
    is_own,
    parse_login_link,
)
from conductor_trio.access.origins import (
    Policy,
    comes_by_own_page,
    comes_from_here,
    is_visit,
    may_be_whole_tab,
    may_use_cookie,
    page_before,
)
from conductor_trio.access.planted_cookies import forget_planted
from conductor_trio.access.reasons import LinkForOneBrowser, PlantedCookies, Redirect, Refusal
from conductor_trio.access.tokens import format_cookies
from conductor_trio.http1.request import RequestHead


def decide(
    head: RequestHead,
    access: Access | None,
    policy: Policy,
    guard: TokenGuard,
    *,
    identity: Identity | None = None,
    https: bool,
    now: float,
) -> Decision:
    """Return what becomes of a request at `now` (Unix time); `access` is its route's, None where it has none.

    `identity` is who the visitor is, where a trusted front proxy says so.
    """
    target = head.target
    if target == b"*":
        return ServerOptions()
    if b"%" in target or b"_conductor" in target:  # the server's own paths, in any spelling, among others
        path, _, query = target.decode("ascii").partition("?")
        if is_own(path):
            return _decide_own(head, access, policy, guard, identity, path, query, https=https, now=now)
    if access is None:
        return Respond(reason=Refusal.NO_ROUTE)
    known = head.parsed.reading.memo.conclusion
    if isinstance(known, OwnerShown) and known.access is access and known.may_forward(head):
        return known.forward
    found = find_principal(head, access, policy, guard, identity, now)
    if isinstance(found, Respond):
        return read_preflight(head, policy) or found
    by_bearer, principal = found
    if not by_bearer and not _is_own_request(head, policy, https=https):
        return Respond(reason=Refusal.CROSS_SITE_VISIT if is_visit(head) else Refusal.CROSS_SITE)
    return Forward(drop_authorization=by_bearer, principal=principal)


def _is_own_request(head: RequestHead, policy: Policy, *, https: bool) -> bool:
    """Whether a request that the cookie lets in may come from where it comes from."""
    asks_for_change = bool(head.upgrades) or not head.is_safe
    return may_use_cookie(head, policy) and (not asks_for_change or comes_from_here(head, policy, https=https))


def _decide_own(
    head: RequestHead,
    access: Access | None,
    policy: Policy,
    guard: TokenGuard,
    identity: Identity | None,
    path: str,
    query: str,
    *,
    https: bool,
    now: float,
) -> Decision:
    page = path.removeprefix(OWN_PREFIX)
    if page == "/status":
        return StatusPage() if head.is_safe else Respond(reason=Refusal.METHOD_NOT_ALLOWED)
    if page == LOGO_PAGE:
        return SiteLogo() if head.is_safe else Respond(reason=Refusal.METHOD_NOT_ALLOWED)
    if access is None:
        return Respond(reason=Refusal.NO_ROUTE)
    if page == "/login":
        return _decide_form(head, policy, identity, https=https)
    if page == "/cookies":
        return _decide_cookies(head, policy, https=https)
    if page in ("", "/", "/live"):
        return _decide_session(
            head, access, policy, guard, identity, is_socket=page == "/live", https=https, now=now
        )
    link = parse_login_link(path, query)
    if link is None:
        return Respond(reason=Refusal.NO_PAGE)
    return _decide_link(head, link, access, policy, guard, identity, https=https, now=now)


def _decide_link(
    head: RequestHead,
    link: LoginLink,
    access: Access,
    policy: Policy,
    guard: TokenGuard,
    identity: Identity | None,
    *,
    https: bool,
    now: float,
) -> Decision:
    if head.method not in (b"GET", b"HEAD", b"POST"):
        return Respond(reason=Refusal.METHOD_NOT_ALLOWED)
    if policy.needs_identity:  # then the link is no more than the way to where it leads
        is_known = identity is not None and (identity.is_owner or access.find_named(identity, now) is not None)
        return (
            Respond(reason=Redirect(where=link.next, set_cookies=())) if is_known else ask_for_identity(identity)
        )
    found = find_link(head, link.token, access, guard, Refusal.WRONG_TOKEN, now)
    match found:
        case Respond():
            return found
        case Share(token_hash=None):
            return _decide_one_time_link(head, found, link.next, policy, https=https)
        case Share():
            return Respond(reason=Refusal.LINK_USED)
    if head.method == b"POST":
        return Respond(reason=Refusal.METHOD_NOT_ALLOWED)
    return Respond(reason=Redirect(where=link.next, set_cookies=format_cookies(link.token, https=https)))


def _decide_one_time_link(head: RequestHead, share: Share, where: str, policy: Policy, *, https: bool) -> Decision:
    """Have a person spend the link by a button: previews, scanners and prefetches do no more than GET it."""
    if head.method != b"POST":
        return Respond(reason=LinkForOneBrowser())
    if not comes_from_here(head, policy, https=https):
        return Respond(reason=Refusal.CROSS_SITE)
    return RedeemOneTimeLink(share=share, next=where)


def _decide_form(head: RequestHead, policy: Policy, identity: Identity | None, *, https: bool) -> Decision:
    if policy.needs_identity:
        return ask_for_identity(identity)
    if head.method != b"POST":
        return ask_for_token(head) if head.is_safe else Respond(reason=Refusal.METHOD_NOT_ALLOWED)
    # Another site's page could log a visitor in as somebody else.
    return SubmitToken() if comes_from_here(head, policy, https=https) else Respond(reason=Refusal.CROSS_SITE)


def _decide_cookies(head: RequestHead, policy: Policy, *, https: bool) -> Respond:
    """Have a browser forget what neighbours planted, at the wish of a person who may have no token any more."""
    if head.method != b"POST":
        return Respond(reason=PlantedCookies() if head.is_safe else Refusal.METHOD_NOT_ALLOWED)
    if not comes_from_here(head, policy, https=https):
        return Respond(reason=Refusal.CROSS_SITE)
    planted = forget_planted(head, https=https)
    return Respond(reason=Redirect(where=page_before(head), set_cookies=planted, status=303))


def _decide_session(
    head: RequestHead,
    access: Access,
    policy: Policy,
    guard: TokenGuard,
    identity: Identity | None,
    *,
    is_socket: bool,
    https: bool,
    now: float,
) -> Decision:
    if not head.is_safe:
        return Respond(reason=Refusal.METHOD_NOT_ALLOWED)
    found = find_principal(head, access, policy, guard, identity, now)
    if isinstance(found, Respond):
        return found
    _, principal = found
    if is_socket != (b"websocket" in head.upgrades):
        return Respond(reason=Refusal.NO_PAGE)
    if not _is_own_request(head, policy, https=https):
        return Respond(reason=Refusal.CROSS_SITE)
    if not is_socket:
        if not may_be_whole_tab(head):
            return Respond(reason=Refusal.NOT_A_TAB)
        # A page of the application that led here may hold the window, and so could act in it.
        may_command = principal == OWNER and not comes_by_own_page(head)
        return SessionPage(principal=principal, may_command=may_command)
    return SessionSocket(principal=principal)


def decide_login(
    head: RequestHead, token: bytes, access: Access, guard: TokenGuard, *, https: bool, now: float
) -> Respond | RedeemOneTimeLink:
    """Return what becomes of a token that came in the form."""
    found = find_link(head, token, access, guard, Refusal.WRONG_FORM_TOKEN, now)
    where = page_before(head)
    match found:
        case Respond():
            return found
        case Share(token_hash=None):
            return RedeemOneTimeLink(share=found, next=where)
        case Share():
            return Respond(reason=Refusal.LINK_USED)
    cookies = format_cookies(token, https=https)
    return Respond(reason=Redirect(where=where, set_cookies=cookies, status=303))
