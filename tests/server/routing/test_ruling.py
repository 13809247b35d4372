"""The one ruling: every state of a session by every kind of request, and when a request is carried out again."""

from __future__ import annotations

import pytest

from conductor_trio.access.cors import Preflight
from conductor_trio.access.decisions import (
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
from conductor_trio.access.grants import OWNER, Principal, Share
from conductor_trio.access.origins import Policy
from conductor_trio.access.reasons import (
    ApplicationStarting,
    LinkForOneBrowser,
    LinkLost,
    PlantedCookies,
    Redirect,
    Refusal,
    SessionEnded,
)
from conductor_trio.access.tokens import hash_token
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.ruling import Load, Park, Ruling, may_repeat, rule
from conductor_trio.server.routing.states import Detached, Ended, Live, SessionState, Starting
from tests.support.guards import OpenGuard
from tests.support.heads import parse_request_head
from tests.support.routes import make_route

NOW = 1_000_000.0
POLICY = Policy(allowed_origins=frozenset([b"https://portal.test"]))
HOST = "x.test"


def share(name: str, *, is_once: bool = False, expires: float | None = None) -> Share:
    digest = hash_token(name.encode())
    return Share(
        id=name,
        label="",
        created=0.0,
        expires=expires,
        link_hash=digest,
        token_hash=None if is_once else digest,
        is_once=is_once,
    )


FRIEND, ONCE = share("friend"), share("once", is_once=True)

STATES: dict[str, SessionState | None] = {
    "live": Live(since=1.0),
    "starting": Starting(since=2.0),
    "detached": Detached(since=3.0, expires=9.0),
    "ended": Ended(since=4.0, expires=9.0),
    "unknown": None,
}


def route_in(state: SessionState | None) -> Route | None:
    if state is None:
        return None
    return make_route(host=HOST, token=b"t0ken", shares=(FRIEND, ONCE), state=state)


OWNERS = b"Cookie: authorization=t0ken\r\n"
FRIENDS = b"Cookie: authorization=friend\r\n"
BEARER = b"Authorization: Bearer t0ken\r\n"
WRONG = b"Cookie: authorization=wrong\r\n"
FOREIGN = b"Origin: http://evil.test\r\n"
NEIGHBOURS = b"Sec-Fetch-Site: same-site\r\n"
OWN_PARTS = b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: manifest\r\n"
SCRIPTS = b"Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n"
FRAMES = b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"
PORTALS = b"Origin: https://portal.test\r\n"
PREFETCH = (
    b"Sec-Purpose: prefetch\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
)
MANY_COOKIES = b"Cookie: " + b"; ".join(b"planted%d=x" % number for number in range(150)) + b"\r\n"
LED = b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
PREFLIGHT = b"Access-Control-Request-Method: PUT\r\n"
WEBSOCKET = b"Connection: upgrade\r\nUpgrade: websocket\r\n"

#: What stands for: let through, if the state is so.
THROUGH, THROUGH_BEARER, THROUGH_FRIEND = (
    Forward(drop_authorization=False),
    Forward(drop_authorization=True),
    Forward(drop_authorization=False, principal=Principal("friend")),
)
NO_TOKEN = Respond(reason=Refusal.NO_TOKEN)
WRONG_TOKEN = Respond(reason=Refusal.NO_TOKEN, failed_token=True)
WRONG_LINK = Respond(reason=Refusal.WRONG_TOKEN, failed_token=True)
ONE_BROWSER = Respond(reason=LinkForOneBrowser())
NOT_A_TAB = Respond(reason=Refusal.NOT_A_TAB)
CROSS_SITE_VISIT = Respond(reason=Refusal.CROSS_SITE_VISIT)
CROSS_SITE = Respond(reason=Refusal.CROSS_SITE)
NOT_ALLOWED = Respond(reason=Refusal.METHOD_NOT_ALLOWED)
COOKIE = b"authorization=t0ken; HttpOnly; Path=/; SameSite=Lax"

# A name, the method, the target, fields, and what becomes of the request while the session is there.
REQUESTS: list[tuple[str, bytes, bytes, bytes, Ruling]] = [
    ("the owner's", b"GET", b"/", OWNERS, THROUGH),
    ("the owner's change", b"POST", b"/", OWNERS, THROUGH),
    ("the owner's upgrade", b"GET", b"/", OWNERS + WEBSOCKET, THROUGH),
    ("a bearer's", b"GET", b"/", BEARER, THROUGH_BEARER),
    ("a friend's", b"GET", b"/", FRIENDS, THROUGH_FRIEND),
    ("a stranger's", b"GET", b"/", b"", NO_TOKEN),
    ("an own page's web manifest", b"GET", b"/manifest.json", OWN_PARTS, Respond(reason=Refusal.NO_CREDENTIALS)),
    ("an own page's part with a wrong token", b"GET", b"/manifest.json", WRONG + OWN_PARTS, WRONG_TOKEN),
    ("a prefetch", b"GET", b"/", b"Sec-Purpose: prefetch\r\n", NO_TOKEN),
    ("one with a wrong token", b"GET", b"/", WRONG, WRONG_TOKEN),
    ("another site's change", b"POST", b"/", OWNERS + FOREIGN, CROSS_SITE),
    ("another site's upgrade", b"GET", b"/", OWNERS + FOREIGN + WEBSOCKET, CROSS_SITE),
    ("another page's prefetch", b"GET", b"/", OWNERS + PREFETCH, CROSS_SITE_VISIT),
    ("one out of too many cookies", b"GET", b"/", MANY_COOKIES, Respond(reason=Refusal.CROWDED_OUT)),
    ("the cookies' page", b"GET", b"/_conductor/cookies", b"", Respond(reason=PlantedCookies())),
    ("the cookies' page, put", b"PUT", b"/_conductor/cookies", b"", NOT_ALLOWED),
    ("another site's wish to forget cookies", b"POST", b"/_conductor/cookies", FOREIGN, CROSS_SITE),
    ("the form", b"POST", b"/_conductor/login", b"", SubmitToken()),
    ("the form, read", b"GET", b"/_conductor/login", b"", NO_TOKEN),
    ("the form, put", b"PUT", b"/_conductor/login", b"", NOT_ALLOWED),
    ("another site's form", b"POST", b"/_conductor/login", FOREIGN, CROSS_SITE),
    (
        "a login link",
        b"GET",
        b"/_conductor/auth/t0ken",
        b"",
        Respond(reason=Redirect(where="/", set_cookies=(COOKIE,))),
    ),
    (
        "a wrong login link",
        b"GET",
        b"/_conductor/auth/wrong",
        b"",
        WRONG_LINK,
    ),
    ("a look at a one-time link", b"GET", b"/_conductor/auth/once", b"", ONE_BROWSER),
    ("the head of a one-time link", b"HEAD", b"/_conductor/auth/once", b"", ONE_BROWSER),
    (
        "a one-time link",
        b"POST",
        b"/_conductor/auth/once?next=/lab",
        b"Origin: http://x.test\r\n",
        RedeemOneTimeLink(share=ONCE, next="/lab"),
    ),
    ("another site's one-time link", b"POST", b"/_conductor/auth/once", FOREIGN, CROSS_SITE),
    ("a login link, posted", b"POST", b"/_conductor/auth/t0ken", b"", NOT_ALLOWED),
    ("a guess at a one-time link", b"POST", b"/_conductor/auth/wrong", b"", WRONG_LINK),
    ("the session's page", b"GET", b"/_conductor/", OWNERS, SessionPage(principal=OWNER, may_command=True)),
    (
        "the session's page to which the application led",
        b"GET",
        b"/_conductor/",
        OWNERS + LED,
        SessionPage(principal=OWNER, may_command=False),
    ),
    (
        "the session's page for a friend",
        b"GET",
        b"/_conductor",
        FRIENDS,
        SessionPage(principal=FRIEND.principal, may_command=False),
    ),
    ("a script at the session's page", b"GET", b"/_conductor/", OWNERS + SCRIPTS, NOT_A_TAB),
    ("a frame for the session's page", b"GET", b"/_conductor/", OWNERS + FRAMES, NOT_A_TAB),
    ("a neighbour's frame", b"GET", b"/_conductor/", OWNERS + NEIGHBOURS + FRAMES, CROSS_SITE),
    ("a neighbour's frame of the application", b"GET", b"/", OWNERS + NEIGHBOURS + FRAMES, CROSS_SITE_VISIT),
    ("a neighbour's script", b"GET", b"/", OWNERS + NEIGHBOURS + SCRIPTS, CROSS_SITE),
    ("a neighbour's script with a bearer", b"GET", b"/", BEARER + NEIGHBOURS + SCRIPTS, THROUGH_BEARER),
    ("a preflight of a neighbour", b"OPTIONS", b"/", FOREIGN + PREFLIGHT, NO_TOKEN),
    (
        "a preflight of the portal",
        b"OPTIONS",
        b"/",
        PORTALS + PREFLIGHT,
        Preflight(origin=b"https://portal.test", method=b"PUT", headers=()),
    ),
    ("a preflight of the portal at our own pages", b"OPTIONS", b"/_conductor/", PORTALS + PREFLIGHT, NO_TOKEN),
    ("a stranger at the session's page", b"GET", b"/_conductor/", b"", NO_TOKEN),
    (
        "the session page's WebSocket",
        b"GET",
        b"/_conductor/live",
        FRIENDS + WEBSOCKET,
        SessionSocket(principal=Principal("friend")),
    ),
    ("another site's WebSocket", b"GET", b"/_conductor/live", OWNERS + WEBSOCKET + FOREIGN, CROSS_SITE),
    ("no page", b"GET", b"/_conductor/other", OWNERS, Respond(reason=Refusal.NO_PAGE)),
]
#: What does not depend on a session.
SERVERS: list[tuple[str, bytes, bytes, bytes, Ruling]] = [
    ("the counters", b"GET", b"/_conductor/status", b"", StatusPage()),
    ("the counters, changed", b"POST", b"/_conductor/status", b"", NOT_ALLOWED),
    ("the house's logo", b"GET", b"/_conductor/logo?abc", b"", SiteLogo()),
    ("the house's logo, changed", b"POST", b"/_conductor/logo", b"", NOT_ALLOWED),
    ("the server's options", b"OPTIONS", b"*", b"", ServerOptions()),
]
#: What becomes of a request that would be let through, or of any that is for a session.
LET_THROUGH: dict[str, Ruling] = {
    "starting": Respond(reason=ApplicationStarting(since=2.0, is_for_owner=True)),
    "detached": Park(otherwise=Respond(reason=LinkLost(since=3.0))),
}
FOR_NOBODY: dict[str, Ruling] = {
    "ended": Respond(reason=SessionEnded(since=4.0)),
    "unknown": Respond(reason=Refusal.NO_ROUTE),
}


def ruled(method: bytes, target: bytes, fields: bytes, route: Route | None, load: Load = Load.NORMAL) -> Ruling:
    data = method + b" " + target + b" HTTP/1.1\r\nHost: x.test\r\n" + fields + b"\r\n"
    head = parse_request_head(data, max_fields=100)
    return rule(head, route, load, POLICY, OpenGuard(), https=False, now=NOW)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("name", "method", "target", "fields", "while_there"), REQUESTS)
