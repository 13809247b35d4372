"""Access control of a request, pure: from its head, its route's tokens and the policy to what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from conductor_trio.access.cors import Preflight, read_preflight
from conductor_trio.access.grants import OWNER, Access, Principal, Share
from conductor_trio.access.guard import Guess, TokenGuard, shown_guesses
from conductor_trio.access.login_link import (
    OWN_PREFIX,
    LoginLink,
    is_own,
    parse_login_link,
)
from conductor_trio.access.origins import (
    Policy,
    comes_by_own_page,
    comes_from_here,
    is_own_part,
    is_visit,
    may_be_whole_tab,
    may_use_cookie,
    names_own_site,
    page_before,
)
from conductor_trio.access.planted_cookies import forget_planted, is_crowded
from conductor_trio.access.reasons import (
    LinkForOneBrowser,
    PlantedCookies,
    Reason,
    Redirect,
    Refusal,
    TooManyGuesses,
)
from conductor_trio.access.tokens import format_cookies
from conductor_trio.http1.request import SAFE_METHODS, RequestHead


@attrs.frozen(kw_only=True)
class Forward:
    """Let the request through to the application."""

    principal: Principal = OWNER  #: who was let in
    drop_authorization: bool  #: whether the Authorization field is ours, and does not go on


@attrs.frozen(kw_only=True)
class Respond:
    """Answer the request in the application's place."""

    reason: Reason
    failed_token: bool = False  #: whether a token was compared and is wrong, which its owner is told


@attrs.frozen(kw_only=True)
class RedeemOneTimeLink:
    """Open this browser by a one-time link, which is spent by that: a token is made for the browser."""

    share: Share
    next: str  #: where the browser goes on to


@attrs.frozen
class SubmitToken:
    """Read the login form, whose body brings a token."""


@attrs.frozen(kw_only=True)
class SessionPage:
    """Show the session's own page."""

    principal: Principal  #: who looks at it
    may_command: bool  #: whether the page may do what its owner wants


@attrs.frozen(kw_only=True)
class SessionSocket:
    """Serve the WebSocket of the session's own page."""

    principal: Principal  #: who looks at it


@attrs.frozen
class StatusPage:
    """Show the server's counters."""


@attrs.frozen
class ServerOptions:
    """Say what the server as a whole can do (``OPTIONS *``)."""


OwnPage = RedeemOneTimeLink | SubmitToken | SessionPage | SessionSocket | StatusPage | ServerOptions | Preflight
Decision = Forward | Respond | OwnPage


def decide(
    head: RequestHead, access: Access | None, policy: Policy, guard: TokenGuard, *, https: bool, now: float
) -> Decision:
    """Return what becomes of a request at `now` (Unix time); `access` is its route's, None where it has none."""
    target = head.target
    if target == b"*":
        return ServerOptions()
    if b"%" in target or b"_conductor" in target:  # the server's own paths, in any spelling, among others
        path, _, query = target.decode("ascii").partition("?")
        if is_own(path):
            return _decide_own(head, access, policy, guard, path, query, https=https, now=now)
    if access is None:
        return Respond(reason=Refusal.NO_ROUTE)
    known = head.parsed.reading.memo.conclusion
    if isinstance(known, _OwnerShown) and known.access is access and known.may_forward(head):
        return known.forward
    found = _find_principal(head, access, guard, now)
    if isinstance(found, Respond):
        return read_preflight(head, policy) or found
    by_bearer, principal = found
    if not by_bearer and not _is_own_request(head, policy, https=https):
        return Respond(reason=Refusal.CROSS_SITE_VISIT if is_visit(head) else Refusal.CROSS_SITE)
    return Forward(drop_authorization=by_bearer, principal=principal)


@attrs.frozen(kw_only=True)
class _OwnerShown:
    """The conclusion that a block of fields shows the owner's token, as long as `access` is the route's.

    `is_from_here` tells that, by the browser, no other origin's page sent it, whatever the request line says.
    """

    access: Access
    forward: Forward
    is_from_here: bool

    def may_forward(self, head: RequestHead) -> bool:
        """Whether that alone lets the request through to the application; otherwise more has to be asked."""
        return self.forward.drop_authorization or (
            self.is_from_here and head.method in SAFE_METHODS and not head.upgrades
        )


_FORWARD_BY_COOKIE = Forward(drop_authorization=False)
_FORWARD_BY_BEARER = Forward(drop_authorization=True)


def _is_own_request(head: RequestHead, policy: Policy, *, https: bool) -> bool:
    """Whether a request that the cookie lets in may come from where it comes from."""
    asks_for_change = bool(head.upgrades) or not head.is_safe
    return may_use_cookie(head, policy) and (not asks_for_change or comes_from_here(head, policy, https=https))


