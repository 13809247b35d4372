"""Answers written as HTTP messages: as HTML, JSON or plain text, whichever a visitor asks for."""

from __future__ import annotations

import json
from http import HTTPStatus

from conductor_trio.access.login_link import OWN_PREFIX
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.rewrite import format_connection
from conductor_trio.pages.answers import Reply
from conductor_trio.pages.documents import Document
from conductor_trio.pages.html import POLICY, Page


def format_answer(
    answer: Reply | Document,
    request: RequestHead | None,
    *,
    keep_alive: bool,
    date: bytes,
    added: tuple[tuple[bytes, bytes], ...] = (),
    is_exposed: bool = False,
    announcement: str = "",
) -> bytes:
    """Write an answer, head and body, in the form that the visitor asks for: HTML, JSON or plain text.

    The body is left out, and its length kept, in answer to HEAD. `added` are further fields. `is_exposed` tells
    that others can read what the visitor sends; `announcement` is what the operator has everybody read.
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
                reloads=bool(request and request.is_safe),
                is_exposed=is_exposed,
                announcement=announcement,
            )
    fields = (
        *document.fields,
        *added,
        *_hide_address(document, request),
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


def _hide_address(document: Document, request: RequestHead | None) -> tuple[tuple[bytes, bytes], ...]:
    """Return what keeps the address of a page of ours, which may be a login link, from whoever it is not for.

    It goes out in no Referer, and is not in the history of the tab, which the application's scripts can read later
    on (HTML, "NavigationHistoryEntry"). Were it kept from ourselves, too, a form would come without an origin.
    """
    if request is None or not request.target.startswith(OWN_PREFIX.encode()):
        return ()
    return () if _REFERRER_POLICY in dict(document.fields) else ((_REFERRER_POLICY, b"origin"),)


_REFERRER_POLICY = b"Referrer-Policy"
_REDIRECTIONS = (302, 303)


def render(
    reply: Reply, accept: bytes, *, reloads: bool, is_exposed: bool = False, announcement: str = ""
) -> Document:
    """Return a reply in the form that an Accept field's value, in lower case, asks for.

    `reloads` tells that a browser may ask again by itself.
    """
    code = f"{reply.status} {HTTPStatus(reply.status).phrase}"
    if b"text/html" in accept:
        page = Page(
            title=reply.title,
            hop=reply.hop,
            text=reply.text,
            advice=reply.advice,
            code=code,
            reload=reply.reload if reloads else None,
            form=reply.form,
            is_exposed=is_exposed,
            announcement=announcement,
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