def test_every_request_in_every_state(
    name: str, method: bytes, target: bytes, fields: bytes, while_there: Ruling, state: str
) -> None:
    expected = FOR_NOBODY.get(state, while_there)
    if isinstance(while_there, Forward):
        expected = LET_THROUGH.get(state, expected)
        if state == "starting":
            is_for_owner = while_there.principal == OWNER
            expected = Respond(reason=ApplicationStarting(since=2.0, is_for_owner=is_for_owner))
    assert ruled(method, target, fields, route_in(STATES[state])) == expected, name


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("name", "method", "target", "fields", "always"), SERVERS)
def test_the_servers_own_pages_are_there_for_everybody(
    name: str, method: bytes, target: bytes, fields: bytes, always: Ruling, state: str
) -> None:
    assert ruled(method, target, fields, route_in(STATES[state])) == always, name


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("name", "method", "target", "fields", "while_there"), REQUESTS + SERVERS)
def test_where_there_are_too_many_only_what_goes_through_is_refused(
    name: str, method: bytes, target: bytes, fields: bytes, while_there: Ruling, state: str
) -> None:
    route = route_in(STATES[state])
    expected = ruled(method, target, fields, route)
    if isinstance(expected, Forward):
        expected = Respond(reason=Refusal.TOO_MANY_CONNECTIONS)
    assert ruled(method, target, fields, route, Load.FULL) == expected, name


@pytest.mark.parametrize(("expires", "expected"), [(NOW + 1, THROUGH_FRIEND), (NOW, WRONG_TOKEN)])
def test_a_share_that_is_over_opens_nothing(expires: float, expected: Ruling) -> None:
    route = make_route(host=HOST, token=b"t0ken", shares=(share("friend", expires=expires),))
    assert ruled(b"GET", b"/", FRIENDS, route) == expected


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("is_harmless", [True, False])
@pytest.mark.parametrize("repeats", [0, 2, 3])
def test_when_a_request_is_carried_out_again(state: str, is_harmless: bool, repeats: int) -> None:
    expected = is_harmless and repeats < 3 and state not in ("ended", "unknown")
    route = route_in(STATES[state])
    assert may_repeat(route, is_harmless=is_harmless, repeats=repeats, max_repeats=3) is expected
