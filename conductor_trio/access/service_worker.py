"""Service workers of applications: guarded, so that none sees what a browser asks of the server's own pages.

A service worker stands between a browser and all of its host from the time that any page of the application
registers it: it would see login links and the form for a token. Its script comes through here, asked for with a
field ``Service-Worker`` (Service Workers section "Update"), and the guard goes before it, in its first line. That
runs first, each time that the worker starts, and has what it needs where nothing that comes after can get at it.
"""

from __future__ import annotations

import re

import attrs

from conductor_trio.access.login_link import OWN_PREFIX
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import Body, Framing
from conductor_trio.http1.fields import Field
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.response import ResponseHead

# The listener that comes first ends an event of ours, and without an answer to it the browser asks the network. Of
# a page at an address of ours a worker learns no more than that there is one. Routes would go past all listeners.
# No module can hold `with`: what it imports would run before the guard.
_SOURCE = """
{
const {apply, construct} = Reflect;
const Address = URL;
const {stopImmediatePropagation: stop} = Event.prototype;
const {startsWith} = String.prototype;
const getter = (kind, name) => Object.getOwnPropertyDescriptor(kind.prototype, name).get;
const requestOf = getter(FetchEvent, "request");
const urlOf = getter(Request, "url");
const placeOf = getter(Client, "url");
const pathOf = getter(URL, "pathname");
const isOwn = url => apply(startsWith, apply(pathOf, construct(Address, [url]), []), ["%(prefix)s"]);
addEventListener("fetch", event => {
if (isOwn(apply(urlOf, apply(requestOf, event, []), []))) apply(stop, event, []);
}, {capture: true});
Object.defineProperty(Client.prototype, "url", {get() {
const url = apply(placeOf, this, []);
return isOwn(url) ? "about:blank" : url;
}});
if (self.InstallEvent) delete InstallEvent.prototype.addRoutes;
with ({}) {}
}
"""
GUARD = b"%b " % " ".join((_SOURCE % {"prefix": OWN_PREFIX}).split("\n")).strip().encode()


# In which the guard is read as what it is.
_CHARSET = re.compile(rb"""charset[ \t]*=[ \t]*["']?(?!(?:utf-?8|us-ascii|iso-8859-1)\b)""", re.IGNORECASE)


def _is_encoded(field: Field) -> bool:
    if field.lower == b"content-type":
        return _CHARSET.search(field.value) is not None
    return field.lower == b"content-encoding" and field.value.lower() != b"identity"


def guard_worker(request: RequestHead, response: ResponseHead) -> tuple[ResponseHead, bytes]:
    """Return a response's head with room for what is to go before its body, and that; b"" where it needs nothing.

    The guard goes before the script of a service worker that could have our pages in its scope: one at the root,
    or with leave of the response (Service Workers section "Update"). Raises `RemoteProtocolError` where it cannot.
    """
    at_root = request.target.partition(b"?")[0].rfind(b"/") == 0
    fields = response.fields
    if response.status >= 400 or not (at_root or any(one.lower == b"service-worker-allowed" for one in fields)):
        return response, b""
    if response.status == 304 or any(map(_is_encoded, fields)):
        raise RemoteProtocolError("the script of a service worker came encoded, or not at all")
    match response.body.framing:
        case Framing.NONE:
            return response, b""
        case Framing.LENGTH:
            body = Body(Framing.LENGTH, response.body.length + len(GUARD))
            return attrs.evolve(response, body=body), GUARD
        case _:
            return response, GUARD
