"""Where a request comes from, pure: by its Origin field, and by Fetch Metadata, in which browsers say more.

Neighbours on the parent domain count as the same site to a browser, so that SameSite does not keep their pages
from sending requests with our cookie. What no page sends (curl, scripts) names no origin and passes.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

import attrs

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.access.login_link import is_own, safe_redirect_target
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.authority import parse_authority
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.request_fields import RequestFields

_DEFAULT_PORTS = {"http": 80, "https": 443}
_OWN_SITES = (b"same-origin", b"none")  # none: a person's own doing, as by the address bar or a bookmark


@attrs.frozen(kw_only=True)
class Policy:
    """What the operator allows; `allowed_origins` are further Origin values, in lower case."""

    allowed_origins: frozenset[bytes] = frozenset()
    sso: SingleSignOn | None = None

    @property
    def needs_identity(self) -> bool:
        """Whether nobody gets in by a token."""
        return self.sso is not None and self.sso.is_needed


@attrs.frozen(kw_only=True)
class Origin:
    """An origin taken apart (RFC 6454 section 4); a port that was not named is its scheme's own."""

    scheme: str
    host: str
    port: int


def parse_origin(value: bytes) -> Origin | None:
    """Read an Origin field; None for ``null`` and whatever is no origin of a page (RFC 6454 section 7)."""
    try:
        parts = urlsplit(value.decode("ascii"))
        if parts.scheme not in _DEFAULT_PORTS or parts.path or parts.query or parts.fragment:
            return None
        authority = parse_authority(parts.netloc.encode("ascii"))
    except (ValueError, RemoteProtocolError):
        return None
    port = authority.port or _DEFAULT_PORTS[parts.scheme]
    return Origin(scheme=parts.scheme, host=authority.host, port=port)


def format_origin(origin: Origin) -> str:
    """Write an origin as browsers do (RFC 6454 section 6.2)."""
    port = "" if origin.port == _DEFAULT_PORTS[origin.scheme] else f":{origin.port}"
    return f"{origin.scheme}://{origin.host}{port}"


def comes_from_here(head: RequestHead, policy: Policy, *, https: bool) -> bool:
    """Whether a page of the route's own origin, or of an allowed one, sent this, or no page at all.

    `https` tells how the visitor came, as far as we know: TLS may end in front of us without our being told, so
    that an origin of HTTPS is never foreign for its scheme. ``null`` is what sandboxed pages say, and those
    without a referrer, whose ever they are; only the browser can tell.
    """
    value, site = head.parsed.origin, _fetch_site(head.parsed)
    if value is None:
        return site is None or site in _OWN_SITES
    if _is_allowed(value, policy):
        return True
    is_own_by_browser = site == b"same-origin"
    if value == b"null":
        return is_own_by_browser
    if https and value.lower().startswith(b"http:"):
        return False
    # A front proxy may have taken the port out of Host.
    return _is_own(value, head, any_port=is_own_by_browser)


def may_use_cookie(head: RequestHead, policy: Policy) -> bool:
    """Whether the cookie counts for a request from where the browser says that it comes from (Fetch Metadata).

    Another origin's pages may lead the whole tab here, and nothing else: they would run our scripts, frame our
    pages, and have GET requests do things. A browser that says nothing passes, as it always did.
    """
    if names_own_site(head.parsed):
        return True
    if _is_allowed(_sender(head), policy):
        return True
    if head.values(b"sec-purpose"):
        return _is_own(_sender(head), head)
    return is_visit(head) and head.values(b"sec-fetch-dest") == [b"document"]


def names_own_site(fields: RequestFields) -> bool:
    """Whether a browser says that no page of another origin sent this, or nothing.

    Chromium says "none", too, of what any page's speculation rules have it ask ahead.
    """
    site = _fetch_site(fields)
    return site is None or site == b"same-origin" or (site == b"none" and not fields.values(b"sec-purpose"))


def is_visit(head: RequestHead) -> bool:
    """Whether a browser asks for a page to show, in a tab or in a frame.

    Which of them, is lost where the application has a service worker that passes requests on: Chromium then sends
    ``Sec-Fetch-Dest: empty``.
    """
    return head.method in (b"GET", b"HEAD") and head.values(b"sec-fetch-mode") == [b"navigate"]


def comes_by_own_page(head: RequestHead) -> bool:
    """Whether a page of the route's own origin sent this, as far as the browser tells."""
    return _fetch_site(head.parsed) == b"same-origin"


def is_own_part(head: RequestHead) -> bool:
    """Whether a page of the route's own origin asks for a part of itself, such as its web manifest.

    Browsers leave the cookie out there unless the page says otherwise, as they do with what scripts ask for so.
    """
    modes = head.values(b"sec-fetch-mode")
    return comes_by_own_page(head) and len(modes) == 1 and modes != [b"navigate"]


def may_be_whole_tab(head: RequestHead) -> bool:
    """Whether the answer is shown in a tab of its own and goes to no script, as far as the browser tells.

    A service worker reads what it asks for in the browser's place, and what the browser asks for ahead of it.
    """
    return (
        head.values(b"sec-fetch-mode") in ([], [b"navigate"])
        and head.values(b"sec-fetch-dest") in ([], [b"document"])
        and not head.values(b"service-worker-navigation-preload")
        and not head.values(b"sec-purpose")  # asked ahead, for whatever window
    )


def _is_own(value: bytes, head: RequestHead, *, any_port: bool = False) -> bool:
    """Whether an origin is the route's own, as far as Host tells."""
    origin, own = parse_origin(value), head.authority
    if origin is None or own is None or origin.host != own.host:
        return False
    return any_port or origin.port == (own.port or _DEFAULT_PORTS[origin.scheme])


def allowed_origin(head: RequestHead, policy: Policy) -> bytes | None:
    """Return the request's Origin where that is one of those that the operator allows."""
    value = head.parsed.origin
    return value if value is not None and _is_allowed(value, policy) else None


def _is_allowed(origin: bytes, policy: Policy) -> bool:
    return origin.lower() in policy.allowed_origins


def _fetch_site(fields: RequestFields) -> bytes | None:
    """Return the word for how far the sender is from here, None where there is none."""
    values = fields.values(b"sec-fetch-site")
    return b", ".join(values) if values else None


def _sender(head: RequestHead) -> bytes:
    """Return the origin of the page that sent a request: GET requests of frames and images bring only Referer.

    No page can have its browser name another origin there.
    """
    if head.parsed.origin is not None:
        return head.parsed.origin
    parts = _referer(head)
    return b"" if parts is None else f"{parts.scheme}://{parts.netloc}".encode()


def page_before(head: RequestHead) -> str:
    """Return the page on which the form stood, as far as the browser tells, and never one of ours."""
    parts = _referer(head)
    if parts is None or is_own(parts.path):
        return "/"
    return safe_redirect_target(parts.path + (f"?{parts.query}" if parts.query else ""))


def _referer(head: RequestHead) -> SplitResult | None:
    """Return the address of the page that sent a request, where it names exactly one (RFC 9110 section 10.1.3)."""
    referers = head.values(b"referer")
    try:
        return urlsplit(referers[0].decode("ascii")) if len(referers) == 1 else None
    except ValueError:
        return None
