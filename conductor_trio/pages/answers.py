"""The server's own answers. They echo nothing that the visitor sent, and name the hop that failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import assert_never

import attrs

from conductor_trio.access.reasons import (
    ApplicationStarting,
    BadRequest,
    CookiesTooLarge,
    IdentityNeeded,
    LinkForOneBrowser,
    LinkLost,
    PlantedCookies,
    Reason,
    Redirect,
    Refusal,
    SessionEnded,
    TooManyGuesses,
    UpstreamFailed,
)
from conductor_trio.errors import UpstreamFault
from conductor_trio.limits.constants import (
    BROKEN_RELOAD,
    BROKEN_RETRY,
    COOKIES_RELOAD,
    CROSS_SITE_RELOAD,
    GUESS_RELOAD_PAUSE,
    LINK_LOST_RELOAD,
    STARTING_RELOAD,
)
from conductor_trio.pages.bad_request import FIELDS, TEXTS
from conductor_trio.pages.html import Form

_GATEWAY = "Gateway"
_LINK = "Link between the gateway and the application's computer"
_APPLICATION = "Application"


@attrs.frozen(kw_only=True)
class Reply:
    """An answer: a status, a line that names it, what is so, what to do next; `hop` is what speaks or failed."""

    status: int
    title: str
    text: str
    advice: str = ""
    hop: str = _GATEWAY
    fields: tuple[tuple[bytes, bytes], ...] = ()
    reload: int | None = None  #: after how many seconds a browser is to ask again by itself
    form: Form = Form.NONE
    is_expected: bool = False  #: nobody is kept from anything, so that it does not count


_denied = partial(Reply, status=403)


def _bad_request(status: int) -> Reply:
    """Return the answer to a request that breaks the protocol."""
    text = TEXTS.get(status, TEXTS[400])
    return Reply(status=status, title=HTTPStatus(status).phrase, text=text, fields=FIELDS.get(status, ()))


def _failed(status: int, text: str) -> Reply:
    """Return the answer where the application, or the way to it, failed; `text` names what did."""
    retry = ((b"Retry-After", b"%d" % BROKEN_RETRY),) if status == 503 else ()
    titles = {502: "The application does not answer", 503: "The application is not available now"}
    return Reply(
        status=status,
        title=titles.get(status, HTTPStatus(status).phrase),
        text=text,
        advice="This page tries again by itself. If this stays so, its owner can see in the application's "
        "output why.",
        hop=_APPLICATION,
        fields=retry,
        reload=BROKEN_RELOAD,
    )


def _too_many(text: str) -> Reply:
    """Return the answer to one of too many (RFC 6585 section 4)."""
    retry = ((b"Retry-After", b"%d" % BROKEN_RETRY),)
    advice = "Close some of them, or try again later."
    return Reply(status=429, title=HTTPStatus(429).phrase, text=text, advice=advice, fields=retry)


def _starting(since: float) -> Reply:
    """Return the answer for an application that has been starting since then (Unix time)."""
    return Reply(
        status=503,
        title="The application is starting",
        text=f"It was started at {_format_time(since)}, and does not answer yet.",
        advice="There is nothing to do: this page becomes the application by itself.",
        hop=_APPLICATION,
        fields=((b"Retry-After", b"%d" % STARTING_RELOAD),),
        reload=STARTING_RELOAD,
    )


def _link_lost(since: float) -> Reply:
    """Return the answer for a session whose link was lost at `since` (Unix time) and is expected back."""
    return Reply(
        status=503,
        title="The link to the application is lost",
        text=f"The application's computer has not been connected to this gateway since {_format_time(since)}. The "
        "application itself may well be running, and the link is being made again.",
        advice="There is nothing to do: this page tries again by itself.",
        hop=_LINK,
        fields=((b"Retry-After", b"%d" % LINK_LOST_RELOAD),),
        reload=LINK_LOST_RELOAD,
    )


def _session_ended(since: float) -> Reply:
    """Return the answer for a session that ended at `since` (Unix time)."""
    return Reply(
        status=410,
        title="The application has ended",
        text=f"The session that had this address ended at {_format_time(since)}.",
        advice="Its owner may start it again. You may then need a new link from them.",
        hop=_APPLICATION,
    )


def _format_time(unix_time: float) -> str:
    """Return a time for people anywhere."""
    return f"{datetime.fromtimestamp(unix_time, UTC):%H:%M:%S UTC on %d %B %Y}"


def _redirect(reason: Redirect) -> Reply:
    """Return the answer that has a browser go on with other cookies than before."""
    return Reply(
        status=reason.status,
        title="Welcome",
        text="Your browser goes on to the application.",
        fields=(
            (b"Location", reason.where.encode("ascii")),
            *_set_cookies(reason.set_cookies),
            (b"Referrer-Policy", b"no-referrer"),
        ),
    )


def _cookies_too_large(reason: CookiesTooLarge) -> Reply:
    """Return the answer to a request that has no room beside its cookies; its browser forgets them by it."""
    return Reply(
        status=431,
        title="Too many cookies",
        text="Your browser sends more cookies with this request than any request may hold. Another application or "
        "site of this domain has set them, or this application itself.",
        advice="There is nothing to do: your browser forgets the largest of them now, and this page asks again by "
        "itself. If this stays so, delete the cookies of this domain in the browser's settings.",
        fields=_set_cookies(reason.set_cookies),
        reload=COOKIES_RELOAD,
    )


def _set_cookies(values: tuple[bytes, ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((b"Set-Cookie", value) for value in values)


_PLANTED_COOKIES = Reply(
    status=200,
    title="Cookies of other applications",
    text="The applications here share a domain, and any of them can set cookies for all others: so many that a "
    "browser forgets who was let in, or so large that an application takes no request.",
    advice="The button has your browser forget the cookies that were set for the whole domain, and none of this "
    "application's own. You may have to sign in again at other sites of the domain.",
    form=Form.FORGET,
)


def _too_many_guesses(wait: int) -> Reply:
    """Return the answer to a token that is not even looked at for so many seconds."""
    return Reply(
        status=429,
        title="Too many wrong tokens",
        text="So many wrong tokens have come from your address, or for this application, that the gateway looks "
        "at few more for a while. It has not looked at yours.",
        advice="If yours is right, there is nothing to do: this page tries again by itself. A program shows the "
        "same token again after as many seconds as Retry-After says.",
        fields=((b"Retry-After", b"%d" % wait),),
        reload=wait + GUESS_RELOAD_PAUSE,
    )


def _identity_needed(user: str | None) -> Reply:
    """Return the answer to one whom the single sign-on calls so, or does not know."""
    if user is None:
        return Reply(
            status=403,
            title="Signed in as nobody",
            text="The applications here are open to those alone whom the single sign-on knows. It has told the "
            "gateway nothing of you, and so no link and no token opens this one.",
            advice="Sign in first. If you have, tell the people who run this gateway.",
        )
    return Reply(
        status=403,
        title="This application is somebody else's",
        text=f"You are signed in as {user}. The applications here are open to those alone whose they are, and to "
        "whom these have named; no link and no token changes that.",
        advice=f"Ask its owner to name you (`conductor-trio share KEY --with {user}`), or sign in as another.",
    )


_LINK_FOR_ONE_BROWSER = Reply(
    status=200,
    title="A link for one browser",
    text="This link opens the application once, for the browser in which it is used. It has not been used yet.",
    advice="Go on in the browser in which you want to work: by the button, or, with a program, by a POST to this "
    "address.",
    form=Form.OPEN,
)
_REFUSALS = {
    Refusal.NO_ROUTE: Reply(
        status=404,
        title="No application here",
        text="No session is registered under this name at this gateway.",
        advice="Check the address. If it is right, the application has not been started, or has long ended: ask "
        "its owner.",
    ),
    Refusal.NO_PAGE: Reply(status=404, title="No such page", text="The gateway keeps no page under this address."),
    Refusal.NO_TOKEN: _denied(
        title="This application is private",
        text="Somebody runs an application here for themselves, and for those to whom they give its link. Your "
        "browser has not shown its token.",
        advice="Open the link that its owner gave you, or enter the token from it, the letters and digits after "
        "/_conductor/auth/.",
        form=Form.TOKEN,
    ),
    Refusal.CROWDED_OUT: _denied(
        title="Your browser may have forgotten the token",
        text="It shows about as many cookies of this domain as it keeps, and not the application's token. Another "
        "application or site of the domain has set them, and may have pushed out the one that let you in.",
        advice="Open the link that the application's owner gave you, or enter the token from it. If that does not "
        "last, have your browser forget the cookies that were set for the whole domain; you may have to sign in "
        "again at other sites of it.",
        form=Form.TOKEN_OR_FORGET,
    ),
    Refusal.NO_CREDENTIALS: _denied(
        title="Asked for without credentials",
        text="A page of the application asked for this without the cookie, so that the gateway does not know for "
        "whom.",
        advice='The page can ask with it: by crossorigin="use-credentials" in a link to a web manifest, by '
        'credentials: "same-origin" in a fetch.',
        is_expected=True,
    ),
    Refusal.WRONG_TOKEN: _denied(
        title="This link does not open the application",
        text="Its token is not, or no longer, one of the application's: it may have been started anew, or the "
        "link may have ended.",
        advice="Ask the application's owner for a new link, or enter the token that you have.",
        form=Form.TOKEN,
    ),
    Refusal.WRONG_FORM_TOKEN: _denied(
        title="This token does not open the application",
        text="It is not, or no longer, one of the application's tokens.",
        advice="Check that you have copied all of it, or ask the application's owner for a new link.",
        form=Form.TOKEN,
    ),
    Refusal.LINK_USED: _denied(
        title="This link has been used",
        text="It was made to open one browser, and has done so.",
        advice="If that was not you, tell the application's owner. They can give you a new link.",
    ),
    Refusal.CROSS_SITE: _denied(
        title="Cross-site request refused",
        text="Another site's page sent this request. The gateway lets through only the application's own pages.",
    ),
    # Not in a frame, where a browser does not show it: what leads here from there stays where it is.
    Refusal.CROSS_SITE_VISIT: _denied(
        title="Another site led here",
        text="It led to a page of the application in a way that is open to the application's own pages only.",
        advice="There is nothing to do: this page becomes the application by itself.",
        reload=CROSS_SITE_RELOAD,
    ),
    Refusal.NOT_A_TAB: _denied(
        title="This page needs a tab of its own",
        text="The session's page is given to nothing but a tab that shows it: no frame, script or service worker.",
        advice="Open it from the address bar. If the application has a service worker, hold Shift while you load "
        "the page anew.",
    ),
    Refusal.METHOD_NOT_ALLOWED: Reply(
        status=405,
        title="Method not allowed",
        text="The gateway's own pages are for GET and HEAD.",
        fields=((b"Allow", b"GET, HEAD"),),
    ),
    Refusal.TOO_MANY_CONNECTIONS: _failed(503, "This application has too many connections at this moment."),
    Refusal.TOO_MANY_VISITORS: _failed(503, "The gateway has too many visitors at this moment."),
    Refusal.TOO_MANY_FROM_ADDRESS: _too_many("There are too many connections from your address at this moment."),
    Refusal.TOO_MANY_PAGES: _too_many("Too many look at this session's page at this moment."),
    Refusal.NETWORK_BLOCKED: _denied(
        title="Your network is blocked here",
        text="The gateway's operator does not let anybody in from the network that you come from.",
        advice="Ask the gateway's administrators.",
    ),
    Refusal.SESSION_CUT: _failed(502, "The session ended before the application answered."),
}


_SESSION_STATES: Mapping[type[Reason], Callable[[float], Reply]] = {
    ApplicationStarting: _starting,
    LinkLost: _link_lost,
    SessionEnded: _session_ended,
}


def answer_for(reason: Reason) -> Reply:
    """Return what visitors are told for a reason."""
    match reason:
        case Refusal():
            return _REFUSALS[reason]
        case Redirect():
            return _redirect(reason)
        case TooManyGuesses():
            return _too_many_guesses(reason.wait)
        case IdentityNeeded():
            return _identity_needed(reason.user)
        case LinkForOneBrowser():
            return _LINK_FOR_ONE_BROWSER
        case PlantedCookies():
            return _PLANTED_COOKIES
        case CookiesTooLarge():
            return _cookies_too_large(reason)
        case ApplicationStarting() | LinkLost() | SessionEnded():
            return _SESSION_STATES[type(reason)](reason.since)
        case BadRequest():
            return _bad_request(reason.status)
        case UpstreamFailed():
            text = _upstream_text(reason.fault, reason.what)
            return _failed(reason.status, f"{text} This is so since {_format_time(reason.since)}.")
    assert_never(reason)


def _upstream_text(fault: UpstreamFault, what: str) -> str:
    match fault:
        case UpstreamFault.RELAY_SOCKET:
            return f"The way to the application, its relay socket, failed: {what}."
        case UpstreamFault.BAD_ANSWER:
            return f"The application did not give a proper answer: {what}."
        case UpstreamFault.SESSION_ENDED:
            return "The session ended."
    assert_never(fault)
