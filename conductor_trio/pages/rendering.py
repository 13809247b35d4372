"""Answers written as HTTP messages: as HTML in the visitor's language, or as JSON or plain text in English."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus

import attrs

from conductor_trio.access.login_link import OWN_PREFIX
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.rewrite import format_connection
from conductor_trio.pages.answers import Reply
from conductor_trio.pages.documents import Document
from conductor_trio.pages.house import House
from conductor_trio.pages.html import Page, Tone
from conductor_trio.pages.speech import fill_markup
from conductor_trio.pages.words.languages import choose_language
from conductor_trio.pages.words.words import Language

Fields = tuple[tuple[bytes, bytes], ...]


@attrs.frozen(kw_only=True)
class About:
    """The session that an answer is about, as far as the one may know it who gets the answer."""

    key: str = ""
    application: str = ""
    output: tuple[str, ...] | None = None  #: the last lines of what it says; None for those who are not its owner


NOTHING_KNOWN = About()


@attrs.frozen(kw_only=True)
class Setting:
    """What goes into every page, whatever it says, at `now` (Unix time).

    `is_exposed` tells that others can read what the visitor sends; `announcement` is what the operator has
    everybody read.
    """

    house: House = attrs.field(factory=House)
    announcement: str = ""
    is_exposed: bool = False
    now: float = 0.0


PLAIN_SETTING = Setting()


def format_answer(
    answer: Reply | Document,
    request: RequestHead | None,
    *,
    keep_alive: bool,
    date: bytes,
    added: Fields = (),
    setting: Setting = PLAIN_SETTING,
    about: About = NOTHING_KNOWN,
) -> bytes:
    """Write an answer, head and body, in the form that the visitor asks for: HTML, JSON or plain text.

    The body is left out, and its length kept, in answer to HEAD. `added` are further fields.
    """
    match answer:
        case Document():
            document = answer
        case Reply():
            accept = request.parsed.accept if request else b""
            # What was sent as a change is not repeated by itself, and a form's answer has no address.
            document = render(
                answer,
                accept,
                request.values(b"accept-language") if request else (),
                reloads=bool(request and request.is_safe),
                setting=setting,
                about=about,
            )
    fields = (
        *_join_vary((*document.fields, *added)),
        *_hide_address(document, request),
        (b"Date", date),
        (b"Content-Type", document.content_type),
        (b"Content-Length", b"%d" % len(document.body)),
        (b"Cache-Control", document.cache_control),
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


def _join_vary(fields: Fields) -> Fields:
    """Return the fields with one Vary for all of them."""
    varied = [value for name, value in fields if name == _VARY]
    if len(varied) < 2:
        return fields
    return (*(field for field in fields if field[0] != _VARY), (_VARY, b", ".join(varied)))


def _hide_address(document: Document, request: RequestHead | None) -> Fields:
    """Return what keeps the address of a page of ours, which may be a login link, from whoever it is not for.

    It goes out in no Referer, and is not in the history of the tab, which the application's scripts can read later
    on (HTML, "NavigationHistoryEntry"). Were it kept from ourselves, too, a form would come without an origin.
    """
    if request is None or not request.target.startswith(OWN_PREFIX.encode()):
        return ()
    return () if _REFERRER_POLICY in dict(document.fields) else ((_REFERRER_POLICY, b"origin"),)


_REFERRER_POLICY = b"Referrer-Policy"
_VARY = b"Vary"
_REDIRECTIONS = (302, 303)
_TITLED_ENOUGH = (Tone.ASKING, Tone.WAITING)  # a status would only frighten


def render(
    reply: Reply,
    accept: bytes,
    accept_language: Iterable[bytes] = (),
    *,
    reloads: bool,
    setting: Setting = PLAIN_SETTING,
    about: About = NOTHING_KNOWN,
) -> Document:
    """Return a reply in the form that an Accept field's value, in lower case, asks for.

    `reloads` tells that a browser may ask again by itself.
    """
    if b"text/html" in accept:
        language = choose_language(accept_language)
        page = _make_page(reply, language, setting, about, reloads=reloads)
        house = setting.house
        fields: Fields = (
            *reply.fields,
            (b"Content-Security-Policy", house.policy if page.has_script else house.plain_policy),
            (b"Content-Language", language.code.encode()),
            (_VARY, b"Accept, Accept-Language"),
        )
        if reply.status not in _REDIRECTIONS:  # a portal may well watch the window in which it opens a login link
            fields += ((b"Cross-Origin-Opener-Policy", b"same-origin"),)
        return Document(
            status=reply.status, content_type=b"text/html; charset=utf-8", body=page.render(), fields=fields
        )
    fields = (*reply.fields, (_VARY, b"Accept"))
    reason = f"{reply.text} {reply.advice}".rstrip()
    if b"json" in accept:
        body = json.dumps({"status": reply.status, "error": reply.title, "reason": reason}).encode()
        return Document(status=reply.status, content_type=b"application/json", body=body, fields=fields)
    text = f"{_code(reply.status)}: {reply.title}. {reason}\n".encode()
    return Document(status=reply.status, content_type=b"text/plain; charset=utf-8", body=text, fields=fields)


def _make_page(reply: Reply, language: Language, setting: Setting, about: About, *, reloads: bool) -> Page:
    words = language.answers[reply.topic]
    values = {"key": about.key or language.labels["key"], **reply.values}
    return Page(
        title=reply.title_in(language, about.application),
        hop=language.labels[reply.hop.value],
        text=fill_markup(words.text, values, language),
        advice=fill_markup(words.advice, values, language),
        owner=fill_markup(words.owner, values, language),
        code="" if reply.tone in _TITLED_ENOUGH else _code(reply.status),
        tone=reply.tone,
        reload=reply.reload if reloads else None,
        watch=reply.watch,
        passed=None if reply.since is None else max(0.0, setting.now - reply.since),
        output=about.output,
        form=reply.form,
        is_exposed=setting.is_exposed,
        announcement=setting.announcement,
        language=language,
        house=setting.house,
    )


def _code(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
