"""The reasons for which the server answers a request itself: values, whose words for people are in `pages`."""

from __future__ import annotations

import enum

import attrs

from conductor_trio.errors import UpstreamFault


class Refusal(enum.Enum):
    """A reason that is told in one word."""

    NO_ROUTE = "no route"  #: nothing is known of the host name
    NO_PAGE = "no page"  #: the server has no page of that path
    METHOD_NOT_ALLOWED = "method not allowed"  #: for a page of the server's own
    NO_TOKEN = "no token"  #: none was shown, or no right one # noqa: S105
    CROWDED_OUT = "crowded out"  #: none was shown, beside so many cookies that the browser may have forgotten it
    NO_CREDENTIALS = "no credentials"  #: the application's own page asked for a part of itself without the cookie
    WRONG_TOKEN = "wrong token"  #: in a login link # noqa: S105
    WRONG_FORM_TOKEN = "wrong form token"  #: in the login form # noqa: S105
    LINK_USED = "link used"  #: a one-time link, a second time
    NOT_A_TAB = "not a tab"  #: that asks for the session's page
    CROSS_SITE = "cross-site"  #: another site's page sent it
    CROSS_SITE_VISIT = "cross-site visit"  #: the same, to look at a page, and we cannot tell whether in a tab
    TOO_MANY_CONNECTIONS = "too many connections"  #: to the application
    TOO_MANY_VISITORS = "too many visitors"  #: at the gateway
    TOO_MANY_FROM_ADDRESS = (
        "too many from address"  #: connections of one visitor's, or of those behind one address
    )
    TOO_MANY_PAGES = "too many pages"  #: of the session, or of its user's, that somebody looks at
    NETWORK_BLOCKED = "network blocked"  #: the operator keeps the visitor's network out
    SESSION_CUT = "session cut"  #: the session ended before the application answered
    GATEWAY_RESTARTING = "gateway restarting"  #: the part of it that knows what to answer is away


@attrs.frozen(kw_only=True)
class Redirect:
    """The browser goes on to `where`, with the cookies of a right token, or without those that it is to forget."""

    where: str  #: fit for a Location field
    set_cookies: tuple[bytes, ...]  #: Set-Cookie fields' values
    status: int = 302


@attrs.frozen(kw_only=True)
class ApplicationStarting:
    """The application has been starting since then (Unix time); its owner may see what it says meanwhile."""

    since: float
    is_for_owner: bool = False


@attrs.frozen(kw_only=True)
class LinkLost:
    """The session's link has been lost since then (Unix time), and its client has not come back in time."""

    since: float


@attrs.frozen(kw_only=True)
class SessionEnded:
    """The session ended at that time (Unix time)."""

    since: float


@attrs.frozen(kw_only=True)
class BadRequest:
    """The request breaks the protocol; `status` says how."""

    status: int


@attrs.frozen(kw_only=True)
class UpstreamFailed:
    """The application, or the way to it, has not worked since then (Unix time); `what` is what was seen."""

    status: int
    fault: UpstreamFault
    what: str
    since: float


@attrs.frozen
class LinkForOneBrowser:
    """A one-time link that has not been used was looked at; it is spent by the button on the page that says so."""


@attrs.frozen
class PlantedCookies:
    """The page on which a browser is told to forget the cookies that neighbours planted was looked at."""


@attrs.frozen(kw_only=True)
class CookiesTooLarge:
    """The request's cookies leave no room for it; a browser forgets them by these Set-Cookie fields' values."""

    set_cookies: tuple[bytes, ...] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class IdentityNeeded:
    """Only the single sign-on lets in here, and it named nobody, or somebody whose session this is not."""

    user: str | None


@attrs.frozen(kw_only=True)
class TooManyGuesses:
    """Wrong tokens came from this visitor, or to this application, at a rate above what is compared.

    With `is_unknown` it is not known here whether they did: another process compares them first.
    """

    wait: int  #: seconds after which another one may be compared
    is_unknown: bool = False


Reason = (
    Refusal
    | TooManyGuesses
    | IdentityNeeded
    | Redirect
    | LinkForOneBrowser
    | PlantedCookies
    | CookiesTooLarge
    | ApplicationStarting
    | LinkLost
    | SessionEnded
    | BadRequest
    | UpstreamFailed
)
