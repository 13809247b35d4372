"""The entrance of the dashboard, pure: from a request that is addressed to it to what becomes of it.

::

    GET  /                            the page, for whoever was let in
    GET  /_conductor/live             its WebSocket; without an upgrade, whether the page may connect again
    POST /_conductor/leave            ends the entry
    GET  /_conductor/auth/<token>     a button, which does the next; a preview does no more than this
    POST /_conductor/auth/<token>     spends a one-time link on this browser
"""

from __future__ import annotations

import re

import attrs

from conductor_trio.access.admission import find_link
from conductor_trio.access.grants import Share
from conductor_trio.access.guard import TokenGuard
from conductor_trio.access.login_link import OWN_PREFIX, parse_login_link
from conductor_trio.access.origins import (
    Policy,
    comes_from_here,
    is_visit,
    may_be_whole_tab,
    names_own_site,
)
from conductor_trio.access.reasons import Refusal
from conductor_trio.access.tokens import cookie_value
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import CROSS_SITE_RELOAD, MAX_TOKENS_SHOWN
from conductor_trio.pages.answers import Hop, Reply, answer_for
from conductor_trio.pages.html import Form, Tone
from conductor_trio.server.admin.entries import Entries, Entry

_NAME = b"conductor-admin"
_COOKIE = re.compile(rb"(?:^|;)[ \t]*(__Host-)?" + _NAME + rb"=([^;]*)")
#: No origin but the dashboard's own, whatever may use applications.
_OWN_ORIGIN = Policy()


@attrs.frozen
class Redeem:
    """Spend this link on the browser."""

    share: Share


@attrs.frozen
class ShowPage:
    """Show the page."""

    entry: Entry


@attrs.frozen
class OpenSocket:
    """Serve the page's WebSocket."""

    entry: Entry


@attrs.frozen
class TellEntry:
    """Tell that the page may connect."""


@attrs.frozen
class Leave:
    """End the entry, and have the browser forget the cookie."""

    entry: Entry | None


@attrs.frozen
class WrongLink:
    """Answer so, and have it known that a link was wrong."""

    reply: Reply


Ruling = Reply | WrongLink | Redeem | ShowPage | OpenSocket | TellEntry | Leave

_SIGN_IN = Reply(status=403, topic="dashboard_sign_in", hop=Hop.DASHBOARD)
_LINK = Reply(status=200, topic="dashboard_link", hop=Hop.DASHBOARD, tone=Tone.ASKING, form=Form.OPEN_DASHBOARD)
_WRONG_LINK = Reply(status=403, topic="dashboard_wrong_link", hop=Hop.DASHBOARD)
_LINK_USED = Reply(status=403, topic="dashboard_link_used", hop=Hop.DASHBOARD)
_CROSS_SITE = Reply(status=403, topic="dashboard_cross_site", hop=Hop.DASHBOARD)
_NOT_A_TAB = Reply(status=403, topic="dashboard_not_a_tab", hop=Hop.DASHBOARD)
_METHOD_NOT_ALLOWED = answer_for(Refusal.METHOD_NOT_ALLOWED)
_NO_PAGE = answer_for(Refusal.NO_PAGE)


def rule_entrance(
    head: RequestHead, entries: Entries, identified: Entry | None, guard: TokenGuard, *, https: bool, now: float
) -> Ruling:
    """Return what becomes of a request at `now` (Unix time).

    `identified` is the entry of an operator whom a trusted front proxy names.
    """
    path, _, query = head.target.decode("ascii").partition("?")
    link = parse_login_link(path, query)
    if link is not None:
        return _rule_link(head, link.token, entries, guard, https=https, now=now)
    entry = identified or entries.find(shown_tokens(head, https=https), now)
    if path == OWN_PREFIX + "/leave":
        if head.method != b"POST":
            return _METHOD_NOT_ALLOWED
        return Leave(entry) if comes_from_here(head, _OWN_ORIGIN, https=https) else _CROSS_SITE
    if path not in ("/", OWN_PREFIX + "/live"):
        return _NO_PAGE
    if not head.is_safe:
        return _METHOD_NOT_ALLOWED
    if entry is None:
        # The browser keeps the cookie back where another site led here, and shows it to a page of ours.
        comes_by_link = is_visit(head) and not names_own_site(head.parsed)
        return attrs.evolve(_SIGN_IN, reload=CROSS_SITE_RELOAD) if comes_by_link else _SIGN_IN
    if path == "/":
        return ShowPage(entry) if may_be_whole_tab(head) else _NOT_A_TAB
    if b"websocket" not in head.upgrades:
        return TellEntry()
    is_own = head.parsed.origin is not None and comes_from_here(head, _OWN_ORIGIN, https=https)
    return OpenSocket(entry) if is_own else _CROSS_SITE


def _rule_link(
    head: RequestHead, token: bytes, entries: Entries, guard: TokenGuard, *, https: bool, now: float
) -> Ruling:
    if head.method not in (b"GET", b"HEAD", b"POST"):
        return _METHOD_NOT_ALLOWED
    found = find_link(head, token, entries.access, guard, Refusal.WRONG_TOKEN, now)
    match found:
        case Share(token_hash=None):
            if head.method != b"POST":
                return _LINK
            return Redeem(found) if comes_from_here(head, _OWN_ORIGIN, https=https) else _CROSS_SITE
        case Share():
            return _LINK_USED
    if isinstance(found, str) or found.reason is Refusal.WRONG_TOKEN:
        return WrongLink(_WRONG_LINK)
    return answer_for(found.reason)


def shown_tokens(head: RequestHead, *, https: bool) -> list[bytes]:
    """Return the tokens in the cookies of a request; over HTTPS those only that no neighbour can have planted."""
    values = [pair for field in head.values(b"cookie") for pair in _COOKIE.findall(field)]
    return [token.strip(b" \t") for prefix, token in values[:MAX_TOKENS_SHOWN] if bool(prefix) == https]


def format_cookie(token: str, *, https: bool) -> bytes:
    """Write the Set-Cookie field's value that lets a browser in; an empty token has it forgotten."""
    prefix, secure = ("__Host-", "; Secure") if https else ("", "")
    age = "" if token else "; Max-Age=0"
    value = cookie_value(token.encode())
    return f"{prefix}{_NAME.decode()}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}".encode()
