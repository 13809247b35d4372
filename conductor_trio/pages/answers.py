"""The server's own answers. They echo nothing that the visitor sent, and name the hop that failed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import assert_never

import attrs

from conductor_trio.access.reasons import (
    ApplicationStarting,
    BadRequest,
    LinkForOneBrowser,
    LinkLost,
    Reason,
    Redirect,
    Refusal,
    SessionEnded,
    UpstreamFailed,
)
from conductor_trio.errors import UpstreamFault
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.rewrite import format_connection
from conductor_trio.limits.constants import (
    BROKEN_RELOAD,
    BROKEN_RETRY,
    CROSS_SITE_RELOAD,
    LINK_LOST_RELOAD,
    STARTING_RELOAD,
)
from conductor_trio.pages.documents import Document
from conductor_trio.pages.html import POLICY, Form, Page

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


_BAD_REQUEST_TEXTS = {
    400: "The gateway could not read this request without a doubt about its meaning, and did not pass it on.",
    405: "The gateway is no forward proxy.",
    408: "The request did not arrive in time.",
    413: "The form holds more than a token.",
    414: "The request's target is too long.",
    417: "The gateway knows no expectation but 100-continue.",
    431: "The request's header fields are too many or too large.",
    501: "The request uses a transfer coding that the gateway does not know.",
    505: "The gateway speaks HTTP/1.1.",
}


def _bad_request(status: int) -> Reply:
    """Return the answer to a request that breaks the protocol."""
    fields = ((b"Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),) if status == 405 else ()
    text = _BAD_REQUEST_TEXTS.get(status, _BAD_REQUEST_TEXTS[400])
    return Reply(status=status, title=HTTPStatus(status).phrase, text=text, fields=fields)


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
    """Return the answer to a right login link, or, with 303, to a right token in a form."""
    return Reply(
        status=reason.status,
        title="Welcome",
        text="You are logged in; your browser goes on to the application.",
        fields=(
            (b"Location", reason.where.encode("ascii")),
            (b"Set-Cookie", reason.set_cookie.encode("ascii")),
            (b"Referrer-Policy", b"no-referrer"),
        ),
    )


_LINK_FOR_ONE_BROWSER = Reply(
    status=200,
    title="A link for one browser",
    text="This link opens the application once, for the browser in which it is used. It has not been used yet.",
    advice="Go on in the browser in which you want to work: by the button, or, with a program, by a POST to this "
    "address.",
    form=Form.OPEN,
    # The address must reach nobody else. Were it kept from ourselves, too, the form would come without an origin.
    fields=((b"Referrer-Policy", b"same-origin"),),
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
    Refusal.NO_TOKEN: Reply(
        status=403,
        title="This application is private",
        text="Somebody runs an application here for themselves, and for those to whom they give its link. Your "
        "browser has not shown its token.",
        advice="Open the link that its owner gave you, or enter the token from it, the letters and digits after "
        "/_conductor/auth/.",
        form=Form.TOKEN,
    ),
    Refusal.NO_CREDENTIALS: Reply(
        status=403,
        title="Asked for without credentials",
        text="A page of the application asked for this without the cookie, so that the gateway does not know for "
        "whom.",
        advice='The page can ask with it: by crossorigin="use-credentials" in a link to a web manifest, by '
        'credentials: "same-origin" in a fetch.',
        is_expected=True,
    ),
    Refusal.WRONG_TOKEN: Reply(
        status=403,
        title="This link does not open the application",
        text="Its token is not, or no longer, one of the application's: it may have been started anew, or the "
        "link may have ended.",
        advice="Ask the application's owner for a new link, or enter the token that you have.",
        form=Form.TOKEN,
    ),
    Refusal.WRONG_FORM_TOKEN: Reply(
        status=403,
        title="This token does not open the application",
        text="It is not, or no longer, one of the application's tokens.",
        advice="Check that you have copied all of it, or ask the application's owner for a new link.",
        form=Form.TOKEN,
    ),
    Refusal.LINK_USED: Reply(
        status=403,
        title="This link has been used",
        text="It was made to open one browser, and has done so.",
        advice="If that was not you, tell the application's owner. They can give you a new link.",
    ),
    Refusal.CROSS_SITE: Reply(
        status=403,
        title="Cross-site request refused",
        text="Another site's page sent this request. The gateway lets through only the application's own pages.",
    ),
    # Not in a frame, where a browser does not show it: what leads here from there stays where it is.
    Refusal.CROSS_SITE_VISIT: Reply(
        status=403,
        title="Another site led here",
        text="It led to a page of the application in a way that is open to the application's own pages only.",
        advice="There is nothing to do: this page becomes the application by itself.",
        reload=CROSS_SITE_RELOAD,
    ),
    Refusal.NOT_A_TAB: Reply(
        status=403,
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
    Refusal.SESSION_CUT: _failed(502, "The session ended before the application answered."),
}


def answer_for(reason: Reason) -> Reply:
    """Return what visitors are told for a reason."""
    match reason:
        case Refusal():
            return _REFUSALS[reason]
        case Redirect():
            return _redirect(reason)
        case LinkForOneBrowser():
            return _LINK_FOR_ONE_BROWSER
        case ApplicationStarting():
            return _starting(reason.since)
        case LinkLost():
            return _link_lost(reason.since)
        case SessionEnded():
            return _session_ended(reason.since)
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


def format_answer(
    answer: Reply | Document,
    request: RequestHead | None,
    *,
    keep_alive: bool,
    date: bytes,
    added: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """Write an answer, head and body, in the form that the visitor asks for: HTML, JSON or plain text.

    The body is left out, and its length kept, in answer to HEAD. `added` are further fields.
    """
    match answer:
        case Document():
            document = answer
        case Reply():
            document = _rendered(answer, request)
    fields = (
        *document.fields,
        *added,
        (b"Date", date),
        (b"Content-Type", document.content_type),
        (b"Content-Length", b"%d" % len(document.body)),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
    )
    head = b"".join(
        [
            b"HTTP/1.1 %d %b\r\n" % (document.status, HTTPStatus(document.status).phrase.encode()),
            *(b"%b: %b\r\n" % field for field in fields),
            format_connection(request, keep_alive=keep_alive),
            b"\r\n",
        ]
    )
    return head if request is not None and request.method == b"HEAD" else head + document.body


_REDIRECTIONS = (302, 303)


def _rendered(reply: Reply, request: RequestHead | None) -> Document:
    code = f"{reply.status} {HTTPStatus(reply.status).phrase}"
    accept = request.parsed.accept if request else b""
    if b"text/html" in accept:
        page = Page(
            title=reply.title,
            hop=reply.hop,
            text=reply.text,
            advice=reply.advice,
            code=code,
            # What was sent as a change is not repeated by itself, and a form's answer has no address.
            reload=reply.reload if request and request.is_safe else None,
            form=reply.form,
        )
        fields = (*reply.fields, (b"Content-Security-Policy", POLICY))
        if reply.status not in _REDIRECTIONS:  # a portal may well watch the window in which it opens a login link
            fields += ((b"Cross-Origin-Opener-Policy", b"same-origin"),)
        return Document(
            status=reply.status, content_type=b"text/html; charset=utf-8", body=page.render(), fields=fields
        )
    reason = f"{reply.text} {reply.advice}".rstrip()
    if b"json" in accept:
        body = json.dumps({"status": reply.status, "error": reply.title, "reason": reason}).encode()
        return Document(status=reply.status, content_type=b"application/json", body=body, fields=reply.fields)
    text = f"{code}: {reply.title}. {reason}\n".encode()
    return Document(status=reply.status, content_type=b"text/plain; charset=utf-8", body=text, fields=reply.fields)
