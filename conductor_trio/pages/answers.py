"""The server's own answers. They echo nothing that the visitor sent, and name the hop that failed.

What they say stands in `pages.words`, by topics, in each language.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
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
from conductor_trio.pages.bad_request import FIELDS
from conductor_trio.pages.html import Form, Tone
from conductor_trio.pages.speech import Moment, Value, fill
from conductor_trio.pages.words.english import ENGLISH
from conductor_trio.pages.words.words import Language


class Hop(enum.Enum):
    """What speaks, or what failed."""

    GATEWAY = "gateway"
    LINK = "link"
    APPLICATION = "application"
    DASHBOARD = "dashboard"


@attrs.frozen(kw_only=True)
class Reply:
    """An answer: a status, and the topic of its words with the values in them; `hop` is what speaks or failed.

    `title`, `text` and `advice` are the words in English, as programs get them.
    """

    status: int
    topic: str
    titled: str = ""  #: the topic that has the title, if another
    values: Mapping[str, Value] = attrs.field(factory=dict)
    hop: Hop = Hop.GATEWAY
    tone: Tone = Tone.DENIED
    fields: tuple[tuple[bytes, bytes], ...] = ()
    reload: int | None = None  #: after how many seconds a browser is to ask again by itself
    watch: str = ""  #: the session's state that is waited out, by its word for owners
    since: float | None = None  #: since when it is waited (Unix time)
    is_for_owner: bool = False  #: who may see what the application says
    form: Form = Form.NONE
    is_expected: bool = False  #: nobody is kept from anything, so that it does not count

    @property
    def title(self) -> str:
        """The line that names it."""
        return self.title_in(ENGLISH)

    def title_in(self, language: Language, application: str = "") -> str:
        """Return the line that names it in a language, and the application by its name, if that may be told."""
        words = language.answers.get(self.titled or self.topic)
        if words is None:
            return HTTPStatus(self.status).phrase
        return words.named.format(application=application) if application and words.named else words.title

    @property
    def text(self) -> str:
        """What is so."""
        return fill(ENGLISH.answers[self.topic].text, self.values, ENGLISH)

    @property
    def advice(self) -> str:
        """What to do next."""
        return fill(ENGLISH.answers[self.topic].advice, self.values, ENGLISH)


_denied = partial(Reply, status=403)
_missing = partial(Reply, status=404, tone=Tone.GONE)


def _bad_request(status: int) -> Reply:
    """Return the answer to a request that breaks the protocol."""
    known = str(status) in ENGLISH.answers
    return Reply(
        status=status,
        topic=str(status) if known else "400",
        titled="" if known else str(status),
        tone=Tone.BROKEN,
        fields=FIELDS.get(status, ()),
    )


_FAILED_TITLES = {502: "session_cut", 503: "unavailable", 504: "timeout"}


def _failed(status: int, topic: str, since: float | None = None, **values: Value) -> Reply:
    """Return the answer where the application, or the way to it, failed; the topic names what did."""
    return Reply(
        status=status,
        topic=topic,
        titled=_FAILED_TITLES[status],
        values=values if since is None else {**values, "since": Moment(since)},
        hop=Hop.APPLICATION,
        tone=Tone.BROKEN,
        fields=((b"Retry-After", b"%d" % BROKEN_RETRY),) if status == 503 else (),
        reload=BROKEN_RELOAD,
    )


def _too_many(topic: str) -> Reply:
    """Return the answer to one of too many (RFC 6585 section 4)."""
    retry = ((b"Retry-After", b"%d" % BROKEN_RETRY),)
    return Reply(status=429, topic=topic, tone=Tone.WAITING, fields=retry)


def _starting(since: float, *, is_for_owner: bool) -> Reply:
    """Return the answer for an application that has been starting since then (Unix time)."""
    return Reply(
        status=503,
        topic="starting",
        values={"since": Moment(since)},
        hop=Hop.APPLICATION,
        tone=Tone.WAITING,
        fields=((b"Retry-After", b"%d" % STARTING_RELOAD),),
        reload=STARTING_RELOAD,
        watch="starting",
        since=since,
        is_for_owner=is_for_owner,
    )


def _link_lost(since: float) -> Reply:
    """Return the answer for a session whose link was lost at `since` (Unix time) and is expected back."""
    return Reply(
        status=503,
        topic="link_lost",
        values={"since": Moment(since)},
        hop=Hop.LINK,
        tone=Tone.WAITING,
        fields=((b"Retry-After", b"%d" % LINK_LOST_RELOAD),),
        reload=LINK_LOST_RELOAD,
        watch="lost",
        since=since,
    )


def _session_ended(since: float) -> Reply:
    """Return the answer for a session that ended at `since` (Unix time)."""
    return Reply(
        status=410,
        topic="session_ended",
        values={"since": Moment(since)},
        hop=Hop.APPLICATION,
        tone=Tone.GONE,
    )


def _redirect(reason: Redirect) -> Reply:
    """Return the answer that has a browser go on with other cookies than before."""
    return Reply(
        status=reason.status,
        topic="redirect",
        tone=Tone.ASKING,
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
        topic="cookies_too_large",
        tone=Tone.WAITING,
        fields=_set_cookies(reason.set_cookies),
        reload=COOKIES_RELOAD,
    )


def _set_cookies(values: tuple[bytes, ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((b"Set-Cookie", value) for value in values)


def _too_many_guesses(wait: int) -> Reply:
    """Return the answer to a token that is not even looked at for so many seconds."""
    return Reply(
        status=429,
        topic="too_many_guesses",
        tone=Tone.WAITING,
        fields=((b"Retry-After", b"%d" % wait),),
        reload=wait + GUESS_RELOAD_PAUSE,
    )


def _identity_needed(user: str | None) -> Reply:
    """Return the answer to one whom the single sign-on calls so, or does not know."""
    return _denied(topic="nobody") if user is None else _denied(topic="somebody_else", values={"user": user})


_PLANTED_COOKIES = Reply(status=200, topic="planted_cookies", tone=Tone.ASKING, form=Form.FORGET)
_LINK_FOR_ONE_BROWSER = Reply(status=200, topic="link_for_one_browser", tone=Tone.ASKING, form=Form.OPEN)
_REFUSALS = {
    Refusal.NO_ROUTE: _missing(topic="no_route"),
    Refusal.NO_PAGE: _missing(topic="no_page"),
    Refusal.NO_TOKEN: _denied(topic="no_token", form=Form.TOKEN),
    Refusal.CROWDED_OUT: _denied(topic="crowded_out", form=Form.TOKEN_OR_FORGET),
    Refusal.NO_CREDENTIALS: _denied(topic="no_credentials", is_expected=True),
    Refusal.WRONG_TOKEN: _denied(topic="wrong_token", form=Form.TOKEN),
    Refusal.WRONG_FORM_TOKEN: _denied(topic="wrong_form_token", form=Form.TOKEN),
    Refusal.LINK_USED: _denied(topic="link_used"),
    Refusal.CROSS_SITE: _denied(topic="cross_site"),
    # Not in a frame, where a browser does not show it: what leads here from there stays where it is.
    Refusal.CROSS_SITE_VISIT: _denied(topic="cross_site_visit", tone=Tone.WAITING, reload=CROSS_SITE_RELOAD),
    Refusal.NOT_A_TAB: _denied(topic="not_a_tab"),
    Refusal.METHOD_NOT_ALLOWED: Reply(
        status=405, topic="method_not_allowed", tone=Tone.BROKEN, fields=((b"Allow", b"GET, HEAD"),)
    ),
    Refusal.TOO_MANY_CONNECTIONS: _failed(503, "too_many_connections"),
    Refusal.TOO_MANY_VISITORS: _failed(503, "too_many_visitors"),
    Refusal.TOO_MANY_FROM_ADDRESS: _too_many("too_many_from_address"),
    Refusal.TOO_MANY_PAGES: _too_many("too_many_pages"),
    Refusal.NETWORK_BLOCKED: _denied(topic="network_blocked"),
    Refusal.SESSION_CUT: _failed(502, "session_cut"),
    Refusal.GATEWAY_RESTARTING: _failed(503, "gateway_restarting"),
}
_FAULTS = {
    UpstreamFault.RELAY_SOCKET: "relay_socket",
    UpstreamFault.BAD_ANSWER: "bad_answer",
    UpstreamFault.SESSION_ENDED: "session_over",
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
        case BadRequest():
            return _bad_request(reason.status)
        case _:
            return _answer_of_session(reason)


def _answer_of_session(reason: ApplicationStarting | LinkLost | SessionEnded | UpstreamFailed) -> Reply:
    """Return what visitors are told of a session that is not live, or whose application fails."""
    match reason:
        case ApplicationStarting():
            return _starting(reason.since, is_for_owner=reason.is_for_owner)
        case LinkLost():
            return _link_lost(reason.since)
        case SessionEnded():
            return _session_ended(reason.since)
        case UpstreamFailed():
            return _failed(reason.status, _FAULTS[reason.fault], reason.since, what=reason.what)
    assert_never(reason)