def _find_principal(
    head: RequestHead, access: Access, guard: TokenGuard, now: float
) -> tuple[bool, Principal] | Respond:
    """Return whether a bearer token lets the request in, and whom it lets in, or the answer if it does not.

    A browser shows the same from request to request, so that it was the owner's is concluded once: any change of
    who gets in makes another `Access`, and other principals have an end in time.
    """
    memo = head.parsed.reading.memo
    known = memo.conclusion
    if isinstance(known, _OwnerShown) and known.access is access:
        return known.forward.drop_authorization, OWNER
    if not (guesses := shown_guesses(head.parsed)):
        return _ask_for_token(head)
    screened = guard.screen(head, guesses, access)
    if isinstance(screened, TooManyGuesses):
        return Respond(reason=screened)
    by_bearer, principal = _compare(screened, head.parsed.bearer, access, now)
    if principal is None:
        if screened:
            guard.note_wrong(head, screened, access)
        return Respond(reason=_no_token(head), failed_token=bool(screened))
    guard.note_right(head, access)
    if principal == OWNER:
        memo.conclusion = _OwnerShown(
            access=access,
            forward=_FORWARD_BY_BEARER if by_bearer else _FORWARD_BY_COOKIE,
            is_from_here=names_own_site(head.parsed),
        )
    return by_bearer, principal


def _compare(
    guesses: Sequence[Guess], bearer: bytes | None, access: Access, now: float
) -> tuple[bool, Principal | None]:
    """Return whether the bearer token is right, and whom what was shown lets in, if anybody."""
    if (
        bearer is not None
        and Guess((bearer,)) in guesses
        and (principal := access.find([bearer], now)) is not None
    ):
        return True, principal
    return False, access.find((token for guess in guesses for token in guess.tokens), now)


def _ask_for_token(head: RequestHead) -> Respond:
    if is_own_part(head) and not (head.parsed.tokens or head.parsed.bearer):
        return Respond(reason=Refusal.NO_CREDENTIALS)
    return Respond(reason=_no_token(head))


def _no_token(head: RequestHead) -> Refusal:
    return Refusal.CROWDED_OUT if is_crowded(head) else Refusal.NO_TOKEN


def _decide_own(
    head: RequestHead,
    access: Access | None,
    policy: Policy,
    guard: TokenGuard,
    path: str,
    query: str,
    *,
    https: bool,
    now: float,
) -> Decision:
    page = path.removeprefix(OWN_PREFIX)
    if page == "/status":
        return StatusPage() if head.is_safe else Respond(reason=Refusal.METHOD_NOT_ALLOWED)
    if access is None:
        return Respond(reason=Refusal.NO_ROUTE)
    if page == "/login":
        return _decide_form(head, policy, https=https)
    if page == "/cookies":
        return _decide_cookies(head, policy, https=https)
    if page in ("", "/", "/live"):
        return _decide_session(head, access, policy, guard, is_socket=page == "/live", https=https, now=now)
    link = parse_login_link(path, query)
    if link is None:
        return Respond(reason=Refusal.NO_PAGE)
    return _decide_link(head, link, access, policy, guard, https=https, now=now)


def _decide_link(
    head: RequestHead,
    link: LoginLink,
    access: Access,
    policy: Policy,
    guard: TokenGuard,
    *,
    https: bool,
    now: float,
) -> Decision:
    if head.method not in (b"GET", b"HEAD", b"POST"):
        return Respond(reason=Refusal.METHOD_NOT_ALLOWED)
    found = _find_link(head, link.token, access, guard, Refusal.WRONG_TOKEN, now)
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


def _find_link(
    head: RequestHead, token: bytes, access: Access, guard: TokenGuard, refusal: Refusal, now: float
) -> Principal | Share | Respond:
    """Return whom a link's token lets in, or its share where that is for one browser, or the answer if nobody."""
    screened = guard.screen(head, [Guess((token,), in_link=True)], access)
    if isinstance(screened, TooManyGuesses):
        return Respond(reason=screened)
    found = access.find_link(token, now) if screened else None
    if found is not None:
        guard.note_right(head, access)
        return found
    if screened:
        guard.note_wrong(head, screened, access)
    return Respond(reason=refusal, failed_token=bool(screened))


def _decide_one_time_link(head: RequestHead, share: Share, where: str, policy: Policy, *, https: bool) -> Decision:
    """Have a person spend the link by a button: previews, scanners and prefetches do no more than GET it."""
    if head.method != b"POST":
        return Respond(reason=LinkForOneBrowser())
    if not comes_from_here(head, policy, https=https):
        return Respond(reason=Refusal.CROSS_SITE)
    return RedeemOneTimeLink(share=share, next=where)


def _decide_form(head: RequestHead, policy: Policy, *, https: bool) -> Decision:
    if head.method != b"POST":
        return _ask_for_token(head) if head.is_safe else Respond(reason=Refusal.METHOD_NOT_ALLOWED)
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
    *,
    is_socket: bool,
    https: bool,
    now: float,
) -> Decision:
    if not head.is_safe:
        return Respond(reason=Refusal.METHOD_NOT_ALLOWED)
    found = _find_principal(head, access, guard, now)
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
    found = _find_link(head, token, access, guard, Refusal.WRONG_FORM_TOKEN, now)
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
